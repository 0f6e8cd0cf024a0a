"""Sizes of parts, waits, and when it is enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server.registry.messages import Lost, Stalled, StatusRefused, TransferFailed
from arriero.server.registry.pace import Pace, Patience, split, whole

MB = 1_000_000


@pytest.mark.parametrize(
    ("total", "sizes"),
    [
        (0, []),
        (1, [1]),
        (100 * MB, [100 * MB]),
        (250 * MB, [100 * MB, 100 * MB, 50 * MB]),
        (3200 * MB, [200 * MB] * 16),
        (40_000 * MB, [1000 * MB] * 40),
    ],
)
def test_parts_have_ollamas_sizes(total: int, sizes: list[int]) -> None:
    """A sixteenth each, between 100 MB and 1 GB."""
    assert [part.size_bytes for part in split(total, Pace())] == sizes


@given(
    total=st.integers(0, 10_000),
    streams=st.integers(1, 20),
    least=st.integers(1, 500),
    more=st.integers(0, 500),
)
def test_parts_cover_everything_once(total: int, streams: int, least: int, more: int) -> None:
    """Without gap or overlap, in order, whatever the settings."""
    pace = Pace(streams=streams, least_part_bytes=least, most_part_bytes=least + more)
    for parts in (split(total, pace), whole(total)):
        at = 0
        for number, part in enumerate(parts):
            assert (part.number, part.offset) == (number, at)
            assert part.size_bytes > 0
            at = part.end
        assert at == total


def test_each_failure_waits_longer_until_it_is_enough() -> None:
    """1, 2, 4, 8, 16 seconds; the sixth in a row ends it."""
    patience = Patience(Pace())
    assert [patience.wait_s(Lost("EOF")) for _ in range(5)] == [1, 2, 4, 8, 16]
    with pytest.raises(TransferFailed, match="max retries exceeded: EOF"):
        patience.wait_s(Lost("EOF"))


def test_a_byte_in_between_starts_the_count_anew() -> None:
    """A bad line that brings something each time gets there in the end."""
    patience = Patience(Pace())
    for _ in range(100):
        assert patience.wait_s(Lost("EOF")) == 1
        patience.progressed()


def test_a_silence_is_wait_enough_but_counts() -> None:
    """A registry that never says anything does not hold a pull for ever."""
    patience = Patience(Pace())
    assert [patience.wait_s(Stalled("quiet")) for _ in range(5)] == [0] * 5
    with pytest.raises(TransferFailed, match="max retries exceeded: quiet"):
        patience.wait_s(Stalled("quiet"))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_some_errors_pass(status: int) -> None:
    """Asking again may help."""
    assert Patience(Pace()).wait_s(StatusRefused(status, "x")) == 1


@pytest.mark.parametrize(
    "error", [StatusRefused(403, "x"), StatusRefused(416, "x"), TransferFailed("x")]
)
def test_other_errors_end_it_at_once(error: TransferFailed) -> None:
    """Asking again would not."""
    with pytest.raises(TransferFailed) as caught:
        Patience(Pace()).wait_s(error)
    assert caught.value is error
