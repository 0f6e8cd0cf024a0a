"""Caching and coalescing with real threads, tasks and event loops."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from arriero import AsyncClient, Cache, Client
from arriero._core.answers.flights import Flights
from arriero.testing import ScriptedServer

from .scripted import Colour, reply

TAGS = reply(b'{"models":[{"model":"m:latest","digest":"d"}]}')
ANSWER = reply(b'{"response":"x","done":true,"done_reason":"stop"}')
VECTORS = reply(b'{"data":[{"embedding":"AACAPwAAAEA="}]}')
Waits = Callable[[Callable[[], object]], None]
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


@dataclass
class Crowd:
    """Those who ask for the same; whoever is to answer them can wait for all."""

    joined: int = 0
    is_answered: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, question: Any) -> str:
        """Answer when that is said."""
        assert self.is_answered.wait(60)
        return "x"


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Count who asks."""
    made, join = Crowd(), Flights.join

    def counted(flights: Flights, key: str) -> Any:
        found = join(flights, key)
        with made.lock:
            made.joined += 1
        return found

    monkeypatch.setattr(Flights, "join", counted)
    return made


def test_threads_share_one_request(crowd: Crowd, waits_for: Waits) -> None:
    """Twenty callers, one request."""
    with ScriptedServer() as server:
        server.on().reply(crowd.answer)
        with Client(server.url, cache=Cache.coalescing()) as client:

            def ask(_: int) -> str:
                return client.generate("m", "hi", **SEED).http.source

            with ThreadPoolExecutor(20) as pool:
                asking = pool.map(ask, range(20))
                waits_for(lambda: crowd.joined == 20)
                crowd.is_answered.set()
                sources = Counter(asking)
    assert sources == {"server": 1, "shared": 19}


def test_loops_of_several_threads_share_one_request(crowd: Crowd, waits_for: Waits) -> None:
    """A follower is woken on its own loop."""
    with ScriptedServer() as server:
        server.on().reply(crowd.answer)
        client = AsyncClient(server.url, cache=Cache.coalescing())

        async def ask() -> list[str]:
            made = await asyncio.gather(*(client.generate("m", "hi", **SEED) for _ in range(5)))
            return [answer.http.source for answer in made]

        with ThreadPoolExecutor(4) as pool:
            asking = pool.map(lambda _: asyncio.run(ask()), range(4))
            waits_for(lambda: crowd.joined == 20)
            crowd.is_answered.set()
            found = list(asking)
        asyncio.run(client.close())
    assert Counter(source for part in found for source in part) == {"server": 1, "shared": 19}


def test_a_cancelled_leader_hands_over_to_a_task(crowd: Crowd) -> None:
    """The others get their answer from a second request."""

    async def ask(url: str) -> list[str]:
        async with AsyncClient(url, cache=Cache.coalescing()) as client:
            leader = asyncio.create_task(client.generate("m", "hi", **SEED))
            await asyncio.sleep(0)
            others = [asyncio.create_task(client.generate("m", "hi", **SEED)) for _ in range(3)]
            while crowd.joined < 4:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.001)
            leader.cancel()
            crowd.is_answered.set()
            made = await asyncio.gather(*others)
            return sorted(answer.http.source for answer in made)

    with ScriptedServer() as server:
        server.on().reply(crowd.answer)
        assert asyncio.run(ask(server.url)) == ["server", "shared", "shared"]
