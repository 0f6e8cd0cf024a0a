"""`Governor`: the policies of one client and their state, shared by all of its calls.

Every method decides at once and waits for nothing. A short lock keeps threads apart. Ending
a call never takes that lock by force: a stream may be dropped by the garbage collector in
the middle of a locked section of the same thread. What ended is put into a box instead, which
whoever holds the lock empties before it goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from arriero._core.answers.state import Answers
from arriero._core.digests import Digests
from arriero._core.effects import Effect
from arriero._core.events import (
    BreakerChanged,
    CallAdmitted,
    Decision,
    Observer,
    Outcome,
    TryEnded,
)
from arriero._core.failures import described
from arriero._core.gate import BEFORE_PERMIT, Gate
from arriero._core.journal import Journal
from arriero._core.locks import Lock, NoLock
from arriero._core.policy.retry import Again, RetryBudget, Stop, decide, wait_before
from arriero._core.policy.shared_rate import SharedRates
from arriero._core.statistics import CacheStatistics, Counts, Statistics, snapshot
from arriero._core.witnesses import Witnesses
from arriero.errors import ArrieroError, AuditFailed
from arriero.settings import Breaker, Limits, Retry

if TYPE_CHECKING:
    from arriero._core.calls import Call
    from arriero._core.policy.concurrency import Permit
    from arriero._core.progress import Progress

T = TypeVar("T")


class Governor:
    """See the module. Before each try `step` is called until it has nothing to be waited for."""

    def __init__(
        self,
        *,
        retry: Retry | None = None,
        limits: Limits | None = None,
        breaker: Breaker | None = None,
        observers: Sequence[Observer] = (),
        answers: Answers | None = None,
        journal: Journal | None = None,
        shared: Callable[[], SharedRates] | None = None,
        clock: Callable[[], float],
        random: Callable[[], float] = lambda: 1.0,
        lock: Callable[[], Lock] = NoLock,
    ) -> None:
        self.retry = retry or Retry.none()
        self.limits = limits
        self.breaker = breaker
        self.answers = answers
        self.witnesses = Witnesses(observers, journal)
        has_store = answers is not None and answers.store is not None
        self.digests = Digests(clock) if has_store or journal is not None else None
        self._make_shared = shared
        self._has_gate = limits is not None or breaker is not None
        self._clock = clock
        self._random = random
        self._make_lock = lock
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a child process after a fork, nobody's permit is held."""
        self._lock = self._make_lock()
        self._box: deque[tuple[Call[Any] | None, Progress, Any, float]] = deque()
        """Calls that leave the gate; without the call, what is counted."""
        self._budget = RetryBudget()
        self._counts = Counts()
        self._gate = Gate(self.limits, self.breaker, self._make_shared)
        if self.answers is not None:
            self.answers.forget()
        if self.digests is not None:
            self.digests.forget_all()
        self.witnesses.forget()

    def close(self) -> None:
        """Let every waiting call go: its client is closed, which is what it will find."""
        with self._lock:
            self._gate.clear()
        self._let_go()

    # Beginning

    def began(self, call: Call[Any], progress: Progress, host: str) -> None:
        """Take in that a call begins.

        Raises:
            AuditFailed: what it comes to could not be written down.
        """
        with self._lock:
            self._counts.started += 1
            self._budget.saw_call(progress.started_s)
        self._let_go()
        self.witnesses.began(call, progress, host)
        try:
            self.witnesses.admit(call, host)
        except AuditFailed as error:
            progress.is_over, progress.outcome, progress.error = True, "failed", error
            self._box.append((None, progress, None, progress.started_s))
            self._let_go()
            self.witnesses.refused(call, progress, progress.started_s)
            raise

    def step(
        self, call: Call[Any], progress: Progress, host: str, answer: Any = None
    ) -> Effect | None:
        """Bring a call nearer to its next try; see `Gate.step`."""
        if not (progress.runs_model and self._has_gate):
            return None
        now_s, stage = self._clock(), progress.stage
        try:
            with self._lock:
                return self._gate.step(call, progress, host, now_s, answer)
        except ArrieroError as error:
            described(error, call=call.name, host=host, attempts=progress.attempts)
            raise
        finally:
            self._let_go()
            if stage in BEFORE_PERMIT and progress.permit is not None:
                self._tell_admitted(progress, progress.permit, now_s)

    def _tell_admitted(self, progress: Progress, permit: Permit, now_s: float) -> None:
        if self.witnesses and progress.stage not in BEFORE_PERMIT:
            self.witnesses.tell(CallAdmitted(progress.id, now_s - permit.entered_s))

    # After a failed try

    def tried(self, progress: Progress, error: ArrieroError) -> None:
        """Take in that a try failed, for the breaker."""
        with self._lock:
            self._gate.tried(progress, error, self._clock())
        self._let_go()

    def next_try(
        self, progress: Progress, error: ArrieroError, until_s: float | None, *, is_resumed: bool
    ) -> Again | Stop:
        """Decide what follows a failed try."""
        retry = progress.policy.retry or self.retry
        wanted = self._asked(retry.rule, error)
        with self._lock:
            decision = decide(
                retry,
                error,
                is_safe=is_resumed or error.retryable,
                wanted=wanted,
                tries=progress.tries,
                budget=self._budget,
                random=self._random(),
                now_s=self._clock(),
                until_s=until_s,
            )
        if isinstance(decision, Stop):
            self._note(progress, error, "stop", decision.reason, 0.0)
        else:
            kind: Decision = "resumed" if is_resumed else "again"
            self._note(progress, error, kind, "", decision.wait_s)
        return decision

    def _asked(
        self, rule: Callable[[ArrieroError], bool | None] | None, error: ArrieroError
    ) -> bool | None:
        try:
            return rule(error) if rule is not None else None
        except Exception:  # whatever a user's function raises must not hide the error
            self.witnesses.errors += 1
            return None

    def _note(
        self, progress: Progress, error: ArrieroError, kind: Decision, reason: str, wait_s: float
    ) -> None:
        with self._lock:
            self._counts.decisions[kind] += 1
        self._let_go()
        why = f": {reason}" if reason else f" after {wait_s:.3g} s"
        progress.trail.append(f"{type(error).__name__}, {kind}{why}")
        if self.witnesses:
            self.witnesses.tell(TryEnded(progress.id, progress.tries, error, kind, reason, wait_s))

    def goes_back(self, progress: Progress, error: ArrieroError) -> float | None:
        """Take a call out of the running because the server had no room for it.

        Returns:
            The seconds until it lines up again; None if the error is no matter of an adaptive
            limit.
        """
        now_s = self._clock()
        with self._lock:
            is_back = self._gate.goes_back(progress, error, now_s)
        if not is_back:
            return None
        progress.requeued += 1
        retry = progress.policy.retry or self.retry
        wait_s = wait_before(retry, error, tries=progress.requeued, random=self._random())
        self._note(progress, error, "requeued", "", wait_s)
        until_s = self._gate.patience(progress, now_s)
        return wait_s if until_s is None else min(wait_s, max(0.0, until_s - now_s))

    def first_record(self, progress: Progress) -> None:
        """Take in that the first record of a stream has arrived."""
        if progress.first_record_s is None:
            progress.first_record_s = self._clock() - progress.started_s
            self.witnesses.first_record(progress, progress.first_record_s)

    # The end

    def ended(
        self, call: Call[Any], progress: Progress, last: Any, total: Callable[[], Any]
    ) -> None:
        """Take in that a call is over, however; a second time does nothing.

        Args:
            call: The call.
            progress: How far it got; its `outcome` and `error` say how it ended.
            last: The record with the server's counts; None if none came.
            total: Gives the answer as observers see it.
        """
        if progress.is_over:
            return
        progress.is_over = True
        if self.digests is not None:
            self.digests.changed(call)
        now_s = self._clock()
        # What went well may still fail if it cannot be written down; its permit is free now.
        may_fail = self.witnesses.journal is not None and progress.outcome == "ok"
        self._box.append((call, progress, last, now_s))
        if not may_fail:
            self._box.append((None, progress, last, now_s))
        self._let_go()
        event = self.witnesses.written(call, progress, total, now_s)
        if may_fail:
            progress.unsettled = last, now_s, event
            if progress.receipt is None:
                self.settled(progress)
        elif event is not None:
            self.witnesses.tell(event)

    def settled(
        self, progress: Progress, outcome: Outcome = "ok", error: ArrieroError | None = None
    ) -> None:
        """Count and tell what a call came to, once no more can go wrong; else do nothing."""
        if progress.unsettled is None:
            return
        (last, now_s, event), progress.unsettled = progress.unsettled, None
        progress.outcome, progress.error = outcome, error
        self._box.append((None, progress, last, now_s))
        self._let_go()
        if event is not None:
            if outcome != "ok":
                event = msgspec.structs.replace(event, outcome=outcome, error=error)
            self.witnesses.tell(event)

    def _let_go(self) -> None:
        """Do what the lock was in the way of: after each time it was held."""
        gate = self._gate
        # What is put in while another holds the lock, that other sees after letting go.
        while self._box and self._lock.acquire(blocking=False):
            try:
                while self._box:
                    call, progress, last, now_s = self._box.popleft()
                    if call is None:
                        self._counts.add(progress, last, now_s)
                    else:
                        gate.leave(call, progress, last, now_s)
            finally:
                self._lock.release()
        if gate.admitted or gate.changes:
            self._pass_on(gate)

    def _pass_on(self, gate: Gate) -> None:
        for permit in _drained(gate.admitted):
            permit.ready()
        for (host, model), state in _drained(gate.changes):
            self.witnesses.tell(BreakerChanged(host, model, state))

    def statistics(self) -> Statistics:
        """Give a snapshot."""
        gate, answers = self._gate, self.answers
        with self._lock:
            made = snapshot(
                self._counts,
                self.witnesses,
                gate,
                answers.statistics() if answers is not None else CacheStatistics(),
            )
        self._let_go()
        return made


def _drained(things: deque[T]) -> Iterator[T]:
    """Take out what is in there; others may do the same at this moment."""
    while things:
        try:
            yield things.popleft()
        except IndexError:
            return
