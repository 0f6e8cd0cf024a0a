"""What many measured values come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """Values summed up; a percentile is None if there are too few values for it."""

    count: int
    p50: float | None
    p95: float | None
    min: float | None
    max: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Figures:
        """Sum up `values`."""
        return cls(
            len(values),
            percentile(values, 50),
            percentile(values, 95),
            min(values, default=None),
            max(values, default=None),
        )


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Give the value that so many percent of all do not exceed, by nearest rank.

    It is always one that was measured, nothing in between. With fewer values than it takes to
    have one beyond it, it would only be the greatest under a finer name: None.

    Args:
        values: In any order.
        percent: From 1 to 99.
    """
    if len(values) * (100 - percent) < 100 and percent > 50:
        return None
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1] if values else None
