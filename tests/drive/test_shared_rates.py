"""Rates shared through a real Redis: by processes, through its death, in both colours."""

from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from arriero import AsyncClient, CallPolicy, Client, LimitReached, Limits, RedisRates, Timeouts
from arriero.errors import RequestError
from arriero.testing import ScriptedServer

from ..redis_server import RedisServer
from .scripted import Colour, reply

PATIENCE_S = 10.0
"""A Redis on a busy machine answers late, which is no failure of it."""

VECTOR = reply(b'{"embeddings":[[1.0]],"prompt_eval_count":40}')

WORKER = """
import sys, time
from arriero import Client, Limits, RedisRates
url, rates, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
limits = Limits(requests_per_s=20, concurrency=4, shared=RedisRates(rates, timeout_s=10))
print("ready", flush=True)
sys.stdin.readline()
end_s = time.monotonic() + seconds
with Client(url, limits=limits) as client:
    while time.monotonic() < end_s:
        began_s = time.monotonic()  # one clock for all processes
        client.embed("m", "a")
        print(began_s, time.monotonic(), flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that is empty."""
    made = RedisServer(tmp_path).start()
    yield made
    made.close()


def limits(
    server: RedisServer, on_failure: Any = "open", timeout_s: float = PATIENCE_S, **rates: Any
) -> Limits:
    """Give limits that are counted there."""
    shared = RedisRates(server.url, on_failure=on_failure, timeout_s=timeout_s)
    return Limits(shared=shared, **rates)


@pytest.mark.slow
def test_two_processes_stay_within_the_limit_while_redis_dies(
    server: RedisServer, waits_for: Callable[[Callable[[], object]], None]
) -> None:
    """In every stretch of time: a second's worth at once, and then the rate.

    Redis is killed once each knows of the other, and comes back without its memory.
    """
    made: list[list[str]] = [[], []]

    def listen(worker: Any, lines: list[str]) -> None:
        for line in worker.stdout:
            lines.append(line)  # one by one, as they are counted meanwhile

    with ScriptedServer() as host:
        command = [sys.executable, "-c", WORKER, host.url, server.url, "6"]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers = [subprocess.Popen(command, **pipes) for _ in range(2)]
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"  # type: ignore[union-attr]
        for worker in workers:
            worker.stdin.write("\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        listeners = [
            threading.Thread(target=listen, args=pair) for pair in zip(workers, made, strict=True)
        ]
        for listener in listeners:
            listener.start()
        waits_for(lambda: all(made))
        counts = [len(lines) + 2 for lines in made]
        waits_for(lambda: all(len(made[at]) >= counts[at] for at in (0, 1)))
        server.kill()
        time.sleep(1.5)
        server.start()
        for listener in listeners:
            listener.join()
        for worker in workers:
            worker.communicate(timeout=60)
    assert [worker.returncode for worker in workers] == [0, 0]
    assert min(len(calls) for calls in made) >= 5  # neither was starved, on a busy machine
    calls = [tuple(map(float, line.split())) for lines in made for line in lines]
    begins, ends = sorted(begin for begin, _ in calls), sorted(end for _, end in calls)
    for start, end in itertools.product(begins, ends):
        count = sum(start <= began and ended <= end for began, ended in calls)
        assert count <= 20 + 20 * (end - start) + 1 or end < start


def test_two_clients_share_one_rate(colour: Colour, server: RedisServer) -> None:
    """What one has taken is not there for the other."""
    rates = limits(server, requests_per_s=0.01)
    one = colour.client(VECTOR, limits=rates)
    colour.do(one.embed("m", "a"))
    two = colour.client(VECTOR, limits=rates)
    with pytest.raises(LimitReached, match="rate limit"):
        colour.do(two.embed("m", "a", timeouts=Timeouts(total_s=5)))
    for client in (one, two):
        colour.do(client.close())


def test_the_estimate_is_settled_with_the_next_call(colour: Colour, server: RedisServer) -> None:
    """Forty tokens were counted; the bucket in Redis says so."""
    client = colour.client(VECTOR, VECTOR, limits=limits(server, tokens_per_s=1))
    for _ in "ab":
        colour.do(client.embed("m", "a"))
    with redis.Redis.from_url(server.url) as reader:
        [key] = reader.keys("*:tokens")  # type: ignore[misc,union-attr]
        now = reader.time()  # type: ignore[misc]
        ahead_s = float(reader.get(key)) - now[0] - now[1] / 1e6  # type: ignore[arg-type,index]
        left = -ahead_s
        assert all(reader.pttl(key) > 0 for key in reader.keys("*"))  # type: ignore[operator,union-attr]
    # 60 at first; 40 spent, and the second estimate: a short prompt, as nothing is written.
    assert left == pytest.approx(60 - 40 - 1, abs=15)
    colour.do(client.close())


