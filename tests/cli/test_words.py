"""Amounts, options and text from outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from arriero import RequestError
from arriero.cli.amounts import bytes_of, duration_of, when
from arriero.cli.names import complete_model
from arriero.cli.output import Output
from arriero.cli.pairs import options_of
from arriero.cli.printable import one_line, printable

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.4, "59s"), (61, "1m 01s"), (3599, "59m 59s"), (3900, "1h 05m"), (-3, "0s")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """Short enough for a column."""
    assert duration_of(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3 * 86400, "3 days ago"),
        (-3600, "1 hour ago"),
        (0, "0 seconds ago"),
        (240, "in 4 minutes"),
        (90000, "in 1 day"),
    ],
)
def test_times_are_told_as_seen_from_now(seconds: int, text: str) -> None:
    """By their largest unit, in both directions."""
    assert when(NOW + timedelta(seconds=seconds), NOW) == text


def test_what_is_unknown_is_a_dash() -> None:
    """Older servers leave fields out."""
    assert (when(None, NOW), bytes_of(None), bytes_of(4_700_000_000)) == ("-", "-", "4.7 GB")


def test_options_are_json_where_they_can_be() -> None:
    """Numbers, booleans and lists have their types; a name that stands twice is a list."""
    assert options_of(["a=1", "b=0.5", "c=true", "d=[1,2]", "e=x=y", "f=", "stop=a", "stop=b"]) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": [1, 2],
        "e": "x=y",
        "f": "",
        "stop": ["a", "b"],
    }
    assert options_of(None) is None


@pytest.mark.parametrize("pair", ["temperature", "=1", ""])
def test_an_option_without_name_or_value_is_refused(pair: str) -> None:
    """The message shows how to write it."""
    with pytest.raises(RequestError, match="write NAME=VALUE"):
        options_of([pair])


def test_text_from_outside_cannot_command_a_terminal() -> None:
    """Escape codes become question marks; letters of every script, tabs and lines stay."""
    text = "a\tb\r\n\x1b[31mred\x07 \x9b2J \u200d ñ 漢"
    assert printable(text) == "a\tb\n?[31mred? ?2J \u200d ñ 漢"
    assert one_line(" a\n\n b\x00") == "a b?"


def test_columns_of_a_pipe_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is cut where nobody looks, wide letters count twice, no blanks at the end."""
    Output().table(["NAME", "SIZE"], [["漢" * 50, "1"], ["b" * 3, "2"]])
    assert capsys.readouterr().out.splitlines() == [
        "NAME" + " " * 98 + "SIZE",
        "漢" * 50 + "  1",
        "bbb" + " " * 99 + "2",
    ]


def test_names_of_models_are_completed(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without the tag that may be left out."""
    monkeypatch.setenv("OLLAMA_HOST", server)
    assert complete_model("mini-t") == ["mini-think", "mini-think:latest"]


@pytest.mark.parametrize("host", ["127.0.0.1:9", "a b"])
def test_a_completion_that_fails_is_empty(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that completes must not print errors."""
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert complete_model("") == []


def test_a_slip_in_the_name_of_an_option_is_refused() -> None:
    """A server takes no notice of it; what is only unknown may be a newer server's."""
    with pytest.raises(RequestError, match="no option 'temprature'; did you mean 'temperature'"):
        options_of(["temprature=0"])
    assert options_of(["num_gqa=8", "top_n=1"]) == {"num_gqa": 8, "top_n": 1}
