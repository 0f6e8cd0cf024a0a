"""What only a connection in an event loop can get wrong."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from arriero._core.http import Fault
from arriero._core.statistics import Connections
from arriero._transport.async_wire import HELD_BYTES, AsyncWire
from arriero._transport.interface import AsyncAnswer, TransportSettings
from arriero._transport.over_asyncio import AsyncioTransport
from arriero.settings import Pool

from .adapters import LIMIT_S, get, post
from .peer import CHUNKED, Line, Peer, answering, chunk, whole


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Pipe:
    """Stands for asyncio's transport; notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.is_aborted = False

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def write(self, data: bytes) -> None:
        self.told.append(f"write {len(data)}")


def wired() -> tuple[AsyncWire, Pipe]:
    """Give a connection, and what it stands on."""
    wire, pipe = AsyncWire(asyncio.get_running_loop()), Pipe()
    made: Any = pipe
    wire.connection_made(made)
    return wire, pipe


@in_loop
async def test_what_nobody_reads_makes_the_peer_wait() -> None:
    """Memory is bounded by us, and the order is kept."""
    wire, pipe = wired()
    pieces = [bytes([number]) * (HELD_BYTES // 4) for number in range(5)]
    for piece in pieces:
        wire.data_received(piece)
    assert pipe.told == ["pause"]
    assert await wire.receive() == b"".join(pieces)
    assert pipe.told == ["pause", "resume"]


@in_loop
async def test_what_arrives_behind_the_first_piece_is_not_lost() -> None:
    """Two pieces may come before whoever waits for the first one runs."""
    wire, _ = wired()
    reading = asyncio.ensure_future(wire.receive())
    await asyncio.sleep(0)
    wire.data_received(b"one")
    wire.data_received(b"two")
    assert [await reading, await wire.receive()] == [b"one", b"two"]


@in_loop
async def test_what_arrived_is_read_before_the_loss_shows() -> None:
    """A server may answer and hang up with a reset."""
    wire, _ = wired()
    wire.data_received(b"last words")
    wire.connection_lost(ConnectionResetError(104, "reset"))
    assert await wire.receive() == b"last words"
    with pytest.raises(ConnectionResetError):
        await wire.receive()


@in_loop
async def test_who_waits_hears_of_the_loss() -> None:
    """At once, not at a deadline; also whoever waits for room."""
    wire, _ = wired()
    wire.pause_writing()
    reading = asyncio.ensure_future(wire.receive())
    writing = asyncio.ensure_future(wire.drained())
    await asyncio.sleep(0)
    wire.connection_lost(OSError(32, "broken pipe"))
    for waiting in (reading, writing):
        with pytest.raises(OSError, match="broken pipe"):
            await waiting


@in_loop
async def test_a_peer_that_speaks_ends_the_wait_for_room() -> None:
    """It may refuse what is being sent."""
    wire, _ = wired()
    wire.pause_writing()
    writing = asyncio.ensure_future(wire.drained())
    await asyncio.sleep(0)
    wire.data_received(b"HTTP/1.1 413 too much\r\n")
    await writing
    assert wire.take().startswith(b"HTTP/1.1 413")


@in_loop
async def test_a_connection_that_speaks_while_idle_is_of_no_use() -> None:
    """What it says would be taken for the next answer."""
    wire, pipe = wired()
    wire.is_idle = True
    wire.data_received(b"surprise")
    assert pipe.is_aborted
    assert not wire.stands
    assert wire.take() == b""


@in_loop
async def test_a_last_word_after_the_burial_harms_nobody() -> None:
    """uvloop may have it ready when the connection is dropped."""
    wire, pipe = wired()
    pipe.abort()  # its end is under way
    wire.bury()
    wire.eof_received()
    wire.connection_lost(None)
    assert await wire.receive() == b""


@in_loop
async def test_a_cancelled_read_leaves_the_connection_whole() -> None:
    """What comes later goes to the next read."""
    wire, _ = wired()
    reading = asyncio.ensure_future(wire.receive())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    wire.data_received(b"later")
    assert await wire.receive() == b"later"


@in_loop
async def test_a_waiting_call_that_is_cancelled_passes_its_turn_on() -> None:
    """The place that came free goes to the next in line."""
    with Peer(answering(whole())) as peer:
        transport = AsyncioTransport(TransportSettings(pool=Pool(max_connections=1)))
        first = await transport.open(get(peer.url), connect_s=LIMIT_S)
        second = asyncio.ensure_future(transport.open(get(peer.url), connect_s=LIMIT_S))
        third = asyncio.ensure_future(transport.open(get(peer.url), connect_s=LIMIT_S))
        await asyncio.sleep(0.01)
        assert await first.read() == b"{}"
        await first.close()  # the turn is the second's
        second.cancel()
        answer = await third
        assert answer.reused
        answer.abort()
        await asyncio.sleep(0)
        assert transport.connections() == {peer.url: Connections()}
        with pytest.raises(asyncio.CancelledError):
            await second
        await transport.close()


@in_loop
async def test_never_more_connections_than_are_allowed() -> None:
    """Not even while they are made."""
    with Peer(answering(whole())) as peer:
        transport = AsyncioTransport(TransportSettings(pool=Pool(max_connections=3)))

        async def one() -> None:
            answer = await transport.open(get(peer.url), connect_s=LIMIT_S)
            while await answer.read():
                pass
            await answer.close()

        await asyncio.gather(*(one() for _ in range(40)))
        assert peer.accepted <= 3
        await transport.close()


def test_an_answer_dropped_on_another_thread_closes_its_connection() -> None:
    """The garbage collector runs wherever it likes."""

    def streaming(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        line.drain()

    with Peer(streaming) as peer:

        async def main() -> None:
            transport = AsyncioTransport(TransportSettings())
            held = [await transport.open(post(peer.url), connect_s=LIMIT_S)]
            thread = threading.Thread(target=held.clear)
            thread.start()
            thread.join()
            gc.collect()
            await asyncio.to_thread(peer.wait_ended)
            await transport.close()

        asyncio.run(main())


@in_loop
async def test_after_an_abort_nothing_is_read() -> None:
    """Not even what lies there already: who cancelled wants no more of it."""
    with Peer(answering(CHUNKED + chunk(b"one") + chunk(b"two"))) as peer:
        transport = AsyncioTransport(TransportSettings())
        answer = await transport.open(post(peer.url), connect_s=LIMIT_S)
        answer.abort()
        with pytest.raises(Fault) as caught:
            await answer.read()
        assert caught.value.kind == "closed"
        await transport.close()


def test_an_answer_that_outlives_its_loop_leaves_no_socket() -> None:
    """Nothing is left to tell the socket, so it is closed without the loop, and silently."""
    with Peer(answering(CHUNKED + chunk(b"one"))) as peer:

        async def opened() -> AsyncAnswer:
            transport = AsyncioTransport(TransportSettings())
            return await transport.open(post(peer.url), connect_s=LIMIT_S)

        answer = asyncio.run(opened())
        answer.abort()
        peer.wait_ended()
        del answer
        gc.collect()  # what was left open would warn now
