"""Every wait ends in time, whether the peer is silent or never done."""

from __future__ import annotations

import asyncio
import signal
from time import monotonic

import pytest

from arriero._core.http import Fault

from .adapters import Adapter, AsyncAdapter, get, made, post, rest_of
from .peer import CHUNKED, Line, Peer, Script, chunk

SHORT_S = 0.15
LONG_S = 1.0
"""Longer than a busy machine keeps a thread waiting."""


def hanging_after(data: bytes) -> Script:
    """Send `data`, then nothing more."""

    def script(line: Line) -> None:
        line.request()
        line.send(data)
        line.drain()

    return script


def trickling(before: bytes, drops: bytes) -> Script:
    """Send `before`, then `drops` byte by byte for ever, each in less than the time allowed."""

    def script(line: Line) -> None:
        line.request()
        line.send(before)
        while True:
            line.trickle(drops, SHORT_S / 5)

    return script


HEADS = {
    "silent": hanging_after(b""),
    "status line": trickling(b"", b"HTTP/1.1 200 " + b"O" * 2000),
    "headers": trickling(b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n"),
    "interim": trickling(b"", b"HTTP/1.1 102 X\r\n\r\n"),
}
BODIES = {
    "silent": hanging_after(CHUNKED),
    "chunk size": trickling(CHUNKED, b"1;" + b"x" * 2000),
    "trailer": trickling(CHUNKED + b"0\r\n", b"X-Slow: 1\r\n"),
}


@pytest.mark.parametrize("script", HEADS.values(), ids=HEADS)
def test_the_head_has_a_deadline(adapter: Adapter, script: Script) -> None:
    """Waiting for the head ends in time, and the connection with it."""
    with Peer(script) as peer:
        began = monotonic()
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url), wait_s=SHORT_S)
        assert monotonic() - began > SHORT_S * 0.9
        assert (caught.value.kind, caught.value.phase) == ("timeout", "head")
        peer.wait_ended()


@pytest.mark.parametrize("script", BODIES.values(), ids=BODIES)
def test_the_body_has_a_deadline(adapter: Adapter, script: Script) -> None:
    """Waiting for content ends in time, though framing keeps coming."""
    with Peer(script) as peer:
        answer = adapter.open(post(peer.url))
        began = monotonic()
        with pytest.raises(Fault) as caught:
            answer.read(SHORT_S)
        assert monotonic() - began > SHORT_S * 0.9
        assert (caught.value.kind, caught.value.phase) == ("timeout", "body")
        answer.abort()
        peer.wait_ended()


def test_each_read_has_its_own_deadline(adapter: Adapter) -> None:
    """A stream may run for as long as its records come in time."""

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED)
        for _ in range(6):
            line.pause(LONG_S / 5)
            line.send(chunk(b"x"))
        line.send(b"0\r\n\r\n")
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url))
        count = 0
        while answer.read(LONG_S):
            count += 1
        answer.close()
    assert count == 6


def test_a_short_deadline_does_not_outlive_its_read(adapter: Adapter) -> None:
    """After a read with little time, the next may have more."""

    def late(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        line.pause(LONG_S * 1.2)
        line.send(chunk(b"two") + b"0\r\n\r\n")
        line.drain()

    with Peer(late) as peer:
        answer = adapter.open(post(peer.url), wait_s=LONG_S)
        assert answer.read(LONG_S) == b"one"
        assert answer.read() == b"two"
        assert rest_of(answer) == b""
        answer.close()


def test_no_deadline_waits(adapter: Adapter) -> None:
    """None means no limit."""

    def script(line: Line) -> None:
        line.request()
        line.pause(SHORT_S)
        line.send(CHUNKED)
        line.pause(SHORT_S)
        line.send(chunk(b"late") + b"0\r\n\r\n")
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url), connect_s=None, wait_s=None)
        assert answer.read(None) == b"late"
        assert answer.read(None) == b""
        answer.close()


def test_sending_has_a_deadline(adapter: Adapter) -> None:
    """A server that stops reading does not hold an upload forever."""

    def script(line: Line) -> None:
        line.request_head()
        line.hang()

    with Peer(script) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url, b"x" * 50_000_000), wait_s=SHORT_S * 2)
        assert caught.value.kind == "timeout"


def test_a_deadline_that_passed_is_over_at_once(name: str) -> None:
    """Sync transports get absolute times, which may lie in the past."""
    if name.endswith(("async", "asyncio")):
        pytest.skip("the caller keeps the deadline")
    adapter = made(name)
    with Peer(HEADS["silent"]) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(get(peer.url), connect_s=-1, wait_s=-1)
        assert caught.value.kind == "timeout"
    adapter.close()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")
def test_a_signal_interrupts_a_blocked_read(adapter: Adapter) -> None:
    """Ctrl-C ends a wait without limit at once."""
    if isinstance(adapter, AsyncAdapter):
        pytest.skip("the event loop handles signals")

    def interrupt(*_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise KeyboardInterrupt

    left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # the test's own limit
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Peer(BODIES["silent"]) as peer:
            answer = adapter.open(post(peer.url))
            # Again and again: one that comes just before the read waits interrupts nothing.
            with pytest.raises(KeyboardInterrupt):
                [signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1), answer.read(None)]
            answer.close()
            peer.wait_ended()
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left_s)


def test_cancelling_closes_the_socket(adapter: Adapter) -> None:
    """A task cancelled while it waits for the head leaves no connection behind."""
    if not isinstance(adapter, AsyncAdapter):
        pytest.skip("nothing to cancel in a sync transport")

    async def cancelled(url: str) -> None:
        task = asyncio.create_task(adapter.transport.open(post(url), connect_s=5))
        await asyncio.sleep(SHORT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Peer(HEADS["silent"]) as peer:
        adapter.run(cancelled(peer.url))
        adapter.run(asyncio.sleep(0.01))
        peer.wait_ended()


def test_a_cancelled_read_is_no_end(adapter: Adapter) -> None:
    """Reading on after a cancelled read must not look like the end of the answer."""
    if not isinstance(adapter, AsyncAdapter):
        pytest.skip("nothing to cancel in a sync transport")

    async def cancelled(url: str) -> None:
        answer = await adapter.transport.open(post(url), connect_s=5)
        task = asyncio.create_task(answer.read())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answer.abort()
        with pytest.raises(Fault) as caught:
            await answer.read()
        assert caught.value.kind == "closed"

    with Peer(BODIES["silent"]) as peer:
        adapter.run(cancelled(peer.url))
        adapter.run(asyncio.sleep(0.01))
        peer.wait_ended()


@pytest.mark.parametrize("name", ["socket"])
def test_connecting_has_a_deadline(adapter: Adapter) -> None:
    """A handshake that hangs ends in time."""
    with Peer(lambda line: line.hang()) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(get(peer.url.replace("http:", "https:")), connect_s=SHORT_S, wait_s=None)
        assert (caught.value.kind, caught.value.phase) == ("timeout", "connect")
