"""Loading, sharing, keeping and unloading models, with engines that obey the test."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from arriero.names import parse_name
from arriero.server.catalogue import Model, shipped_models
from arriero.server.durations import FOREVER_S
from arriero.server.engines.engine import Conversation, Engine, EngineError, LoadPlan, Sampling
from arriero.server.generation import Generation
from arriero.server.options import Options, parse_options
from arriero.server.scheduler import Busy, Lease, Scheduler, ShuttingDown
from arriero.server.settings import Scheduling

from .conftest import FakeEngine

PLAN = LoadPlan(context_length=64, slots=2)


def model(name: str) -> Model:
    """A model of that name; its file is never loaded here."""
    return Model(parse_name(name), shipped_models()["mini"].path)


A, B, C = model("a"), model("b"), model("c")


class Loads:
    """Loads fake engines and remembers them; `gate` holds loads up, `fault` breaks them."""

    def __init__(self) -> None:
        self.engines: list[FakeEngine] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fault: EngineError | None = None
        self.loading = 0
        self.most_loading = 0

    def __call__(self, model: Model, plan: LoadPlan) -> Engine:
        self.loading += 1
        self.most_loading = max(self.most_loading, self.loading)
        self.gate.wait(60)
        self.loading -= 1
        if self.fault is not None:
            raise self.fault
        self.engines.append(FakeEngine(plan))
        return self.engines[-1]


Scenario = Callable[[Scheduler, Loads], Awaitable[Any]]


def play(scenario: Scenario, **settings: Any) -> Loads:
    """Run a scenario on a scheduler of its own; afterwards everything must be closed."""
    loads = Loads()
    threads = set(threading.enumerate())

    async def run() -> None:
        scheduler = Scheduler(Scheduling(**settings), loads)
        try:
            await asyncio.wait_for(scenario(scheduler, loads), 60)
        finally:
            loads.gate.set()
            await asyncio.wait_for(scheduler.close(), 60)
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    assert all(engine.closed for engine in loads.engines)
    assert set(threading.enumerate()) <= threads
    return loads


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has become true."""
    until_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until_s, "it never became true"
        await asyncio.sleep(0.001)


def names(scheduler: Scheduler) -> list[str]:
    """What is loaded."""
    return [row.model.name.model for row in scheduler.loaded()]


def test_a_model_is_loaded_once_and_shared() -> None:
    """A second request for a loaded model takes the fast path."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        first = await scheduler.acquire(A, PLAN, None)
        second = await scheduler.acquire(A, PLAN, None)
        assert first.engine is second.engine
        first.release()
        second.release()
        assert names(scheduler) == ["a"]

    assert len(play(scenario).engines) == 1


def test_requests_that_wait_for_the_same_load_share_it() -> None:
    """Ten at once load one engine."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        for lease in await asyncio.gather(*(scheduler.acquire(A, PLAN, None) for _ in range(10))):
            lease.release()

    assert len(play(scenario).engines) == 1


def test_one_load_at_a_time() -> None:
    """Memory is what loads compete for."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        leases = await asyncio.gather(*(scheduler.acquire(one, PLAN, None) for one in (A, B, C)))
        for lease in leases:
            lease.release()

    assert play(scenario).most_loading == 1


def test_a_loaded_model_is_served_while_another_loads() -> None:
    """The queue holds up loads only."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        (await scheduler.acquire(A, PLAN, None)).release()
        loads.gate.clear()
        loading = asyncio.create_task(scheduler.acquire(B, PLAN, None))
        await until(lambda: loads.loading == 1)
        (await scheduler.acquire(A, PLAN, None)).release()
        assert not loading.done()
        loads.gate.set()
        (await loading).release()

    play(scenario)


def test_a_full_queue_refuses_at_once() -> None:
    """One is being served, `max_queue` wait, the next is refused."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        loads.gate.clear()
        served = asyncio.create_task(scheduler.acquire(A, PLAN, None))
        await until(lambda: loads.loading == 1)
        waiting = asyncio.create_task(scheduler.acquire(B, PLAN, None))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await scheduler.acquire(C, PLAN, None)
        loads.gate.set()
        for task in (served, waiting):
            (await task).release()

    play(scenario, max_queue=1)


def test_the_idle_model_used_least_recently_makes_room() -> None:
    """A full house unloads before it loads."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        for one in (A, B, A, C):
            (await scheduler.acquire(one, PLAN, None)).release()
        assert sorted(names(scheduler)) == ["a", "c"]

    play(scenario, max_loaded_models=2)


