"""Durations and keep_alive values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server.durations import (
    FOREVER_S,
    InvalidDuration,
    parse_duration,
    parse_keep_alive,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0), ("5s", 5.0), ("1h30m", 5400.0), ("-1.5s", -1.5), ("+2m", 120.0),
        ("1500ms", 1.5), ("3us", 3e-6), ("3µs", 3e-6), ("3\u03bcs", 3e-6), ("2ns", 2e-9),
        (".5s", 0.5), ("1.s", 1.0), ("5m0s", 300.0), ("0s", 0.0),
    ],
)  # fmt: skip
def test_go_durations_are_read(text: str, seconds: float) -> None:
    """A sign, then decimals with units."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", 'time: missing unit in duration "5"'),
        ("-1", 'time: missing unit in duration "-1"'),
        ("abc", 'time: invalid duration "abc"'),
        ("", 'time: invalid duration ""'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("-", 'time: invalid duration "-"'),
        ("1h2", 'time: missing unit in duration "1h2"'),
        (".", 'time: invalid duration "."'),
    ],
)
def test_a_bad_duration_is_refused_in_gos_words(text: str, message: str) -> None:
    """Callers match these texts."""
    with pytest.raises(InvalidDuration) as caught:
        parse_duration(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), (0, 0.0), (0.0, 0.0), ("0", 0.0), (42.5, 42.5), (60, 60.0),
        (-1, FOREVER_S), (-0.5, FOREVER_S), ("-1s", FOREVER_S), ("10m", 600.0),
    ],
)  # fmt: skip
def test_keep_alive_takes_numbers_and_texts(value: object, seconds: float | None) -> None:
    """Numbers are seconds, texts are durations, negative means for good, null means unset."""
    assert parse_keep_alive(value) == seconds


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "Unsupported type: 'bool'"),
        ([], "Unsupported type: '[]interface {}'"),
        ({}, "Unsupported type: 'map[string]interface {}'"),
    ],
)
def test_keep_alive_refuses_other_types(value: object, message: str) -> None:
    """Ollama names Go's type."""
    with pytest.raises(InvalidDuration) as caught:
        parse_keep_alive(value)
    assert str(caught.value) == message


@given(st.text())
def test_any_text_gives_a_number_or_a_refusal(text: str) -> None:
    """No text breaks the parser."""
    try:
        seconds = parse_duration(text)
    except InvalidDuration:
        return
    assert math.isfinite(seconds) or len(text) > 300
