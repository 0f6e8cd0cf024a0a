"""Whether a failed call is tried again, and how long it waits before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from arriero.errors import ArrieroError, ResponseError
from arriero.settings import Retry

WINDOW_S = 10.0
"""How far back the budget looks: long enough to even out bursts, short enough that a quiet
night does not pay for a storm in the morning."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `wait_s` seconds."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Raise the error; `reason` says which rule decided."""

    reason: str


class RetryBudget:
    """Counts calls and retries of one client over the last `WINDOW_S`."""

    __slots__ = ("_calls", "_retries")

    def __init__(self) -> None:
        self._calls = _Window()
        self._retries = _Window()

    def saw_call(self, now_s: float) -> None:
        """Count a call's first try."""
        self._calls.add(now_s)

    def take(self, retry: Retry, now_s: float) -> bool:
        """Count a retry if it is within the budget; False leaves it uncounted."""
        allowed = max(retry.budget_reserve, retry.budget_ratio * self._calls.count(now_s))
        if self._retries.count(now_s) + 1 > allowed:
            return False
        self._retries.add(now_s)
        return True


class _Window:
    """Counts events of the last `WINDOW_S` in slices of a tenth."""

    __slots__ = ("_slices", "_total")

    def __init__(self) -> None:
        self._slices: deque[list[float]] = deque()  # [number of the slice, events]
        self._total = 0

    def add(self, now_s: float) -> None:
        """Count an event."""
        number = now_s // (WINDOW_S / 10)
        if self._slices and self._slices[-1][0] == number:
            self._slices[-1][1] += 1
        else:
            self.count(now_s)  # drops what is old, so that a quiet window stays short
            self._slices.append([number, 1])
        self._total += 1

    def count(self, now_s: float) -> int:
        """Give how many there were."""
        oldest = (now_s - WINDOW_S) // (WINDOW_S / 10)
        while self._slices and self._slices[0][0] <= oldest:
            self._total -= int(self._slices.popleft()[1])
        return self._total


def decide(
    retry: Retry,
    error: ArrieroError,
    *,
    is_safe: bool,
    wanted: bool | None,
    tries: int,
    budget: RetryBudget,
    random: float,
    now_s: float,
    until_s: float | None,
) -> Again | Stop:
    """Decide what follows a failed try.

    Args:
        retry: The rules.
        error: What the try failed with.
        is_safe: Whether trying again can do no harm, as far as the protocol tells.
        wanted: What the user's rule says; None if it says nothing.
        tries: How many there were, this one included.
        budget: What the client has retried lately; a retry is counted.
        random: Between 0 and 1.
        now_s: The time.
        until_s: When the whole call must be over.
    """
    if not (is_safe if wanted is None else wanted):
        return Stop("not safe or no use to repeat" if wanted is None else "refused by the rule")
    if tries >= retry.attempts:
        return Stop("attempts used up" if retry.attempts > 1 else "retries are off")
    wait_s = wait_before(retry, error, tries=tries, random=random)
    if until_s is not None and now_s + wait_s >= until_s:
        return Stop("total_s would run out while waiting")
    if not budget.take(retry, now_s):
        return Stop("retry budget spent")
    return Again(wait_s)


def wait_before(retry: Retry, error: ArrieroError, *, tries: int, random: float) -> float:
    """Give the seconds to wait after the try number `tries`."""
    most_s = min(retry.max_wait_s, retry.first_wait_s * 2.0 ** min(tries - 1, 60))
    asked_s = error.retry_after_s if isinstance(error, ResponseError) else None
    return max(random * most_s, min(asked_s or 0.0, retry.max_retry_after_s))