def test_a_model_meant_to_stay_shorter_goes_first() -> None:
    """A pinned model outlives one that was used later."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        (await scheduler.acquire(A, PLAN, FOREVER_S)).release()
        (await scheduler.acquire(B, PLAN, None)).release()
        (await scheduler.acquire(C, PLAN, None)).release()
        assert sorted(names(scheduler)) == ["a", "c"]

    play(scenario, max_loaded_models=2)


def test_a_busy_model_is_never_evicted() -> None:
    """A load waits for somebody to finish."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, PLAN, None)
        waiting = asyncio.create_task(scheduler.acquire(B, PLAN, None))
        await asyncio.sleep(0.02)
        assert names(scheduler) == ["a"]
        assert not loads.engines[0].closed
        lease.release()
        (await waiting).release()
        assert loads.engines[0].closed

    play(scenario, max_loaded_models=1)


def test_another_plan_reloads_after_the_running_request() -> None:
    """A changed num_ctx waits, and nobody overtakes it."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, PLAN, None)
        other = LoadPlan(context_length=32, slots=2)
        reload = asyncio.create_task(scheduler.acquire(A, other, None))
        await asyncio.sleep(0.01)
        late = asyncio.create_task(scheduler.acquire(A, PLAN, None))
        await asyncio.sleep(0.01)
        assert not reload.done()
        assert not late.done()
        lease.release()
        reloaded = await reload
        assert reloaded.plan == other
        reloaded.release()
        (await late).release()
        assert [engine.plan for engine in loads.engines] == [PLAN, other, PLAN]

    play(scenario)


def test_an_idle_model_is_unloaded_when_its_time_is_over() -> None:
    """The timer starts when the last request ends."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, PLAN, None)
        await asyncio.sleep(0.05)
        assert names(scheduler) == ["a"]
        lease.release()
        await until(lambda: loads.engines[0].closed)
        assert names(scheduler) == []

    play(scenario, keep_alive_s=0.02)


def test_a_request_stops_the_timer_and_may_change_it_for_everybody() -> None:
    """keep_alive is sticky."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        (await scheduler.acquire(A, PLAN, None)).release()
        (await scheduler.acquire(A, PLAN, FOREVER_S)).release()
        (await scheduler.acquire(A, PLAN, None)).release()
        await asyncio.sleep(0.05)
        assert [row.expires_in_s for row in scheduler.loaded()] == [FOREVER_S]

    play(scenario, keep_alive_s=0.02)


def test_keep_alive_zero_unloads_after_use() -> None:
    """The model goes when the request ends."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, PLAN, 0.0)
        assert names(scheduler) == ["a"]
        lease.release()
        assert names(scheduler) == []

    play(scenario)


def test_unloading_waits_for_running_requests() -> None:
    """An unload request answers at once; the model goes later."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, PLAN, None)
        scheduler.expire(A)
        assert names(scheduler) == ["a"]
        assert not loads.engines[0].closed
        lease.release()
        assert names(scheduler) == []

    play(scenario)


def test_unloading_what_is_not_loaded_is_harmless() -> None:
    """Nothing happens."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        scheduler.expire(A)

    assert play(scenario).engines == []


def test_slots_are_given_in_order_of_arrival() -> None:
    """With two slots, four requests run two and two, first come first served."""
    order: list[int] = []

    async def one(scheduler: Scheduler, number: int) -> None:
        lease = await scheduler.acquire(A, PLAN, None)
        try:
            await lease.enter()
            order.append(number)
            await lease.run(partial(time.sleep, 0.01))
        finally:
            lease.release()

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        (await scheduler.acquire(A, PLAN, None)).release()
        await asyncio.gather(*(one(scheduler, number) for number in range(6)))

    play(scenario)
    assert order == [0, 1, 2, 3, 4, 5]


