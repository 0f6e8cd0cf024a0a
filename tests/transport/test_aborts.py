"""Ending an answer from elsewhere."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from arriero._core.http import Fault
from arriero._transport.interface import AbortHandle

from .adapters import Adapter, AsyncAdapter, SyncAdapter, fetch, post, rest_of
from .peer import CHUNKED, Line, Peer, answering, chunk, whole


def streaming(line: Line) -> None:
    """One piece, then silence."""
    line.request()
    line.send(CHUNKED + chunk(b"one"))
    line.drain()


def test_aborting_wakes_a_blocked_read(adapter: Adapter) -> None:
    """The read ends with a fault at once, and the peer sees the connection end."""
    with Peer(streaming) as peer:
        answer = adapter.open(post(peer.url))
        assert answer.read() == b"one"
        answer.abort_later(0.1)
        with pytest.raises(Fault) as caught:
            answer.read(None)
        assert (caught.value.kind, caught.value.phase) == ("closed", "body")
        answer.close()
        peer.wait_ended()


def test_aborting_closes_without_a_reader(adapter: Adapter) -> None:
    """Nobody needs to read for the peer to notice; reading later says why it cannot."""
    with Peer(streaming) as peer:
        answer = adapter.open(post(peer.url))
        answer.abort()
        answer.abort()
        peer.wait_ended()
        with pytest.raises(Fault) as caught:
            rest_of(answer)
        assert caught.value.kind == "closed"
        answer.close()


def test_an_abort_is_no_end_of_a_body_that_ends_with_its_connection(adapter: Adapter) -> None:
    """Without a length, only the connection's end tells: ours must not be taken for the peer's."""

    def script(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\n\r\none")
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url))
        assert answer.read() == b"one"
        answer.abort_later(0.05)
        with pytest.raises(Fault) as caught:
            answer.read(None)
        assert caught.value.kind == "closed"
        answer.close()


def test_aborting_what_has_ended_harms_nobody(adapter: Adapter) -> None:
    """A late abort must not hit the call that uses the connection by now."""

    def script(line: Line) -> None:
        line.request()
        line.send(whole())
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        line.pause(0.05)
        line.send(chunk(b"two") + b"0\r\n\r\n")
        line.drain()

    with Peer(script) as peer:
        first = adapter.open(post(peer.url))
        rest_of(first)
        first.close()
        second = adapter.open(post(peer.url))
        assert second.reused
        first.abort()
        assert rest_of(second) == b"onetwo"
        second.close()


def test_an_abort_in_time_ends_the_wait_for_the_head(adapter: Adapter) -> None:
    """A model may load for minutes before the head comes."""
    if not isinstance(adapter, SyncAdapter):
        pytest.skip("an async open is cancelled")

    def silent(line: Line) -> None:
        line.request()
        line.drain()

    with Peer(answering(whole()), silent, answering(whole())) as peer:
        handle = AbortHandle()
        fetch(adapter, post(peer.url))
        timer = threading.Timer(0.1, handle.abort)
        with Peer(silent) as other:
            timer.start()
            with pytest.raises(Fault) as caught:
                adapter.transport.open(
                    post(other.url), connect_until=None, until=None, handle=handle
                )
            assert caught.value.kind == "closed"
            timer.join()
            other.wait_ended()


def test_an_abort_before_sending_counts(adapter: Adapter) -> None:
    """Who aborts while a connection is made gets no answer."""
    if not isinstance(adapter, SyncAdapter):
        pytest.skip("an async open is cancelled")

    def silent(line: Line) -> None:
        line.request()
        line.drain()

    handle = AbortHandle()
    handle.abort()
    with Peer(silent) as peer:
        with pytest.raises(Fault) as caught:
            adapter.transport.open(post(peer.url), connect_until=None, until=None, handle=handle)
        assert caught.value.kind == "closed"


def test_a_dropped_answer_closes_its_connection(adapter: Adapter) -> None:
    """Who loses the last reference to an answer stops the server's work."""
    if isinstance(adapter, AsyncAdapter) and "httpx" in type(adapter.transport).__name__.lower():
        pytest.skip("the stream that holds it aborts it")
    with Peer(streaming) as peer:
        answer = adapter.open(post(peer.url))
        assert answer.read() == b"one"
        del answer
        gc.collect()  # httpx makes cycles
        if isinstance(adapter, AsyncAdapter):
            adapter.run(asyncio.sleep(0))
        peer.wait_ended()
