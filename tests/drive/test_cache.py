"""Caching and coalescing with real threads, tasks and event loops."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from arriero import AsyncClient, Cache, Client
from arriero.testing import ScriptedServer

from .scripted import Colour, reply

TAGS = reply(b'{"models":[{"model":"m:latest","digest":"d"}]}')
ANSWER = reply(b'{"response":"x","done":true,"done_reason":"stop"}')
VECTORS = reply(b'{"data":[{"embedding":"AACAPwAAAEA="}]}')
SEED: dict[str, Any] = {"options": {"seed": 1}}


def test_a_kept_answer_is_not_sent_for(colour: Colour) -> None:
    """In memory, in both colours."""
    client = colour.client(TAGS, ANSWER, cache=Cache())

    first, second = (colour.do(client.generate("m", "hi", **SEED)) for _ in "ab")
    assert (first.http.from_cache, second.http.from_cache) == (False, True)
    assert len(colour.script.sent) == 2
    assert client.statistics().cache.hits == 1


def test_arrays_are_kept_too(colour: Colour) -> None:
    """And each caller may write into its own."""
    client = colour.client(TAGS, VECTORS, cache=Cache())

    first, second = (colour.do(client.embed_array("m", ["a"])) for _ in "ab")
    first[0, 0] = 5
    assert np.array_equal(second, np.array([[1, 2]], dtype=np.float32))


def test_streams_are_always_sent(colour: Colour) -> None:
    """Their pieces are what they are for."""
    piece = reply(b'{"response":"x","done":true,"done_reason":"stop"}\n')
    client = colour.client(piece, piece, cache=Cache())
    for _ in "ab":
        colour.list(colour.do(client.generate("m", "hi", stream=True, **SEED)))
    assert len(colour.script.sent) == 2


def test_threads_share_one_request() -> None:
    """Twenty callers, one request."""
    started = threading.Barrier(20)
    with ScriptedServer() as server:
        server.on().reply("x", delay_s=0.5)
        with Client(server.url, cache=Cache.coalescing()) as client:

            def ask(_: int) -> str:
                started.wait()
                return client.generate("m", "hi", **SEED).http.source

            with ThreadPoolExecutor(20) as pool:
                sources = Counter(pool.map(ask, range(20)))
    assert sources == {"server": 1, "shared": 19}


def test_loops_of_several_threads_share_one_request() -> None:
    """A follower is woken on its own loop."""
    started = threading.Barrier(4)
    with ScriptedServer() as server:
        server.on().reply("x", delay_s=0.5)
        client = AsyncClient(server.url, cache=Cache.coalescing())

        async def ask() -> list[str]:
            started.wait()
            made = await asyncio.gather(*(client.generate("m", "hi", **SEED) for _ in range(5)))
            return [answer.http.source for answer in made]

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: asyncio.run(ask()), range(4)))
        asyncio.run(client.close())
    assert Counter(source for part in found for source in part) == {"server": 1, "shared": 19}


def test_a_cancelled_leader_hands_over_to_a_task() -> None:
    """The others get their answer from a second request."""

    async def ask(url: str) -> list[str]:
        async with AsyncClient(url, cache=Cache.coalescing()) as client:
            leader = asyncio.create_task(client.generate("m", "hi", **SEED))
            await asyncio.sleep(0)
            others = [asyncio.create_task(client.generate("m", "hi", **SEED)) for _ in range(3)]
            await asyncio.sleep(0.05)
            leader.cancel()
            made = await asyncio.gather(*others)
            return sorted(answer.http.source for answer in made)

    with ScriptedServer() as server:
        server.on().reply("x", delay_s=0.5)
        assert asyncio.run(ask(server.url)) == ["server", "shared", "shared"]
