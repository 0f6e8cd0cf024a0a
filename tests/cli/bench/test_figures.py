"""Percentiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.cli.bench.figures import Figures, percentile

VALUES = st.lists(st.floats(0, 1e9), min_size=1, max_size=200)


@given(VALUES, st.integers(1, 99))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: int
) -> None:
    """And the least of those."""
    found = percentile(values, percent)
    if found is None:
        return
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


@pytest.mark.parametrize(("count", "p95"), [(0, None), (1, None), (19, None), (20, 19), (100, 95)])
def test_few_values_have_no_p95(count: int, p95: float | None) -> None:
    """Of nineteen it would be the greatest under a finer name."""
    assert percentile(range(1, count + 1), 95) == p95


def test_nothing_measured_has_no_figures() -> None:
    """Not even a zero."""
    assert Figures.of([]) == Figures(0, None, None, None, None)
    assert Figures.of([3.0, 1.0]) == Figures(2, 1.0, None, 1.0, 3.0)
