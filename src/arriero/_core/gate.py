"""`Gate`: what a call passes before each of its tries, and gives back at its end.

A permit first, then the rates, then the breaker. What is free is taken in one go; whatever
has to be waited for comes out as an effect. The gate has no lock: its `Governor` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arriero._core.effects import Consult, Effect, Sleep, Wait
from arriero._core.failures import verdict
from arriero._core.policy.breaker import Circuits, Key, State
from arriero._core.policy.concurrency import Permit, Queue
from arriero._core.policy.estimate import waited_in_server_s
from arriero._core.policy.rate import Rates
from arriero._core.policy.shared_rate import Question, SharedRates, Unreachable
from arriero.errors import ArrieroError, CircuitOpen, DeadlineExceeded, LimitReached, ServerBusy
from arriero.settings import Breaker, Limits

if TYPE_CHECKING:
    from arriero._core.calls import Call
    from arriero._core.progress import Progress

BEFORE_PERMIT = frozenset({"new", "queued", "back"})
"""Stages of a call that has no permit."""


class Gate:
    """See the module.

    Attributes:
        changes: Circuits that changed their state since somebody looked last.
        admitted: Permits that are to be made ready, outside of any lock.
        refused: How many calls found no place, or waited too long.
    """

    def __init__(
        self,
        limits: Limits | None,
        breaker: Breaker | None,
        shared: Callable[[], SharedRates] | None,
    ) -> None:
        self._limits = limits
        self._is_adaptive = limits is not None and limits.adaptive
        self.queue = Queue(limits) if limits is not None and limits.queues else None
        self.shared = shared() if shared is not None else None
        self._rates: Rates | None = self.shared
        if self._rates is None and limits is not None and limits.paces:
            self._rates = Rates(limits)
        self.circuits = Circuits(breaker) if breaker is not None else None
        self.changes: deque[tuple[Key, State]] = deque()
        if self.circuits is not None:
            self.changes = self.circuits.changes
        self.admitted: deque[Permit] = deque()
        self.refused = 0

    def step(
        self, call: Call[Any], progress: Progress, host: str, now_s: float, answer: Any
    ) -> Effect | None:
        """Bring a call as far as it gets without waiting.

        Args:
            call: The call.
            progress: How far it got.
            host: Where it goes.
            now_s: The time.
            answer: What the effect given last brought.

        Returns:
            What has to be waited for before the next step; None if the try may go.

        Raises:
            LimitReached: there is no place for it, or no turn in time.
            DeadlineExceeded: the whole call's passed in the queue.
            CircuitOpen: the host is left alone.
        """
        if progress.stage in BEFORE_PERMIT:
            wait = self._to_permit(self.queue, progress, now_s) if self.queue is not None else None
            if wait is not None:
                return wait
            progress.stage = "rates"
        if self._rates is not None:
            wait = self._to_turn(self._rates, call, progress, now_s, answer)
            if wait is not None:
                return wait
        progress.stage = "go"
        if self.circuits is not None:
            self._to_host(self.circuits, progress, host, now_s)
        return None

    def _to_permit(self, queue: Queue, progress: Progress, now_s: float) -> Effect | None:
        permit = progress.permit
        if permit is None:
            policy = progress.policy
            permit = Permit(progress.model, policy.tenant, policy.priority, now_s)
            progress.permit = permit
            refusal = queue.enter(permit, now_s, progress.total_until())
            if refusal is not None:
                raise self._refusal(refusal)
        elif progress.stage == "back":
            permit.entered_s = now_s
            queue.enter_again(permit)
            self.admitted += queue.next(now_s)
        else:
            progress.queued_s += now_s - permit.entered_s
            if not permit.is_ready:
                raise self._late(progress, now_s)
        if permit.is_ready:
            return None
        progress.stage = "queued"
        return Wait(permit, self.patience(progress, now_s))

    def patience(self, progress: Progress, now_s: float) -> float | None:
        """Give until when a call may wait in the queue."""
        until_s = progress.total_until()
        if self._limits is None or self._limits.max_wait_s is None:
            return until_s
        patience = now_s + self._limits.max_wait_s
        return patience if until_s is None else min(patience, until_s)

    def _late(self, progress: Progress, now_s: float) -> ArrieroError:
        total_s, until_s = progress.timeouts.total_s, progress.total_until()
        if total_s is not None and until_s is not None and now_s >= until_s:
            error = DeadlineExceeded("total_s", total_s)
            error.phase = "queue"
            error.reason = "the call was still in this client's own queue, see Limits"
            return error
        assert self._limits is not None
        return self._refusal(
            f"no permit within max_wait_s={self._limits.max_wait_s:g} of this client's queue"
        )

    def _refusal(self, reason: str) -> LimitReached:
        self.refused += 1
        error = LimitReached(reason)
        error.phase = "queue"
        return error

    def _to_turn(
        self, rates: Rates, call: Call[Any], progress: Progress, now_s: float, answer: Any
    ) -> Effect | None:
        if progress.stage == "pacing":
            progress.paced_s += progress.pace_s
            return None
        found = self._taken(rates, call, progress, now_s, answer)
        if isinstance(found, Question):
            assert self.shared is not None
            progress.stage, progress.question = "asking", found
            return Consult(self.shared.ask, (found,))
        if found <= 0:
            return None
        until_s = progress.total_until()
        if until_s is not None and now_s + found >= until_s:
            rates.give_back(1.0, 0.0)  # the tokens, when the call ends
            raise self._refusal(f"its turn under the rate limit is in {found:.3g} s, past total_s")
        progress.stage, progress.pace_s = "pacing", found
        return Sleep(found)

    def _taken(
        self, rates: Rates, call: Call[Any], progress: Progress, now_s: float, answer: Any
    ) -> Question | float:
        """Take one request and the tokens of a call; give the wait, or what is to be asked."""
        if progress.stage == "asking":
            return self._answered(progress, now_s, answer)
        tokens = 0.0
        if not progress.reserved_tokens:
            tokens = progress.reserved_tokens = rates.estimate(call.body)
        if self.shared is None:
            return rates.take(tokens, now_s)
        return self._of_shared(progress, self.shared.begin(tokens, now_s))

    def _answered(self, progress: Progress, now_s: float, answer: Any) -> Question | float:
        shared, question = self.shared, progress.question
        assert shared is not None
        assert question is not None
        progress.stage, progress.question = "rates", None
        if isinstance(answer, Unreachable):
            return self._of_shared(progress, shared.failed(question, answer, now_s))
        return shared.answered(question, answer, now_s)

    def _of_shared(self, progress: Progress, found: Question | float | None) -> Question | float:
        """Give what was found about rates that others share.

        Raises:
            LimitReached: the call must not go on without them.
        """
        assert self.shared is not None
        if found is None:
            raise self._refusal(
                f"the shared rate limits cannot be reached ({self.shared.trouble}), and"
                " RedisRates.on_failure is 'closed'"
            )
        trouble = self.shared.trouble
        if trouble and not isinstance(found, Question):
            progress.trail.append(f"shared rates not reached, {trouble}: this client's share")
        return found

    def _to_host(self, circuits: Circuits, progress: Progress, host: str, now_s: float) -> None:
        key = (host, progress.model)
        entry, rest_s = circuits.ask(key, now_s)
        if entry is not None:
            progress.circuit = key, entry
            return
        error = CircuitOpen(
            f"the circuit of model {progress.model!r} is open, as too many calls failed; the"
            f" host is asked again in {rest_s:.3g} s"
        )
        error.retry_after_s = rest_s
        raise error

    def tried(self, progress: Progress, error: ArrieroError | None, now_s: float) -> None:
        """Take in how a try ended, for the breaker."""
        progress.stage = "rates"
        if progress.circuit is None or self.circuits is None:
            return
        (key, entry), progress.circuit = progress.circuit, None
        is_good: bool | None = progress.outcome == "ok" or None
        if error is not None:
            is_good = None if self._is_full(error) else verdict(error)
        self.circuits.settle(key, entry, is_good, now_s)

    def _is_full(self, error: ArrieroError) -> bool:
        """Tell whether the adaptive limit answers to this error."""
        return self._is_adaptive and isinstance(error, ServerBusy)

    def goes_back(self, progress: Progress, error: ArrieroError, now_s: float) -> bool:
        """Take a call out of the running if the server had no room for it."""
        permit, queue = progress.permit, self.queue
        if permit is None or queue is None or not self._is_full(error):
            return False
        progress.stage = "back"
        queue.refused(permit, now_s)
        self.admitted += queue.next(now_s)
        return True

    def leave(self, call: Call[Any], progress: Progress, last: Any, now_s: float) -> None:
        """Take a call out that is over; `last` has the server's counts."""
        stage, rates = progress.stage, self._rates
        self.tried(progress, progress.error, now_s)
        if rates is not None:
            if stage == "pacing":
                rates.give_back(1.0, 0.0)
            elif stage == "asking" and self.shared is not None and progress.question is not None:
                self.shared.unknown(progress.question)
            if progress.reserved_tokens:
                sent = call.body if progress.attempts else None
                rates.settle(progress.reserved_tokens, sent, last)
        permit, queue = progress.permit, self.queue
        if permit is not None and queue is not None:
            waited_s = waited_in_server_s(last) if self._is_adaptive else 0.0
            queue.leave(permit, now_s, progress.outcome, waited_s)
            self.admitted += queue.next(now_s)

    def clear(self) -> None:
        """Let every waiting call go: its client is closed, which is what it will find."""
        if self.queue is not None:
            self.admitted += self.queue.clear()
