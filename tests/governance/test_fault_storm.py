"""A storm of faults: whatever a server does, a call ends in its answer or in one typed error."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from arriero import (
    ArrieroError,
    AsyncClient,
    Breaker,
    CallPolicy,
    CircuitOpen,
    Client,
    Limits,
    Retry,
    Statistics,
    Timeouts,
)
from arriero._core.policy.retry import WINDOW_S
from arriero.testing import ScriptedServer, faults

# Each test makes so many; with 3000 the storm takes some minutes.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(0 if os.environ.get("ARRIERO_STORM_CALLS") else 900),
]
CALLS = int(os.environ.get("ARRIERO_STORM_CALLS", "300"))
WORKERS = 12
SLACK_S = 5.0
"""A busy machine may be late; a call that hangs is later."""

KINDS = {
    "reset": faults.Reset(),
    "hang": faults.Hang(),
    "slow": faults.Slow(0.02),
    "busy": faults.Status(503),
    "soon": faults.Status(429, retry_after_s=0.01),
    "broken": faults.Status(500),
    "stall": faults.Stall(after=2),
    "stall in a line": faults.Stall(after=1, mid_line=True),
    "cut": faults.Cut(after=1),
    "reset in the middle": faults.Cut(after=2, how="reset"),
    "end too early": faults.Cut(after=2, how="end"),
    "garbage": faults.Garbage(after=1),
    "error in the stream": faults.ErrorLine(after=1),
    "wrong type": faults.WrongType(),
}
TIMEOUTS = Timeouts(connect_s=2, first_token_s=0.15, idle_s=0.15, total_s=4)
POLICIES: dict[str, Any] = {
    "timeouts": TIMEOUTS,
    "retry": Retry(attempts=3, first_wait_s=0.002),
    "limits": Limits(concurrency=WORKERS - 4, queue=WORKERS, adaptive=True),
    "breaker": Breaker(failures=10, share=0.8, window_s=0.5, open_s=0.01),
}


@dataclass
class Storm:
    """What will happen to each call, and what became of it."""

    seed: int
    plans: dict[str, deque[str]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self) -> list[tuple[str, bool, random.Random]]:
        """Give the calls: a name, whether it streams, and its dice."""
        dice = random.Random(self.seed)
        calls = []
        for number in range(CALLS):
            name = f"question {number}."
            length = dice.choice([0, 0, 1, 1, 2, 4])
            self.plans[name] = deque(dice.choice(list(KINDS)) for _ in range(length))
            calls.append((name, dice.random() < 0.7, random.Random(dice.random())))
        return calls

    def next_is(self, kind: str, question: str) -> bool:
        """Tell whether this is what happens to this request; if so, it has."""
        with self.lock:
            plan = self.plans.get(question)
            if plan and plan[0] == kind:
                plan.popleft()
                return True
        return False

    def judge(self, name: str, text: str, error: BaseException | None, spent_s: float) -> None:
        """Take down what became of a call, and what must not have."""
        whole = answer_to(name)
        if error is None:
            kind = "answered"
            if text != whole:
                self.wrong.append(f"{name}: answered {text!r}")
        elif isinstance(error, ArrieroError):
            kind = type(error).__name__
            if not whole.startswith(text):
                self.wrong.append(f"{name}: {text!r} before {error!r}")
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            kind = "cancelled"
        else:
            kind = "wrong"
            self.wrong.append(f"{name}: {error!r}")
        if spent_s > (TIMEOUTS.total_s or 0) + SLACK_S:
            self.wrong.append(f"{name}: took {spent_s:.1f} s")
        with self.lock:
            self.outcomes[kind] += 1

    @staticmethod
    def rest_s(error: BaseException | None) -> float:
        """Give how long a caller who listens leaves the server alone before the next call.

        Who does not, spends all calls on an open circuit within some milliseconds.
        """
        return error.retry_after_s if isinstance(error, CircuitOpen) else 0.0


def answer_to(name: str) -> str:
    """Give the answer to a question: six words, each its own record."""
    return f"The answer to {name} is: yes"


@pytest.fixture(params=[1, 2])
def storm(request: pytest.FixtureRequest) -> Iterator[tuple[Storm, ScriptedServer]]:
    """A server that does what is planned, and is well otherwise."""
    made = Storm(request.param)
    with ScriptedServer(num_parallel=64) as server:
        server.on().reply(lambda question: answer_to(question.text))
        for kind, fault in KINDS.items():
            server.fault(
                fault,
                times=None,
                when=lambda request, kind=kind: made.next_is(kind, request.text),
            )
        yield made, server


def check(storm: Storm, seen: Statistics, spent_s: float) -> None:
    """Nothing wrong, nothing lost, nothing uncounted, and no more retries than are paid for."""
    print(f"{spent_s:.1f} s", dict(storm.outcomes), seen.retries, seen.requeued)
    assert storm.wrong == []
    assert sum(storm.outcomes.values()) == CALLS
    assert storm.outcomes["answered"] > CALLS / 10
    assert len(storm.outcomes) > 6, storm.outcomes
    assert (seen.running, seen.waiting) == (0, 0)
    assert seen.started == seen.ok + seen.cancelled + sum(seen.failed.values())
    reserve = Retry().budget_reserve * (1 + spent_s / WINDOW_S)
    assert seen.retries + seen.resumed <= Retry().budget_ratio * CALLS + reserve
    assert seen.observer_errors == 0


def test_threads_come_through(storm: tuple[Storm, ScriptedServer]) -> None:
    """Every call of every thread ends, each in one way; nothing is left behind."""
    made, server = storm
    calls = deque(made.plan())
    began_s = time.monotonic()
    with Client(server.url, **POLICIES) as client:

        def work() -> None:
            while True:
                try:
                    call = calls.popleft()
                except IndexError:
                    return
                one(made, client, *call)

        workers = [threading.Thread(target=work) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        check(made, client.statistics(), time.monotonic() - began_s)
    # The server runs on threads of its own, in this process.
    others = [thread for thread in threading.enumerate() if "arriero" not in thread.name]
    assert others == [threading.main_thread()]


def one(storm: Storm, client: Client, name: str, is_stream: bool, dice: random.Random) -> None:
    """Make one call; now and then leave its stream early."""
    text, error, began_s = "", None, time.monotonic()
    policy = CallPolicy(tenant=dice.choice("abc"), priority=dice.choice([0, 0, 1]))
    leaves_at = dice.choice([None] * 8 + [2])
    try:
        if is_stream:
            with client.generate("m", name, stream=True, policy=policy) as stream:
                for count, part in enumerate(stream):
                    text += part.response or ""
                    if count == leaves_at:
                        raise GeneratorExit
        else:
            text = client.generate("m", name, policy=policy).response or ""
    except BaseException as caught:
        error = caught
    storm.judge(name, text, error, time.monotonic() - began_s)
    time.sleep(storm.rest_s(error))


def test_tasks_come_through(storm: tuple[Storm, ScriptedServer]) -> None:
    """The same with tasks, some of which are cancelled in the middle."""
    made, server = storm

    async def run() -> None:
        calls = deque(made.plan())
        began_s = time.monotonic()
        async with AsyncClient(server.url, **POLICIES) as client:

            async def work() -> None:
                while calls:
                    name, is_stream, dice = calls.popleft()
                    task = asyncio.create_task(one_task(made, client, name, is_stream, dice))
                    if dice.random() < 0.1:
                        await asyncio.sleep(dice.random() * 0.05)
                        task.cancel()
                    await asyncio.wait([task])

            await asyncio.gather(*(work() for _ in range(WORKERS)))
            check(made, client.statistics(), time.monotonic() - began_s)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


async def one_task(
    storm: Storm, client: AsyncClient, name: str, is_stream: bool, dice: random.Random
) -> None:
    """Make one call."""
    text, error, began_s = "", None, time.monotonic()
    policy = CallPolicy(tenant=dice.choice("abc"), priority=dice.choice([0, 0, 1]))
    try:
        if is_stream:
            async with await client.generate("m", name, stream=True, policy=policy) as stream:
                async for part in stream:
                    text += part.response or ""
        else:
            text = (await client.generate("m", name, policy=policy)).response or ""
    except BaseException as caught:
        error = caught
    storm.judge(name, text, error, time.monotonic() - began_s)
    await asyncio.sleep(storm.rest_s(error))