def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    """Its place is skipped, and a load it started is of use to others."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        loads.gate.clear()
        first = asyncio.create_task(scheduler.acquire(A, PLAN, None))
        second = asyncio.create_task(scheduler.acquire(B, PLAN, None))
        await until(lambda: loads.loading == 1)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        loads.gate.set()
        (await scheduler.acquire(A, PLAN, None)).release()
        assert [row.model.name.model for row in scheduler.loaded()] == ["a"]

    assert len(play(scenario).engines) == 1


def test_a_cancelled_request_keeps_its_slot_until_the_engine_stops() -> None:
    """Two requests never share a slot, whatever their callers do."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, LoadPlan(64, 1), None)
        await lease.enter()
        engine = loads.engines[0]
        engine.gate.clear()
        reading = asyncio.create_task(_read(lease))
        await until(lambda: engine.busy == 1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await until(lambda: engine.stops == 1)
        other = await scheduler.acquire(A, LoadPlan(64, 1), None)
        await asyncio.wait_for(other.enter(), 5)
        other.release()

    play(scenario)


async def _read(lease: Lease) -> list[str]:
    run = partial(lease.engine.chat, Conversation([]), Sampling())
    generation = Generation(lease, run)
    try:
        return [delta.text async for delta in generation.deltas()]
    finally:
        generation.stop()
        lease.release()


def test_a_generation_gives_every_delta_in_order() -> None:
    """Nothing is lost between the threads, however fast the engine is."""
    words = [str(number) for number in range(2000)]

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, PLAN, None)
        loads.engines[0].words = words
        await lease.enter()
        assert await _read(lease) == words

    play(scenario)


def test_a_slow_reader_holds_the_engine_up() -> None:
    """What waits between the threads is bounded."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        lease = await scheduler.acquire(A, PLAN, None)
        engine = loads.engines[0]
        engine.words = ["x"] * 10_000
        await lease.enter()
        run = partial(lease.engine.chat, Conversation([]), Sampling())
        generation = Generation(lease, run)
        await until(lambda: engine.busy == 1)
        await asyncio.sleep(0.05)
        assert engine.busy == 1
        generation.stop()
        lease.release()
        await until(lambda: engine.busy == 0)
        assert engine.stops == 1

    play(scenario)


def test_a_failed_load_is_told_to_the_waiter_only() -> None:
    """The next request tries again."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        loads.fault = EngineError(500, "broken file")
        with pytest.raises(EngineError, match="broken file"):
            await scheduler.acquire(A, PLAN, None)
        loads.fault = None
        (await scheduler.acquire(A, PLAN, None)).release()

    play(scenario)


def test_closing_refuses_whoever_waits() -> None:
    """Nobody waits for a load that will not come."""

    async def scenario(scheduler: Scheduler, loads: Loads) -> None:
        loads.gate.clear()
        served = asyncio.create_task(scheduler.acquire(A, PLAN, None))
        await until(lambda: loads.loading == 1)
        waiting = asyncio.create_task(scheduler.acquire(B, PLAN, None))
        await asyncio.sleep(0)
        closing = asyncio.create_task(scheduler.close())
        await asyncio.sleep(0)
        loads.gate.set()
        for task in (served, waiting):
            with pytest.raises(ShuttingDown):
                await task
        await closing
        with pytest.raises(ShuttingDown):
            await scheduler.acquire(A, PLAN, None)

    play(scenario)


@pytest.mark.parametrize(
    ("raw", "context"),
    [({}, 100), ({"num_ctx": 50}, 50), ({"num_ctx": 10**6}, 2048), ({"num_ctx": 1}, 4)],
)
def test_the_context_follows_request_settings_and_training(
    raw: dict[str, Any], context: int
) -> None:
    """At least four tokens, at most what the model was trained for."""
    scheduler = Scheduler(Scheduling(context_length=100), Loads())
    plan = scheduler.plan(A, parse_options(raw), shift=True)

    assert plan.context_length == context
    assert plan.slots == 4


def test_an_embedding_model_has_one_slot() -> None:
    """A text must fit into one batch, so slots would multiply memory for nothing."""
    scheduler = Scheduler(Scheduling(), Loads())
    assert scheduler.plan(shipped_models()["mini-embed"], Options(), shift=True).slots == 1


@pytest.mark.parametrize("value", [0, -1, 1, 2**31 - 1, -(2**31)])
def test_what_llama_cpp_would_break_over_never_reaches_it(value: int) -> None:
    """A batch is within the context, threads are no more than there are processors."""
    scheduler = Scheduler(Scheduling(), Loads())
    raw = {"num_thread": value, "num_batch": value, "num_ctx": 64}
    plan = scheduler.plan(A, parse_options(raw), shift=True)
    assert 0 <= plan.threads <= (os.cpu_count() or 1)
    assert plan.batch is None or plan.slots <= plan.batch <= plan.context_length
