"""Circuit breaking: a host that keeps failing is left alone for a while."""

from __future__ import annotations

from collections import deque
from typing import Literal, TypeAlias

from arriero.settings import Breaker

State: TypeAlias = Literal["closed", "open", "half-open"]

_MOST_KEPT = 512
"""Most outcomes kept: at higher rates the window is shorter than its name says."""


class Circuit:
    """State of one host and model.

    Attributes:
        state: Where it stands.
    """

    __slots__ = ("_breaker", "_opened_s", "_outcomes", "_probing", "_round", "state")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=_MOST_KEPT)
        self._opened_s = 0.0
        self._probing = 0
        self._round = 0
        self.state: State = "closed"

    def ask(self, now_s: float) -> int | float:
        """Let a try through, or not.

        Returns:
            A whole number to be given back to `settle` if it may go; else, as a float, the
            seconds until another may.
        """
        if self.state == "open":
            left_s = self._opened_s + self._breaker.open_s - now_s
            if left_s > 0:
                return left_s
            self.state, self._probing = "half-open", 0
            self._round += 1
        if self.state == "half-open":
            if self._probing >= self._breaker.probes:
                return self._breaker.open_s
            self._probing += 1
        return self._round

    def settle(self, entry: int, is_good: bool | None, now_s: float) -> None:
        """Take in how a try that was let through ended; None if that says nothing."""
        if entry != self._round:
            return  # from before it opened: its news is old
        if self.state == "half-open":
            self._probing -= 1
            if is_good is None:
                return
            if is_good:
                self.state = "closed"
                self._outcomes.clear()
                self._round += 1
            else:
                self._open(now_s)
        elif is_good is not None:
            self._outcomes.append((now_s, is_good))
            if not is_good and self._has_failed(now_s):
                self._open(now_s)

    def _has_failed(self, now_s: float) -> bool:
        while self._outcomes and self._outcomes[0][0] < now_s - self._breaker.window_s:
            self._outcomes.popleft()
        failures = sum(not is_good for _, is_good in self._outcomes)
        enough = failures >= min(self._breaker.failures, _MOST_KEPT)
        return enough and failures >= self._breaker.share * len(self._outcomes)

    def _open(self, now_s: float) -> None:
        self.state, self._opened_s = "open", now_s
        self._outcomes.clear()
        self._round += 1
