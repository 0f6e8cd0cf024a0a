"""The queue: who runs, who waits, who is next, and that no permit is ever lost."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from arriero._core.policy.concurrency import Permit, Queue
from arriero.settings import Limits


def permit(name: str = "", *, tenant: str = "", priority: int = 0, model: str = "m") -> Permit:
    """Give a call that arrives."""
    return Permit(model, tenant or name, priority, 0.0)


def entered(queue: Queue, *permits: Permit) -> None:
    """Have calls arrive."""
    for one in permits:
        assert queue.enter(one, 0.0, None) is None


def order(queue: Queue, running: list[Permit], waiting: list[Permit]) -> list[int]:
    """Let the running ones end, one after the other, and tell who was admitted."""
    admitted: list[int] = []
    while running:
        queue.leave(running.pop(0), 1.0, "ok")
        for one in queue.next(1.0):
            admitted.append(waiting.index(one))
            running.append(one)
    return admitted


def test_as_many_run_as_may() -> None:
    """The others wait, in the order they came."""
    queue = Queue(Limits(concurrency=2))
    calls = [permit(tenant="t") for _ in range(5)]
    entered(queue, *calls)

    assert [one.is_ready for one in calls] == [True, True, False, False, False]
    assert (queue.running, queue.waiting, queue.limit) == (2, 3, 2)
    assert order(queue, calls[:2], calls[2:]) == [0, 1, 2]


def test_priority_goes_first() -> None:
    """Then the order of arrival."""
    queue = Queue(Limits(concurrency=1))
    first, *rest = [permit(tenant="t", priority=priority) for priority in (0, 0, 5, 1, 5)]
    entered(queue, first, *rest)
    assert order(queue, [first], rest) == [1, 3, 2, 0]


def test_tenants_take_turns() -> None:
    """One that sends a hundred calls does not keep out one that sends two."""
    queue = Queue(Limits(concurrency=1))
    first = permit(tenant="greedy")
    rest = [permit(tenant="greedy") for _ in range(4)] + [permit(tenant="shy") for _ in range(2)]
    entered(queue, first, *rest)
    assert order(queue, [first], rest) == [4, 0, 5, 1, 2, 3]


def test_a_model_at_its_limit_lets_others_pass() -> None:
    """Its calls keep their place and hold up nobody."""
    queue = Queue(Limits(concurrency=3, per_model={"big": 1}))
    calls = [permit(tenant="t", model=model) for model in ("big", "big", "small", "small")]
    entered(queue, *calls)
    assert [one.is_ready for one in calls] == [True, False, True, True]


@pytest.mark.parametrize(
    ("limited", "asked"),
    [("m", "m:latest"), ("M:latest", "m"), ("ns/m:7b", "NS/M:7B"), ("m:cloud", "m:cloud")],
)
def test_a_model_is_one_however_it_is_written(limited: str, asked: str) -> None:
    """As for the server; nobody gets round a limit by writing out a tag."""
    queue = Queue(Limits(per_model={limited: 1}))
    first, second, other = permit(model=limited), permit(model=asked), permit(model="m:1b")
    entered(queue, first, second, other)
    assert [one.is_ready for one in (first, second, other)] == [True, False, True]
    assert order(queue, [first], [second]) == [0]


def test_a_full_queue_refuses() -> None:
    """It says how many wait and run; who was refused has no place."""
    queue = Queue(Limits(concurrency=1, queue=1))
    entered(queue, permit(), permit())
    refused = permit()
    assert queue.enter(refused, 0.0, None) == "this client's queue is full: 1 calls wait, 1 run"
    queue.leave(refused, 0.0, "failed")
    assert (queue.running, queue.waiting) == (1, 1)


def test_no_queue_refuses_whoever_would_wait() -> None:
    """``queue=0`` sheds load at once."""
    queue = Queue(Limits(concurrency=1, queue=0))
    entered(queue, permit())
    assert queue.enter(permit(), 0.0, None) is not None


def test_a_deadline_that_cannot_be_met_is_refused_at_once() -> None:
    """By the mean time of the calls before it and its place in the queue."""
    queue = Queue(Limits(concurrency=2))
    past = permit()
    entered(queue, past)
    queue.leave(past, 10.0, "ok")  # took ten seconds
    entered(queue, permit(), permit(), permit())

    assert queue.enter(permit(), 0.0, 10.5) is None  # behind one, two at a time: ten seconds
    reason = queue.enter(permit(), 0.0, 10.5)
    assert (
        reason == "the deadline cannot be met: 2 calls wait, about 15 s, and total_s leaves 10.5 s"
    )


def test_what_calls_take_is_learnt_anew_when_it_changes() -> None:
    """The mean follows, up as well as down."""
    for before_s, after_s in ((100.0, 1.0), (1.0, 100.0)):
        queue = Queue(Limits(concurrency=1))
        for took_s in (before_s, *[after_s] * 50):
            past = permit()
            entered(queue, past)
            queue.leave(past, took_s, "ok")
        entered(queue, permit())
        assert queue.enter(permit(), 0.0, after_s * 1.1) is None
        assert queue.enter(permit(), 0.0, after_s * 1.1) is not None


def test_a_call_the_server_had_no_room_for_comes_back_first() -> None:
    """It keeps its turn, and the limit is lower."""
    queue = Queue(Limits(adaptive=True))
    calls = [permit(tenant="t") for _ in range(6)]
    entered(queue, *calls)
    assert queue.running == 4

    queue.refused(calls[3], 1.0)
    assert queue.next(1.0) == []
    queue.enter_again(calls[3])
    assert (queue.limit, queue.running, queue.waiting) == (3, 3, 3)
    queue.leave(calls[0], 2.0, "cancelled")
    assert queue.next(2.0) == [calls[3]]


def test_waiting_inside_the_server_lowers_an_adaptive_limit() -> None:
    """An answer that waited there a second or more says that too many were sent."""
    queue = Queue(Limits(adaptive=True))
    calls = [permit() for _ in range(4)]
    entered(queue, *calls)
    queue.leave(calls[0], 9.0, "ok", waited_s=5.0)
    assert queue.limit == 3


@pytest.mark.parametrize("outcome", ["ok", "failed", "cancelled"])
def test_leaving_twice_is_leaving_once(outcome: Literal["ok", "failed", "cancelled"]) -> None:
    """Running or waiting."""
    queue = Queue(Limits(concurrency=1))
    running, waiting = permit(), permit()
    entered(queue, running, waiting)
    for one in (waiting, waiting, running, running):
        queue.leave(one, 1.0, outcome)
    assert (queue.running, queue.waiting) == (0, 0)


def test_clearing_admits_all() -> None:
    """For a client that is closed: nobody waits for what will not come."""
    queue = Queue(Limits(concurrency=1))
    calls = [permit() for _ in range(3)]
    entered(queue, *calls)
    assert queue.clear() == calls[1:]
    assert queue.waiting == 0


class Calls(RuleBasedStateMachine):
    """Calls come, run, are refused, come back and go in any order, at any moment."""

    out = Bundle("out")
    refused = Bundle("refused")

    @initialize(
        concurrency=st.none() | st.integers(1, 4),
        adaptive=st.booleans(),
        per_model=st.none() | st.just({"a": 1, "b": 2}),
        size=st.integers(0, 6),
    )
    def begin(self, concurrency: int | None, adaptive: bool, per_model: Any, size: int) -> None:
        """Any settings."""
        self.limits = Limits(
            concurrency=concurrency, adaptive=adaptive, per_model=per_model, queue=size
        )
        self.queue = Queue(self.limits)
        self.now_s = 0.0
        self.permits: list[Permit] = []

    @rule(
        target=out,
        tenant=st.sampled_from("xyz"),
        priority=st.integers(0, 2),
        model=st.sampled_from("abc"),
        left_s=st.none() | st.floats(0, 5),
    )
    def enter(self, tenant: str, priority: int, model: str, left_s: float | None) -> Permit:
        """A call arrives; if it is refused it has no place, and leaves like any other."""
        made = Permit(model, tenant, priority, self.now_s)
        until_s = None if left_s is None else self.now_s + left_s
        if self.queue.enter(made, self.now_s, until_s) is None:
            self.permits.append(made)
        else:
            assert made.state == "new"
        return made

    @rule(
        one=consumes(out),
        outcome=st.sampled_from(["ok", "failed", "cancelled"]),
        waited_s=st.sampled_from([0.0, 2.0]),
        again=st.booleans(),
    )
    def leave(self, one: Permit, outcome: Any, waited_s: float, again: bool) -> None:
        """A call ends, running or waiting."""
        self.queue.leave(one, self.now_s, outcome, waited_s)
        if again:
            self.queue.leave(one, self.now_s, outcome, waited_s)
        self.permits = [other for other in self.permits if other is not one]
        self.admit()

    @rule(target=refused, one=consumes(out))
    def refuse(self, one: Permit) -> Permit:
        """The server has no room for a running call."""
        self.queue.refused(one, self.now_s)
        self.admit()
        return one

    @rule(target=out, one=consumes(refused))
    def come_back(self, one: Permit) -> Permit:
        """It lines up again."""
        if one.state == "new" and any(one is other for other in self.permits):
            self.queue.enter_again(one)
            assert not one.is_ready
            self.admit()
        return one

    @rule(target=out, one=consumes(refused))
    def give_up(self, one: Permit) -> Permit:
        """It does not: it was cancelled while it waited to."""
        self.queue.leave(one, self.now_s, "cancelled")
        self.permits = [other for other in self.permits if other is not one]
        self.admit()
        return one

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now_s += seconds

    def admit(self) -> None:
        """Let whoever may run be told."""
        for one in self.queue.next(self.now_s):
            assert one.is_ready

    def in_state(self, state: str) -> list[Permit]:
        """Give the calls in a state."""
        return [one for one in self.permits if one.state == state]

    @invariant()
    def counts_are_true(self) -> None:
        """What the queue counts is what there is."""
        if self.permits is not None:
            assert self.queue.running == len(self.in_state("running"))
            assert self.queue.waiting == len(self.in_state("waiting"))
            assert all(one.is_ready for one in self.in_state("running"))

    @invariant()
    def limits_hold(self) -> None:
        """No more run than may, but for those admitted before the limit fell."""
        running = self.in_state("running")
        if self.limits.concurrency is not None:
            assert len(running) <= self.limits.concurrency
        for model, most in (self.limits.per_model or {}).items():
            assert sum(one.model == model for one in running) <= most

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """Whoever waits has no room."""
        limit, running = self.queue.limit, self.in_state("running")
        for one in self.in_state("waiting"):
            most = (self.limits.per_model or {}).get(one.model)
            full = limit is not None and len(running) >= limit
            assert full or sum(other.model == one.model for other in running) == most

    def teardown(self) -> None:
        """When all have gone, nothing is left of them."""
        if not hasattr(self, "queue"):
            return
        for one in self.permits:
            self.queue.leave(one, self.now_s, "cancelled")
            self.queue.next(self.now_s)
        assert (self.queue.running, self.queue.waiting) == (0, 0)
        for left in ("_lanes", "_running_of_tenant", "_running_of_model", "_served"):
            assert getattr(self.queue, left) == {}, left


TestNoPermitIsLost = Calls.TestCase
TestNoPermitIsLost.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
