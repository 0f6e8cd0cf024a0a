"""Who gets which connection of an async transport, and who stops waiting for one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable
from typing import Any

import pytest

from arriero._core.http import Fault
from arriero._core.statistics import Connections
from arriero._transport.interface import TransportSettings
from arriero._transport.over_asyncio import AsyncioTransport
from arriero.settings import Pool

from .adapters import LIMIT_S, get, post
from .peer import CHUNKED, Line, Peer, answering, chunk, whole
from .test_async_wire import in_loop


def transport_of(max_connections: int | None = None) -> AsyncioTransport:
    """A transport with so many connections to each origin."""
    return AsyncioTransport(TransportSettings(pool=Pool(max_connections=max_connections)))


async def fetched(transport: AsyncioTransport, url: str) -> bytes:
    """Make a call to its end."""
    answer = await transport.open(get(url), connect_s=LIMIT_S)
    got = b""
    while data := await answer.read():
        got += data
    await answer.close()
    return got


async def begun(work: Awaitable[Any]) -> asyncio.Future[Any]:
    """Start `work`, and let it come to its first wait."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    return task


@in_loop
async def test_who_waits_is_served_before_who_comes_later() -> None:
    """A task that calls again and again must not keep the only connection for itself."""
    with Peer(answering(whole())) as peer:
        transport = transport_of(1)
        first = await transport.open(get(peer.url), connect_s=LIMIT_S)
        assert await first.read() == b"{}"
        order: list[str] = []

        async def call(name: str) -> None:
            await fetched(transport, peer.url)
            order.append(name)

        waiting = await begun(call("waited"))
        await first.close()
        await call("came later")
        await waiting
        assert order == ["waited", "came later"]
        await transport.close()


@in_loop
async def test_a_dropped_answer_makes_room_for_who_waits() -> None:
    """It was not ended, but nobody has it any more."""

    def streaming(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        line.drain()

    with Peer(streaming, answering(whole())) as peer:
        transport = transport_of(1)
        held = [await transport.open(post(peer.url), connect_s=LIMIT_S)]
        waiting = await begun(fetched(transport, peer.url))
        held.clear()
        gc.collect()
        assert await asyncio.wait_for(waiting, LIMIT_S) == b"{}"
        assert transport.connections()[peer.url].in_use == 0
        await transport.close()


@pytest.mark.parametrize("way", ["close", "discard"])
def test_who_waits_while_the_transport_closes_is_told(way: str) -> None:
    """And sends nothing any more."""

    @in_loop
    async def test() -> None:
        with Peer(answering(whole())) as peer:
            transport = transport_of(1)
            first = await transport.open(get(peer.url), connect_s=LIMIT_S)
            waiting = await begun(transport.open(get(peer.url), connect_s=None))
            if way == "close":
                await transport.close()
            else:
                transport.discard()
            with pytest.raises(Fault) as caught:
                await asyncio.wait_for(waiting, LIMIT_S)
            assert caught.value.kind == "closed"
            await first.close()
            assert transport.connections() == {peer.url: Connections()}
            assert peer.accepted == 1

    test()


@in_loop
async def test_who_connects_while_the_transport_closes_is_served() -> None:
    """It called before; its connection is not kept."""
    with Peer(answering(whole())) as peer:
        transport = transport_of()
        call = await begun(fetched(transport, peer.url))
        await transport.close()
        assert await call == b"{}"
        peer.wait_ended()
        assert transport.connections() == {peer.url: Connections()}


@in_loop
async def test_a_hang_up_the_loop_has_not_noticed_is_noticed() -> None:
    """A loop that was busy must not send into a connection the server has left."""

    def once(line: Line) -> None:
        line.request()
        line.send(whole())
        line.close()

    with Peer(once) as peer:
        transport = transport_of()
        for _ in "ab":
            answer = await transport.open(post(peer.url), connect_s=LIMIT_S)
            assert await answer.read() == b"{}"
            peer.wait_ended()  # blocks the loop
            await answer.close()
        await transport.close()


@in_loop
async def test_what_comes_behind_an_answer_is_nobodys_answer() -> None:
    """It may arrive in the moment between reading the answer and closing it."""

    def script(line: Line) -> None:
        line.request()
        line.send(whole(b"mine"))
        line.request()
        line.send(whole(b"mine too"))

    with Peer(script) as peer:
        transport = transport_of()
        answer = await transport.open(get(peer.url), connect_s=LIMIT_S)
        assert await answer.read() == b"mine"
        wire: Any = next(iter(transport._pools.values())).in_use.copy().pop()
        wire.data_received(whole(b"not mine"))
        await answer.close()
        assert await fetched(transport, peer.url) == b"mine"
        assert peer.accepted == 2
        await transport.close()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_what_comes_with_an_answer_without_body_is_nobodys(status: str) -> None:
    """It has no body to be read, so nobody has looked at what is there."""

    @in_loop
    async def test() -> None:
        surplus = f"HTTP/1.1 {status}\r\n\r\n".encode() + whole(b"not mine")
        with Peer(answering(surplus)) as peer:
            transport = transport_of()
            for _ in "ab":
                assert await fetched(transport, peer.url) == b""
            assert peer.accepted == 2
            await transport.close()

    test()
