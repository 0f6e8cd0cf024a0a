"""Quantiles from few numbers: how far off they may be, and that the rest is exact."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.sketch import Sketch, Spread

SECONDS = st.floats(min_value=1e-4, max_value=4e5)
"""From a tenth of a millisecond to nearly five days."""


def sketch_of(values: list[float]) -> Sketch:
    """Give a sketch that has seen some values."""
    made = Sketch()
    for value in values:
        made.add(value)
    return made


@given(st.lists(SECONDS, min_size=1, max_size=300))
def test_quantiles_are_off_by_five_percent_at_most(values: list[float]) -> None:
    """Of the value that has so many at or below it."""
    spread = sketch_of(values).spread()
    ordered = sorted(values)
    for share, seen in ((0.5, spread.p50), (0.9, spread.p90), (0.99, spread.p99)):
        exact = ordered[math.ceil(share * len(values)) - 1]
        assert seen == pytest.approx(exact, rel=0.05)


@given(st.lists(st.floats(min_value=0, max_value=1e300), min_size=1, max_size=100))
def test_whatever_comes_the_rest_is_exact(values: list[float]) -> None:
    """Count, mean and maximum; and no quantile is above the maximum, or out of order."""
    spread = sketch_of(values).spread()
    assert spread.count == len(values)
    assert spread.mean == pytest.approx(sum(values) / len(values))
    assert spread.max == max(values)
    assert 0 <= spread.p50 <= spread.p90 <= spread.p99 <= spread.max


def test_memory_does_not_grow() -> None:
    """A year of calls takes as many buckets as one."""
    few, many = sketch_of([1.0]), sketch_of([number / 7 for number in range(100_000)])
    assert len(few._buckets) == len(many._buckets)


def test_nothing_seen_is_all_zero() -> None:
    """Rather than an error, or a number that means something."""
    assert Sketch().spread() == Spread()
