"""Concurrency: how many calls run at a time, and who of those that wait is next."""

from __future__ import annotations

from collections import deque
from typing import Literal

from arriero._core.events import Outcome
from arriero._core.policy.adaptive import WAITED_S, AdaptiveLimit
from arriero._core.ticket import Ticket
from arriero.names import folded_name
from arriero.settings import Limits

_SMOOTHING = 0.2
"""Weight of the newest call in the mean time a call takes."""


class Permit(Ticket):
    """A call's place in the queue, and then its right to run. Ready when it may run."""

    __slots__ = ("admitted_s", "entered_s", "model", "priority", "state", "tenant")

    def __init__(self, model: str, tenant: str, priority: int, now_s: float) -> None:
        super().__init__()
        self.model = model
        self.tenant = tenant
        self.priority = priority
        self.entered_s = now_s
        self.admitted_s = now_s
        self.state: Literal["new", "waiting", "running", "gone"] = "new"


class Queue:
    """The calls of one client that run, and those that wait for their turn.

    The next is the one with the highest priority; within that, of the tenant with the
    fewest calls running, then of the one served longest ago; within that the one that came
    first. A call whose own model is at its limit lets others pass.

    Attributes:
        waiting: How many wait.
        running: How many run.
    """

    __slots__ = (
        "_adaptive",
        "_lanes",
        "_limits",
        "_mean_s",
        "_per_model",
        "_running_of_model",
        "_running_of_tenant",
        "_served",
        "_turn",
        "running",
        "waiting",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._adaptive = AdaptiveLimit(limits.concurrency) if limits.adaptive else None
        self._per_model = {_key(name): most for name, most in (limits.per_model or {}).items()}
        self._lanes: dict[int, dict[str, deque[Permit]]] = {}
        self._running_of_tenant: dict[str, int] = {}
        self._running_of_model: dict[str, int] = {}
        self._served: dict[str, int] = {}
        self._turn = 0
        self._mean_s: float | None = None
        self.running = 0
        self.waiting = 0

    @property
    def limit(self) -> int | None:
        """How many may run now; None if there is no limit."""
        if self._adaptive is not None:
            return int(self._adaptive.value)
        return self._limits.concurrency

    def enter(self, permit: Permit, now_s: float, until_s: float | None) -> str | None:
        """Give a call its place; it may be ready at once.

        Returns:
            None, or why it is refused; it then has no place.
        """
        if self._has_room(permit):  # then nobody waits for the same room: see `next`
            self._admit(permit, now_s)
            return None
        if self.waiting >= self._limits.queue:
            return f"this client's queue is full: {self.waiting} calls wait, {self.running} run"
        expected_s = self._expected_wait_s()
        if until_s is not None and expected_s is not None and now_s + expected_s >= until_s:
            return (
                f"the deadline cannot be met: {self.waiting} calls wait,"
                f" about {expected_s:.3g} s, and total_s leaves {max(until_s - now_s, 0):.3g} s"
            )
        self._line_up(permit).append(permit)
        return None

    def leave(self, permit: Permit, now_s: float, outcome: Outcome, waited_s: float = 0) -> None:
        """Take a call out, running or waiting; a second time does nothing.

        Args:
            permit: The call's.
            now_s: The time.
            outcome: How it ended.
            waited_s: How long it waited inside the server.
        """
        if permit.state == "running":
            if outcome == "ok":
                self._learn(permit, now_s, waited_s)
            self._stop_running(permit)
        elif permit.state == "waiting":
            self._withdraw(permit)
            self._forget_idle(permit.tenant)
        permit.state = "gone"

    def refused(self, permit: Permit, now_s: float) -> None:
        """Take a running call out because the server had no room for it."""
        if permit.state != "running":
            return
        if self._adaptive is not None:
            self._adaptive.refused(sent_s=permit.admitted_s, others=self.running - 1, now_s=now_s)
        self._stop_running(permit)
        permit.state = "new"

    def enter_again(self, permit: Permit) -> None:
        """Put a call that was `refused` at the head of its queue."""
        permit.is_ready = False
        self._line_up(permit).appendleft(permit)

    def clear(self) -> list[Permit]:
        """Admit all that wait, limits or not: there is nothing left to protect."""
        lanes, self._lanes, self.waiting = self._lanes, {}, 0
        waiting = [permit for lane in lanes.values() for line in lane.values() for permit in line]
        for permit in waiting:
            self._admit(permit, permit.entered_s)
        return waiting

    def next(self, now_s: float) -> list[Permit]:
        """Admit whoever may run now. They are to be made ready, outside of any lock.

        Called after every change, so that nobody waits while there is room.
        """
        admitted: list[Permit] = []
        while self.waiting:
            permit = self._first_with_room()
            if permit is None:
                break
            self._withdraw(permit)
            self._admit(permit, now_s)
            admitted.append(permit)
        return admitted

    def _first_with_room(self) -> Permit | None:
        limit = self.limit
        if limit is not None and self.running >= limit:
            return None
        for priority in sorted(self._lanes, reverse=True):
            lane = self._lanes[priority]
            for tenant in sorted(lane, key=self._standing):
                for permit in lane[tenant]:
                    if self._has_room(permit):
                        return permit
        return None

    def _standing(self, tenant: str) -> tuple[int, int]:
        return self._running_of_tenant.get(tenant, 0), self._served.get(tenant, 0)

    def _has_room(self, permit: Permit) -> bool:
        limit = self.limit
        if limit is not None and self.running >= limit:
            return False
        if not self._per_model:
            return True
        model = _key(permit.model)
        most = self._per_model.get(model)
        return most is None or self._running_of_model.get(model, 0) < most

    def _admit(self, permit: Permit, now_s: float) -> None:
        permit.state, permit.admitted_s, permit.is_ready = "running", now_s, True
        self.running += 1
        self._count(self._running_of_tenant, permit.tenant, 1)
        self._count_model(permit, 1)
        self._turn += 1
        self._served[permit.tenant] = self._turn

    def _stop_running(self, permit: Permit) -> None:
        self.running -= 1
        self._count(self._running_of_tenant, permit.tenant, -1)
        self._count_model(permit, -1)
        self._forget_idle(permit.tenant)

    def _line_up(self, permit: Permit) -> deque[Permit]:
        permit.state = "waiting"
        self.waiting += 1
        lane = self._lanes.setdefault(permit.priority, {})
        return lane.setdefault(permit.tenant, deque())

    def _withdraw(self, permit: Permit) -> None:
        self.waiting -= 1
        lane = self._lanes[permit.priority]
        lane[permit.tenant].remove(permit)
        if not lane[permit.tenant]:
            del lane[permit.tenant]
        if not lane:
            del self._lanes[permit.priority]

    def _forget_idle(self, tenant: str) -> None:
        """Keep nothing of a tenant that neither runs nor waits: there may be millions."""
        if tenant in self._running_of_tenant:
            return
        if not self._lanes or not any(tenant in lane for lane in self._lanes.values()):
            self._served.pop(tenant, None)

    def _count_model(self, permit: Permit, change: int) -> None:
        if self._per_model and (model := _key(permit.model)) in self._per_model:
            self._count(self._running_of_model, model, change)

    @staticmethod
    def _count(counts: dict[str, int], name: str, change: int) -> None:
        left = counts.get(name, 0) + change
        if left:
            counts[name] = left
        else:
            counts.pop(name, None)

    def _learn(self, permit: Permit, now_s: float, waited_s: float) -> None:
        took_s = now_s - permit.admitted_s
        mean_s = self._mean_s
        self._mean_s = took_s if mean_s is None else mean_s + _SMOOTHING * (took_s - mean_s)
        if self._adaptive is None:
            return
        if waited_s > WAITED_S:
            self._adaptive.waited(sent_s=permit.admitted_s, now_s=now_s)
        else:
            self._adaptive.succeeded(in_flight=self.running)

    def _expected_wait_s(self) -> float | None:
        """Estimate how long one more call would wait; None before any call has ended."""
        limit = self.limit
        if self._mean_s is None or limit is None:
            return None
        return (self.waiting + 1) / limit * self._mean_s


def _key(model: str) -> str:
    """Give one text for all the ways to write a model's name."""
    return folded_name(model) or model
