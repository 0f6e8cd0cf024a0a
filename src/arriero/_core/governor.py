"""`Governor`: the policies of one client and their state, shared by all of its calls.

Every method decides at once and waits for nothing. A short lock keeps threads apart. Ending
a call never takes that lock by force: a stream may be dropped by the garbage collector in
the middle of a locked section of the same thread. What ended is put into a box instead, which
whoever holds the lock empties before it goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from arriero._core.events import (
    BreakerChanged,
    CallAdmitted,
    CallEnded,
    CallStarted,
    Event,
    FirstRecord,
    Observer,
    TryEnded,
)
from arriero._core.failures import described
from arriero._core.policy.breaker import Circuit
from arriero._core.policy.concurrency import Outcome, Permit, Queue
from arriero._core.policy.estimate import (
    UNKNOWN_ANSWER,
    counted_tokens,
    most_answer_tokens,
    prompt_tokens,
    waited_in_server_s,
)
from arriero._core.policy.rate import Rates
from arriero._core.policy.retry import Again, RetryBudget, Stop, decide, wait_before
from arriero._core.statistics import Counts, Statistics
from arriero.errors import (
    ArrieroError,
    CircuitOpen,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    LimitReached,
    ProtocolError,
    ServerBusy,
    ServerError,
    StatusError,
    StreamFailed,
)
from arriero.settings import Breaker, Limits, Retry

if TYPE_CHECKING:
    from arriero._core.calls import Call
    from arriero._core.operations import Progress


class Lock(Protocol):
    """A lock that knows no owner, such as `threading.Lock`."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; False if it is taken and `blocking` is not wanted."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...

    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


