"""Async connections that are dropped from outside their loop, or without it."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from arriero._core.http import Fault
from arriero._transport.interface import AsyncAnswer, TransportSettings
from arriero._transport.over_asyncio import AsyncioTransport

from .adapters import LIMIT_S, get, post
from .peer import CHUNKED, WAIT_S, Line, Peer, answering, chunk, whole
from .test_async_pool import begun, fetched, transport_of
from .test_async_wire import in_loop


def streaming(line: Line) -> None:
    """One piece, then silence until the client leaves."""
    line.request()
    line.send(CHUNKED + chunk(b"one"))
    line.drain()


@in_loop
async def test_a_transport_that_is_forgotten_harms_no_later_one() -> None:
    """The system gives the number of its socket to the next one, which the loop must notice."""
    with Peer(answering(whole())) as peer:
        for _ in range(5):
            transport = transport_of()
            assert await fetched(transport, peer.url) == b"{}"
            del transport
            gc.collect()
        await asyncio.sleep(0)


def test_a_transport_discarded_while_its_loop_rests_harms_no_later_one() -> None:
    """As above; this loop does not run at the time."""
    loop = asyncio.new_event_loop()
    with Peer(answering(whole())) as peer:
        for _ in range(5):
            transport = transport_of()
            assert loop.run_until_complete(fetched(transport, peer.url)) == b"{}"
            transport.discard()
        loop.close()
        gc.collect()


@in_loop
async def test_an_answer_outlives_its_transport() -> None:
    """A client that is closed, or dropped, ends no answer that is still read."""
    go_on = threading.Event()

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        assert go_on.wait(WAIT_S)
        line.send(chunk(b"two") + b"0\r\n\r\n")
        line.drain()

    with Peer(script) as peer:
        transport = transport_of()
        answer = await transport.open(post(peer.url), connect_s=LIMIT_S)
        await transport.close()
        del transport
        gc.collect()
        assert await answer.read() == b"one"
        go_on.set()
        assert await answer.read() == b"two"
        assert await answer.read() == b""
        await answer.close()
        await asyncio.to_thread(peer.wait_ended)


@pytest.mark.parametrize("head", [CHUNKED, b"HTTP/1.1 200 OK\r\n\r\n"], ids=["chunked", "unsized"])
def test_a_discard_from_another_thread_ends_who_reads(head: bytes) -> None:
    """With a fault, though the body would be whole at the connection's end."""

    def silent(line: Line) -> None:
        line.request()
        line.send(head)
        line.drain()

    @in_loop
    async def test() -> None:
        with Peer(silent, answering(whole())) as peer:
            transport = transport_of()
            answer = await transport.open(post(peer.url), connect_s=LIMIT_S)
            reading = await begun(answer.read())
            thread = threading.Thread(target=transport.discard)
            thread.start()
            with pytest.raises(Fault) as caught:
                await asyncio.wait_for(reading, LIMIT_S)
            assert caught.value.kind == "closed"
            thread.join()
            assert await fetched(transport_of(), peer.url) == b"{}"

    test()


def _in_child(work: Callable[[], None]) -> int | None:
    def run() -> None:
        work()
        os._exit(0)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(10)
    try:
        return child.exitcode
    finally:
        child.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("way", ["drop", "abort", "discard"])
def test_a_forked_child_ends_nothing_of_its_parents(way: str) -> None:
    """It shares the selector of the loop, which goes on noticing what arrives."""
    go_on = threading.Event()

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        assert go_on.wait(WAIT_S)
        line.send(chunk(b"two") + b"0\r\n\r\n")
        line.drain()

    @in_loop
    async def test() -> None:
        with Peer(script) as peer:
            transport: Any = transport_of()
            held: list[AsyncAnswer] = [await transport.open(post(peer.url), connect_s=LIMIT_S)]
            assert await held[0].read() == b"one"

            def child() -> None:
                if way == "drop":
                    held.clear()
                    gc.collect()
                elif way == "abort":
                    held[0].abort()
                else:
                    transport.discard()

            assert _in_child(child) == 0
            go_on.set()
            assert await asyncio.wait_for(held[0].read(), LIMIT_S) == b"two"
            held[0].abort()
            await transport.close()

    test()


def test_an_answer_dropped_while_its_loop_rests_closes_its_connection() -> None:
    """The loop may never run again."""
    loop = asyncio.new_event_loop()
    with Peer(streaming) as peer:
        transport = AsyncioTransport(TransportSettings())
        held = [loop.run_until_complete(transport.open(get(peer.url), connect_s=LIMIT_S))]
        held.clear()
        gc.collect()
        peer.wait_ended()
    loop.close()
    gc.collect()
