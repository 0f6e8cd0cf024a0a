"""`Governor`: the policies of one client and their state, shared by all of its calls.

Every method decides at once and waits for nothing. A short lock keeps threads apart. Ending
a call never takes that lock by force: a stream may be dropped by the garbage collector in
the middle of a locked section of the same thread. What ended is put into a box instead, which
whoever holds the lock empties before it goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from arriero._core.answers.state import Answers
from arriero._core.events import (
    BreakerChanged,
    CallAdmitted,
    Decision,
    Observer,
    TryEnded,
)
from arriero._core.failures import described, verdict
from arriero._core.journal import Journal
from arriero._core.locks import Lock, NoLock
from arriero._core.policy.breaker import Circuits
from arriero._core.policy.concurrency import Permit, Queue
from arriero._core.policy.estimate import waited_in_server_s
from arriero._core.policy.rate import Rates
from arriero._core.policy.retry import Again, RetryBudget, Stop, decide, wait_before
from arriero._core.policy.shared_rate import Question, SharedRates, Unreachable
from arriero._core.statistics import CacheStatistics, Counts, Statistics, snapshot
from arriero._core.witnesses import Witnesses
from arriero.errors import ArrieroError, CircuitOpen, DeadlineExceeded, LimitReached, ServerBusy
from arriero.settings import Breaker, Limits, Retry

if TYPE_CHECKING:
    from arriero._core.calls import Call
    from arriero._core.operations import Progress

T = TypeVar("T")

SharedStep: TypeAlias = Question | float | None
"""As `SharedRates.begin`."""


class Governor:
    """See the module. `enter`, `pace` and `ask_circuit` come in this order for each call."""

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
        self.witnesses = Witnesses(observers, journal, clock)
        self._make_shared = shared
        self._is_adaptive = limits is not None and limits.adaptive
        self._clock = clock
        self._random = random
        self._make_lock = lock
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a child process after a fork, nobody's permit is held."""
        limits = self.limits
        self._lock = self._make_lock()
        self._box: deque[tuple[Call[Any], Progress, Any, float]] = deque()
        self._budget = RetryBudget()
        self._counts = Counts()
        self._queue = Queue(limits) if limits is not None and limits.queues else None
        self.shared = self._make_shared() if self._make_shared is not None else None
        self._rates: Rates | None = self.shared
        if self._rates is None and limits is not None and limits.paces:
            self._rates = Rates(limits)
        self._circuits = Circuits(self.breaker) if self.breaker is not None else None
        if self.answers is not None:
            self.answers.forget()
        self.witnesses.forget()

    def close(self) -> None:
        """Let every waiting call go: its client is closed, which is what it will find."""
        queue = self._queue
        if queue is not None:
            _wake(self._locked(queue.clear))

    # Beginning

    def began(self, call: Call[Any], progress: Progress, host: str) -> None:
        """Take in that a call begins.

        Raises:
            AuditFailed: what it comes to could not be written down.
        """
        self.witnesses.admit(call, host)
        with self._lock:
            self._counts.started += 1
            self._budget.saw_call(progress.started_s)
        self._empty_box()
        self.witnesses.began(call, progress, host)

    def enter(self, call: Call[Any], progress: Progress, until_s: float | None) -> Permit | None:
        """Give a call its permit, ready or to be waited for; None if it needs none.

        Raises:
            LimitReached: there is no place for it.
        """
        queue = self._queue
        if queue is None or not call.runs_model:
            return None
        now_s, policy = self._clock(), progress.policy
        permit = Permit(call.model, policy.tenant, policy.priority, now_s)
        progress.permit = permit
        refusal = self._locked(lambda: queue.enter(permit, now_s, until_s))
        if refusal is not None:
            raise self._refused(call, progress, refusal)
        return permit

    def entered(self, call: Call[Any], progress: Progress) -> None:
        """Take in that the wait for a permit is over, one way or the other.

        Raises:
            LimitReached: it was the longest the queue allows.
            DeadlineExceeded: it was the whole call's.
        """
        permit, limits = progress.permit, self.limits
        assert permit is not None
        assert limits is not None
        now_s = self._clock()
        waited_s = now_s - permit.entered_s
        progress.queued_s += waited_s
        if permit.is_ready:
            if self.witnesses:
                self.witnesses.tell(CallAdmitted(progress.id, waited_s))
            return
        total_s = progress.timeouts.total_s
        if total_s is not None and now_s >= progress.started_s + total_s:
            error = DeadlineExceeded("total_s", total_s)
            error.phase = "queue"
            raise described(error, call=call.name, host="", attempts=progress.attempts)
        raise self._refused(
            call, progress, f"no permit within max_wait_s={limits.max_wait_s:g} of the queue"
        )

    def _refused(self, call: Call[Any], progress: Progress, reason: str) -> ArrieroError:
        with self._lock:
            self._counts.refused += 1
        error = LimitReached(reason)
        error.phase = "queue"
        return described(error, call=call.name, host="", attempts=progress.attempts)

    def pace(self, call: Call[Any], progress: Progress, until_s: float | None) -> float:
        """Give the seconds that the rate limits have a try wait.

        Raises:
            LimitReached: they would end after `until_s`.
        """
        rates = self._rates
        if rates is None or not call.runs_model:
            return 0.0
        tokens = 0.0 if progress.reserved_tokens else rates.estimate(call.body)
        now_s = self._clock()
        wait_s = self._locked(lambda: rates.take(tokens, now_s))
        progress.reserved_tokens += tokens
        return self.in_time(call, progress, wait_s, until_s)

    def in_time(
        self, call: Call[Any], progress: Progress, wait_s: float, until_s: float | None
    ) -> float:
        """Give a wait for the rates that ends before `until_s`.

        Raises:
            LimitReached: it does not.
        """
        rates = self._rates
        assert rates is not None
        if until_s is not None and wait_s > 0 and self._clock() + wait_s >= until_s:
            self._locked(lambda: rates.give_back(1.0, 0.0))  # the tokens, when the call ends
            raise self._refused(
                call, progress, f"its turn under the rate limit is in {wait_s:.3g} s, past total_s"
            )
        return wait_s

    def begin_shared(self, call: Call[Any], progress: Progress) -> SharedStep:
        """Take one request and the tokens of a call from the rates that others share."""
        rates = self.shared
        assert rates is not None
        tokens = 0.0 if progress.reserved_tokens else rates.estimate(call.body)
        progress.reserved_tokens += tokens
        return self._locked(lambda: rates.begin(tokens, self._clock()))

    def go_on_shared(self, question: Question, answer: Any) -> SharedStep:
        """Take in what a question brought."""
        rates, now_s = self.shared, self._clock()
        assert rates is not None
        if isinstance(answer, Unreachable):
            return self._locked(lambda: rates.failed(question, answer, now_s))
        return self._locked(lambda: rates.answered(question, answer, now_s))

    def unshared(self, call: Call[Any], progress: Progress) -> ArrieroError:
        """Give the error of a call that must not go on without the rates that others share."""
        assert self.shared is not None
        return self._refused(
            call,
            progress,
            f"the shared rate limits cannot be reached ({self.shared.trouble}), and"
            " RedisRates.on_failure is 'closed'",
        )

    def ask_circuit(self, call: Call[Any], progress: Progress, host: str) -> None:
        """Let a try through to the host.

        Raises:
            CircuitOpen: the host is left alone.
        """
        circuits = self._circuits
        if circuits is None or not call.runs_model:
            return
        key = (host, call.model)
        entry, rest_s = self._locked(lambda: circuits.ask(key, self._clock()))
        if entry is not None:
            progress.circuit = key, entry
            return
        error = CircuitOpen(
            f"the circuit of model {call.model!r} is open, as too many calls failed; the host is"
            f" asked again in {rest_s:.3g} s"
        )
        error.retry_after_s = rest_s
        raise described(error, call=call.name, host=host, attempts=progress.attempts)

    # After a failed try

    def tried(self, progress: Progress, error: ArrieroError) -> None:
        """Take in that a try failed, for the breaker."""
        if progress.circuit is not None:
            self._locked(lambda: self._settle_circuit(progress, error, self._clock()))

    def _settle_circuit(self, progress: Progress, error: ArrieroError | None, now_s: float) -> None:
        if progress.circuit is None or self._circuits is None:
            return
        (key, entry), progress.circuit = progress.circuit, None
        is_good: bool | None = progress.outcome == "ok" or None
        if error is not None:
            is_good = None if self._is_full(error) else verdict(error)
        self._circuits.settle(key, entry, is_good, now_s)

    def _is_full(self, error: ArrieroError) -> bool:
        """Tell whether the adaptive limit answers to this error."""
        return self._is_adaptive and isinstance(error, ServerBusy)

    def next_try(
        self, progress: Progress, error: ArrieroError, until_s: float | None, *, is_resumed: bool
    ) -> Again | Stop:
        """Decide what follows a failed try."""
        retry = progress.policy.retry or self.retry
        wanted = self._asked(retry.rule, error)
        decision = self._locked(
            lambda: decide(
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
        self._empty_box()
        why = f": {reason}" if reason else f" after {wait_s:.3g} s"
        progress.trail.append(f"{type(error).__name__}, {kind}{why}")
        if self.witnesses:
            self.witnesses.tell(TryEnded(progress.id, progress.tries, error, kind, reason, wait_s))

    def goes_back(self, progress: Progress, error: ArrieroError) -> float | None:
        """Take a call out of the running because the server had no room for it.

        Returns:
            The seconds until it lines up again, with `lines_up`; None if the error is no
            matter of an adaptive limit.
        """
        permit, queue = progress.permit, self._queue
        if permit is None or queue is None or not self._is_full(error):
            return None
        progress.requeued += 1
        retry = progress.policy.retry or self.retry
        wait_s = wait_before(retry, error, tries=progress.requeued, random=self._random())
        now_s = self._clock()
        with self._lock:
            queue.refused(permit, now_s)
            admitted = queue.next(now_s)
        _wake(admitted)
        self._note(progress, error, "requeued", "", wait_s)
        return wait_s

    def lines_up(self, progress: Progress) -> Permit:
        """Put a call back at the head of its queue."""
        permit, queue = progress.permit, self._queue
        assert permit is not None
        assert queue is not None
        permit.entered_s = now_s = self._clock()
        with self._lock:
            queue.enter_again(permit)
            admitted = queue.next(now_s)
        self._empty_box()
        _wake(admitted)
        return permit

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
        if self.answers is not None:
            self.answers.models_change(call)
        now_s = self._clock()
        self._box.append((call, progress, last, now_s))
        self._empty_box()
        self.witnesses.ended(call, progress, total, now_s)

    def _locked(self, decide: Callable[[], T]) -> T:
        with self._lock:
            made = decide()
        if self._box or self._circuits is not None:
            self._empty_box()
        return made

    def _empty_box(self) -> None:
        # What is put in while another holds the lock, that other sees after letting go.
        while self._box and self._lock.acquire(blocking=False):
            admitted: list[Permit] = []
            try:
                while self._box:
                    admitted += self._settle(*self._box.popleft())
            finally:
                self._lock.release()
            _wake(admitted)
        if self._circuits is not None:
            while self._circuits.changes:
                (host, model), state = self._circuits.changes.popleft()
                self.witnesses.tell(BreakerChanged(host, model, state))

    def _settle(self, call: Call[Any], progress: Progress, last: Any, now_s: float) -> list[Permit]:
        self._counts.add(progress, last, now_s)
        self._settle_circuit(progress, progress.error, now_s)
        if self._rates is not None and progress.is_pacing:
            self._rates.give_back(1.0, 0.0)
        if self._rates is not None and progress.reserved_tokens:
            sent = call.body if progress.attempts else None
            self._rates.settle(progress.reserved_tokens, sent, last)
        permit, queue = progress.permit, self._queue
        if permit is None or queue is None:
            return []
        queue.leave(permit, now_s, progress.outcome, waited_in_server_s(last))
        return queue.next(now_s)

    def statistics(self) -> Statistics:
        """Give a snapshot."""
        return self._locked(
            lambda: snapshot(
                self._counts,
                self.witnesses,
                self._queue,
                self._circuits.states() if self._circuits is not None else {},
                self.shared.errors if self.shared is not None else 0,
                self.answers.statistics() if self.answers is not None else CacheStatistics(),
            )
        )


def _wake(permits: list[Permit]) -> None:
    for permit in permits:
        permit.ready()