class NoLock:
    """For one thread only."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take nothing."""
        return True

    def release(self) -> None:
        """Give nothing back."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc: object) -> None: ...


class Governor:
    """See the module. `enter`, `pace` and `ask_circuit` come in this order for each call."""

    def __init__(
        self,
        *,
        retry: Retry | None = None,
        limits: Limits | None = None,
        breaker: Breaker | None = None,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float],
        random: Callable[[], float] = lambda: 1.0,
        lock: Callable[[], Lock] = NoLock,
    ) -> None:
        self.retry = retry or Retry.none()
        self.limits = limits
        self.breaker = breaker
        self.observers = tuple(observers)
        self._clock = clock
        self._random = random
        self._make_lock = lock
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a child process after a fork, nobody's permit is held."""
        self.lock = self._make_lock()
        self._box: deque[tuple[Call[Any], Progress, Any, float]] = deque()
        self._news: deque[Event] = deque()
        self._budget = RetryBudget()
        self._counts = Counts()
        limits = self.limits
        is_limited = limits is not None and (limits.concurrency or limits.adaptive)
        self._queue = (
            Queue(limits) if limits is not None and (is_limited or limits.per_model) else None
        )
        self._rates = Rates(limits) if limits is not None else None
        self._circuits: dict[tuple[str, str], Circuit] = {}
        self._answer_tokens = float(UNKNOWN_ANSWER)

    def close(self) -> None:
        """Let every waiting call go: its client is closed, which is what it will find."""
        with self.lock:
            admitted = self._queue.clear() if self._queue is not None else []
        self._wake(admitted)

    # Beginning

    def began(self, call: Call[Any], progress: Progress, host: str) -> None:
        """Take in that a call begins."""
        with self.lock:
            self._counts.started += 1
            self._budget.saw_call(self._clock())
        if self.observers:
            self.tell(
                CallStarted(
                    progress.id,
                    call.name,
                    host,
                    call.model,
                    call.stream,
                    progress.policy,
                    call.body,
                )
            )

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
        with self.lock:
            refusal = queue.enter(permit, now_s, until_s)
        if refusal is not None:
            raise self._refused(call, progress, refusal)
        return permit

    def entered(self, call: Call[Any], progress: Progress) -> None:
        """Take in that the wait for a permit is over, one way or the other.

        Raises:
            LimitReached: it was the longest the queue allows.
            DeadlineExceeded: it was the whole call's.
        """
        permit = progress.permit
        assert permit is not None
        now_s = self._clock()
        waited_s = now_s - permit.entered_s
        progress.queued_s += waited_s
        if permit.is_ready:
            if self.observers:
                self.tell(CallAdmitted(progress.id, waited_s))
            return
        total_s, limits = progress.timeouts.total_s, self.limits
        if total_s is not None and now_s >= progress.started_s + total_s:
            error: ArrieroError = DeadlineExceeded("total_s", total_s)
            error.phase = "queue"
            raise described(error, call=call.name, host="", attempts=progress.attempts)
        assert limits is not None
        raise self._refused(
            call, progress, f"no permit within max_wait_s={limits.max_wait_s:g} of the queue"
        )

    def _refused(self, call: Call[Any], progress: Progress, reason: str) -> ArrieroError:
        self._counts.refused += 1
        error = LimitReached(reason)
        error.phase = "queue"
        return described(error, call=call.name, host="", attempts=progress.attempts)

    def pace(self, call: Call[Any], progress: Progress) -> float:
        """Give the seconds that the rate limits have a try wait."""
        rates = self._rates
        if rates is None or not call.runs_model:
            return 0.0
        tokens = 0.0
        if not progress.reserved_tokens and call.body is not None:
            most = most_answer_tokens(call.body)
            tokens = prompt_tokens(call.body) + (self._answer_tokens if most is None else most)
        with self.lock:
            wait_s = rates.take(tokens, self._clock())
        progress.reserved_tokens += tokens
        return wait_s

    def unpaced(self, call: Call[Any], progress: Progress, wait_s: float) -> ArrieroError:
        """Give the error of a try whose turn would come after the call's deadline."""
        with self.lock:
            if self._rates is not None:
                self._rates.give_back(1.0, 0.0)
        return self._refused(
            call, progress, f"the rate limit would have it wait {wait_s:.3g} s, past its total_s"
        )

    def ask_circuit(self, call: Call[Any], progress: Progress) -> None:
        """Let a try through to the host.

        Raises:
            CircuitOpen: the host is left alone.
        """
        if self.breaker is None or not call.runs_model:
            return
        key = (progress.host, call.model)
        with self.lock:
            circuit = self._circuits.setdefault(key, Circuit(self.breaker))
            before = circuit.state
            entry = circuit.ask(self._clock())
            after = circuit.state
            if before != after:
                self._news.append(BreakerChanged(*key, after))
        if isinstance(entry, float):
            error = CircuitOpen(
                f"circuit open for model {call.model!r}: the host failed"
                f" {self.breaker.failures} times or more; tried again in {entry:.3g} s"
            )
            error.retry_after_s = entry
            raise described(error, call=call.name, host=progress.host, attempts=progress.attempts)
        progress.circuit = key, entry

    # After a try

    def tried(self, progress: Progress) -> None:
        """Take in how a try ended, for the breaker: its `error`, or None."""
        if progress.circuit is not None:
            with self.lock:
                self._settle_circuit(progress, self._clock())

    def _settle_circuit(self, progress: Progress, now_s: float) -> None:
        if progress.circuit is None:
            return
        key, entry = progress.circuit
        progress.circuit = None
        circuit = self._circuits[key]
        before = circuit.state
        circuit.settle(entry, self._verdict(progress), now_s)
        if circuit.state != before:
            self._news.append(BreakerChanged(*key, circuit.state))

    def _verdict(self, progress: Progress) -> bool | None:
        error = progress.error
        if error is None:
            return True if progress.outcome == "ok" else None
        if isinstance(error, ServerBusy) and self._is_adaptive:
            return None  # the limit answers to it
        if isinstance(error, _BAD_NEWS):
            return False
        return True if isinstance(error, StatusError) else None

    @property
    def _is_adaptive(self) -> bool:
        return self.limits is not None and self.limits.adaptive

    def next_try(
        self,
        progress: Progress,
        error: ArrieroError,
        *,
        until_s: float | None,
        is_resumed: bool,
    ) -> Again | Stop:
        """Decide what follows a failed try, and tell the observers."""
        retry = progress.policy.retry or self.retry
        with self.lock:
            decision = decide(
                retry,
                error,
                is_safe=is_resumed or error.retryable,
                tries=progress.tries,
                budget=self._budget,
                random=self._random(),
                now_s=self._clock(),
                until_s=until_s,
            )
        if isinstance(decision, Stop):
            self._note(progress, error, "stop", decision.reason, 0.0)
        else:
            if is_resumed:
                self._counts.resumed += 1
            else:
                self._counts.retries += 1
            kind = "resumed" if is_resumed else "again"
            self._note(progress, error, kind, "", decision.wait_s)
        return decision

    def _note(
        self, progress: Progress, error: ArrieroError, kind: Any, reason: str, wait_s: float
    ) -> None:
        why = f": {reason}" if reason else f" after {wait_s:.3g} s"
        progress.trail.append(f"{type(error).__name__}, {kind}{why}")
        if self.observers:
            self.tell(TryEnded(progress.id, progress.tries, error, kind, reason, wait_s))

    def goes_back(self, progress: Progress, error: ArrieroError) -> float | None:
        """Take a call out of the running because the server had no room for it.

        Returns:
            The seconds until it lines up again, with `lines_up`; None if the error is no
            matter of an adaptive limit.
        """
        permit, queue = progress.permit, self._queue
        if not (self._is_adaptive and isinstance(error, ServerBusy)):
            return None
        if permit is None or queue is None:
            return None
        progress.requeued += 1
        retry = progress.policy.retry or self.retry
        wait_s = wait_before(retry, error, tries=progress.requeued, random=self._random())
        now_s = self._clock()
        with self.lock:
            queue.refused(permit, now_s)
            admitted = queue.next(now_s)
        self._counts.requeued += 1
        self._note(progress, error, "requeued", "", wait_s)
        self._wake(admitted)
        return wait_s

    def lines_up(self, progress: Progress) -> Permit:
        """Put a call back at the head of its queue."""
        permit, queue = progress.permit, self._queue
        assert permit is not None
        assert queue is not None
        permit.entered_s = now_s = self._clock()
        with self.lock:
            queue.enter_again(permit)
            admitted = queue.next(now_s)
        self._wake(admitted)
        return permit

    def first_record(self, progress: Progress) -> None:
        """Take in that the first record of a stream has arrived."""
        if progress.first_record_s is None:
            progress.first_record_s = self._clock() - progress.started_s
            if self.observers:
                self.tell(FirstRecord(progress.id, progress.first_record_s))

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
        self._box.append((call, progress, last, self._clock()))
        self.empty_box()
        if self.observers:
            self.tell(
                CallEnded(
                    progress.id,
                    call.name,
                    progress.host,
                    call.model,
                    call.stream,
                    progress.policy,
                    progress.outcome,
                    progress.error,
                    total(),
                    progress.tries,
                    progress.attempts,
                    progress.queued_s,
                    progress.paced_s,
                    progress.first_record_s,
                    self._clock() - progress.started_s,
                    progress.records,
                    tuple(progress.trail),
                )
            )

    def empty_box(self) -> None:
        # What is put in while another holds the lock, that other sees after letting go.
        while self._box and self.lock.acquire(blocking=False):
            admitted: list[Permit] = []
            try:
                while self._box:
                    admitted += self._settle(*self._box.popleft())
            finally:
                self.lock.release()
            self._wake(admitted)
        while self._news:
            self.tell(self._news.popleft())

    def _settle(self, call: Call[Any], progress: Progress, last: Any, now_s: float) -> list[Permit]:
        counts, outcome = self._counts, progress.outcome
        counts.tries += progress.tries
        counts.queued_s += progress.queued_s
        if outcome == "ok":
            counts.ok += 1
            counts.prompt_tokens += getattr(last, "prompt_eval_count", None) or 0
            counts.answer_tokens += getattr(last, "eval_count", None) or 0
        elif outcome == "cancelled":
            counts.cancelled += 1
        else:
            name = type(progress.error).__name__
            counts.failed[name] = counts.failed.get(name, 0) + 1
        self._settle_circuit(progress, now_s)
        if self._rates is not None and progress.reserved_tokens:
            self._settle_tokens(call, progress, last)
        permit, queue = progress.permit, self._queue
        if permit is None or queue is None:
            return []
        queue.leave(permit, now_s, _OUTCOMES[outcome], waited_in_server_s(last))
        return queue.next(now_s)

    def _settle_tokens(self, call: Call[Any], progress: Progress, last: Any) -> None:
        assert self._rates is not None
        spent = counted_tokens(last)
        if spent is None:
            # Nothing was counted: what was sent is taken for read, and nothing for written.
            assert call.body is not None
            spent = prompt_tokens(call.body) if progress.attempts else 0
        elif progress.outcome == "ok":
            answer = getattr(last, "eval_count", None) or 0
            self._answer_tokens += 0.2 * (answer - self._answer_tokens)
        self._rates.give_back(0.0, progress.reserved_tokens - spent)

    @staticmethod
    def _wake(permits: list[Permit]) -> None:
        for permit in permits:
            permit.ready()

    # Observation

    def tell(self, event: Event) -> None:
        """Show an event to every observer; one that raises is counted and passed over."""
        for observer in self.observers:
            try:
                observer(event)
            except Exception:  # whatever a user's function raises must not end the call
                self._counts.observer_errors += 1

    def statistics(self) -> Statistics:
        """Give a snapshot."""
        with self.lock:
            counts, queue = self._counts, self._queue
            return Statistics(
                started=counts.started,
                ok=counts.ok,
                cancelled=counts.cancelled,
                failed=dict(counts.failed),
                tries=counts.tries,
                retries=counts.retries,
                requeued=counts.requeued,
                resumed=counts.resumed,
                refused=counts.refused,
                running=queue.running if queue is not None else 0,
                waiting=queue.waiting if queue is not None else 0,
                limit=queue.limit if queue is not None else None,
                queued_s=counts.queued_s,
                prompt_tokens=counts.prompt_tokens,
                answer_tokens=counts.answer_tokens,
                breakers={key: circuit.state for key, circuit in self._circuits.items()},
                observer_errors=counts.observer_errors,
            )


_OUTCOMES: dict[str, Outcome] = {"ok": "ok", "failed": "failed", "cancelled": "none"}

_BAD_NEWS = (
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ProtocolError,
    ServerError,
    StreamFailed,
)
"""Errors that say that a host is not well."""