def test_a_wait_that_is_cancelled_gives_its_turn_back(server: RedisServer) -> None:
    """The next one does not wait for who is gone."""

    async def ask(url: str) -> int:
        async with AsyncClient(url, limits=limits(server, requests_per_s=0.5)) as client:
            await client.embed("m", "a")
            for _ in range(20):
                waiting = asyncio.create_task(client.embed("m", "a"))
                await asyncio.sleep(0.05)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await client.embed("m", "a", timeouts=Timeouts(total_s=30))
            return client.statistics().ok

    with ScriptedServer() as host:
        assert asyncio.run(ask(host.url)) == 2


def test_open_goes_on_without_redis(colour: Colour, server: RedisServer) -> None:
    """At its share, counted and told in the trail."""
    seen: list[Any] = []
    client = colour.client(
        VECTOR, VECTOR, limits=limits(server, requests_per_s=100), observers=[seen.append]
    )
    colour.do(client.embed("m", "a"))
    server.kill()
    colour.do(client.embed("m", "a"))
    assert client.statistics().rate_errors == 1
    assert "shared rates not reached, ConnectionError at redis://127.0.0.1" in seen[-1].trail[0]
    colour.do(client.close())


def test_closed_refuses_without_redis(colour: Colour, server: RedisServer) -> None:
    """And works again when it is back."""
    client = colour.client(VECTOR, limits=limits(server, "closed", requests_per_s=100))
    server.kill()
    with pytest.raises(LimitReached, match="cannot be reached") as caught:
        colour.do(client.embed("m", "a"))
    assert caught.value.retryable
    server.start()
    time.sleep(1)
    colour.do(client.embed("m", "a"))
    colour.do(client.close())


def test_a_redis_that_hangs_holds_no_call_up(colour: Colour, server: RedisServer) -> None:
    """It answers nobody, and keeps its port."""
    rates = limits(server, timeout_s=1.5, requests_per_s=100)
    client = colour.client(VECTOR, VECTOR, limits=rates)
    colour.do(client.embed("m", "a"))
    server.stop()
    colour.do(client.embed("m", "a", timeouts=Timeouts(total_s=30)))
    assert client.statistics().rate_errors == 1
    colour.do(client.close())


def test_a_wrong_password_is_a_failure_that_tells_no_secret(colour: Colour, tmp_path: Path) -> None:
    """Neither the right one nor the wrong one."""
    server = RedisServer(tmp_path, password="right").start()
    try:
        url = server.url.replace("right", "wrong")
        shared = RedisRates(url, on_failure="closed")
        client = colour.client(limits=Limits(requests_per_s=1, shared=shared))
        with pytest.raises(LimitReached) as caught:
            colour.do(client.embed("m", "a"))
        assert "wrong" not in f"{caught.value}{client!r}{shared!r}{caught.value.__cause__}"
        colour.do(client.close())
    finally:
        server.close()


def test_a_client_serves_one_loop_after_another(server: RedisServer) -> None:
    """Connections belong to a loop; those of a closed one are dropped without a warning."""
    with ScriptedServer() as host:
        client = AsyncClient(host.url, limits=limits(server, requests_per_s=100))

        async def ask() -> None:
            await client.embed("m", "a")

        for _ in range(3):
            asyncio.run(ask())
        asyncio.run(client.close())
        AsyncClient(host.url, limits=limits(server, requests_per_s=100))
        gc.collect()


def test_what_is_in_redis_says_nothing_and_ends_by_itself(
    colour: Colour, server: RedisServer
) -> None:
    """Three keys, without a word of prompts, models or tenants, each with its end."""
    rates = limits(server, requests_per_s=0.1, tokens_per_s=1000)  # a slow one is kept longer
    client = colour.client(VECTOR, limits=rates)
    colour.do(client.embed("canary", "canary", policy=CallPolicy(tenant="canary")))
    colour.do(client.close())
    with redis.Redis.from_url(server.url) as reader:
        keys: Any = reader.keys("*")
        assert len(keys) == 3
        assert all(0 < reader.ttl(key) <= 150 for key in keys)  # type: ignore[operator]
        held = str([(key, reader.dump(key)) for key in keys])
    assert "canary" not in held


def test_shared_rates_need_a_rate_and_a_url() -> None:
    """Told when the settings are made."""
    with pytest.raises(RequestError, match="needs requests_per_s"):
        Limits(shared=RedisRates("redis://r"))
    with pytest.raises(RequestError, match="RedisRates"):
        Limits(requests_per_s=1, shared="redis://r")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="redis://"):
        RedisRates("http://r")
    with pytest.raises(RequestError, match="no URL"):
        Client(limits=Limits(requests_per_s=1, shared=RedisRates("redis://:secret@r:port")))
