"""A limit on concurrency that finds by itself what the server can bear."""

from __future__ import annotations

START = 4.0
"""Where it begins: what Ollama serves at a time if nobody told it otherwise."""

_DECREASE = 0.8
_GENTLE = 10.0
"""Rounds of successes for each further call, once a level is known to be too high: a probe
that is refused costs a wait, so there is one in ten rounds instead of one in each."""

WAITED_S = 1.0
"""Waiting inside the server from which on it counts as overloaded."""


class AdaptiveLimit:
    """Grows by addition, falls by multiplication.

    Each success adds ``1 / limit``, so a round of them adds one; before the first refusal
    each adds one, which doubles it in a round. The first refusal after a success says
    exactly how many the server took: the calls in flight besides it. Refused again at that
    level, the limit is multiplied by 0.8. From a level that is known to have been refused it
    grows ten times more slowly.
    """

    __slots__ = ("_known", "_lowered_s", "_refusals", "most", "value")

    def __init__(self, most: int | None) -> None:
        self.most = float("inf") if most is None else float(most)
        self.value = min(START, self.most)
        self._known: float | None = None
        self._lowered_s = float("-inf")
        self._refusals = 0

    def succeeded(self, *, in_flight: int) -> None:
        """Take in a good answer; `in_flight` counts it. An unused limit does not grow."""
        self._refusals = 0
        if in_flight < int(self.value):
            return
        if self._known is None:
            step = 1.0
        elif self.value < self._known:
            step = 1.0 / self.value
        else:
            step = 1.0 / (self.value * _GENTLE)
        self.value = min(self.most, self.value + step)

    def refused(self, *, sent_s: float, others: int, now_s: float) -> None:
        """Take in a 503 to a call sent at `sent_s`, with `others` in flight besides it."""
        self._refusals += 1
        if self._refusals == 1 or sent_s < self._lowered_s:
            level = min(self.value, float(others))
        else:
            level = self.value * _DECREASE
        self._lower(level, now_s)

    def waited(self, *, sent_s: float, now_s: float) -> None:
        """Take in that a call waited inside the server; once for each round of calls."""
        if sent_s >= self._lowered_s:
            self._lower(self.value * _DECREASE, now_s)

    def _lower(self, level: float, now_s: float) -> None:
        self.value = self._known = max(1.0, level)
        self._lowered_s = now_s
