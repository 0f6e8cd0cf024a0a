"""What the statistics say of connections, and what they print, over real sockets."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from arriero import AsyncClient, Cache, Client, Connections, Pool
from arriero.errors import ConnectFailed
from arriero.testing import ScriptedServer, faults


def test_connections_are_counted_by_host() -> None:
    """A stream holds one until it ends; a call gives its own back at once."""
    with ScriptedServer() as server, Client(server.url) as client:
        server.on().reply(["a", "b"])
        assert client.statistics().connections == {}
        with client.generate("m", "hi", stream=True) as stream:
            next(stream)
            client.generate("m", "hi")
            assert client.statistics().connections == {server.url: Connections(in_use=1, idle=1)}
            assert client.statistics().connections[server.url].open == 2
            list(stream)
        assert client.statistics().connections == {server.url: Connections(idle=2)}


def test_connections_of_tasks_are_counted_too() -> None:
    """The same over the other transport."""

    async def ask(url: str) -> None:
        async with AsyncClient(url) as client:
            assert client.statistics().connections == {}
            async with await client.generate("m", "hi", stream=True) as stream:
                await anext(stream)
                await client.generate("m", "hi")
                await client.version()
                assert client.statistics().connections == {url: Connections(in_use=1, idle=1)}
            assert client.statistics().connections == {url: Connections(idle=1)}

    with ScriptedServer() as server:
        server.on().reply(["a", "b"], token_s=60).reply("a")
        asyncio.run(ask(server.url))


def test_a_stream_that_is_left_early_gives_its_connection_up() -> None:
    """It is closed, not kept: its answer is still on the way."""
    with ScriptedServer() as server, Client(server.url) as client:
        server.on().reply(["a", "b", "c"])
        server.fault(faults.Stall(after=1))
        with client.generate("m", "hi", stream=True) as stream:
            next(stream)
        assert client.statistics().connections == {server.url: Connections()}


def test_nothing_is_counted_twice_or_forgotten_by_many_threads() -> None:
    """All are idle when all is over, and no more than may be."""
    pool = Pool(max_connections=4, keep_idle=3)
    with ScriptedServer() as server, Client(server.url, pool=pool) as client:
        server.on().reply("x")
        with ThreadPoolExecutor(12) as threads:
            list(threads.map(lambda _: client.generate("m", "hi"), range(60)))
        (held,) = client.statistics().connections.values()
        assert held.in_use == 0
        assert 1 <= held.idle <= 3


def test_a_connection_that_fails_is_not_counted() -> None:
    """Neither as open nor as being made."""
    with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ConnectFailed):
            client.version()
        assert client.statistics().connections == {"http://127.0.0.1:1": Connections()}


def test_it_prints_what_somebody_needs_at_night() -> None:
    """Cache, shared rates and connections as well."""
    with ScriptedServer(["m"]) as server, Client(server.url, cache=Cache()) as client:
        server.on().reply("x")
        for _ in "ab":
            client.generate("m", "hi", options={"seed": 1})
        lines = str(client.statistics()).splitlines()
    assert "cache: 1 hits, 1 misses, 0 coalesced, 1 stored, 0 errors" in lines
    assert "audit: 0 written, 0 failed; observers: 0 errors; shared rates: 0 errors" in lines
    assert f"connections: {server.url} 0 in use, 1 idle" in lines
    assert "connections: none" in str(Client().statistics())
