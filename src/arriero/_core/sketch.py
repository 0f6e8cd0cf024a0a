"""`Sketch`: how values are spread, in memory that does not grow."""

from __future__ import annotations

import math
from dataclasses import dataclass

_LEAST = 1e-4
"""Values below count as this; a tenth of a millisecond, when they are seconds."""

_STEPS = 8
"""Buckets for each doubling: neighbours are 9% apart, so a quantile is off by at most 5%."""

_BUCKETS = 32 * _STEPS
"""Up to 32 doublings: five days, when the least is a tenth of a millisecond."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How values were spread: quantiles to within 5%, the rest exact. All 0 without values."""

    count: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Sketch:
    """Counts values in buckets that grow by a constant factor."""

    __slots__ = ("_buckets", "_count", "_most", "_sum")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self._count = 0
        self._sum = 0.0
        self._most = 0.0

    def add(self, value: float) -> None:
        """Take in a value, which is not negative."""
        place = int(_STEPS * math.log2(value / _LEAST)) if value > _LEAST else 0
        self._buckets[min(place, _BUCKETS - 1)] += 1
        self._count += 1
        self._sum += value
        self._most = max(self._most, value)

    def spread(self) -> Spread:
        """Give what there was so far."""
        if not self._count:
            return Spread()
        p50, p90, p99 = (self._quantile(share) for share in (0.5, 0.9, 0.99))
        return Spread(self._count, self._sum / self._count, p50, p90, p99, self._most)

    def _quantile(self, share: float) -> float:
        wanted, seen = share * self._count, 0
        for place, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                middle = _LEAST * math.exp2((place + 0.5) / _STEPS)
                return min(middle, self._most)
        return self._most
