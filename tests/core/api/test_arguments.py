"""Arguments that several endpoints share."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import ollama
import pytest

from arriero._core.api.arguments import (
    body_of,
    format_to_wire,
    input_to_wire,
    keep_alive_to_wire,
    options_to_wire,
    required,
    think_to_wire,
)
from arriero.errors import RequestError
from arriero.types.options import Options


def test_what_is_none_is_not_sent() -> None:
    """An absent key lets the server decide; False, zero and empty are values."""
    assert body_of(a=None, b=False, c=0, d="", e=[]) == {"b": False, "c": 0, "d": "", "e": []}


@pytest.mark.parametrize(
    ("value", "shown"), [("", "an empty text"), (" \n", "an empty text"), (None, "None"), (5, "5")]
)
def test_a_name_is_required(value: object, shown: str) -> None:
    """The message says what is missing and what was given."""
    with pytest.raises(RequestError, match=f"^chat: model is required, got {shown}$"):
        required(value, "model", "chat")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        (0, 0),
        (-1, -1),
        (1.5, 1.5),
        ("5m", "5m"),
        ("1h30m", "1h30m"),
        ("-1s", "-1s"),
        ("1.5h", "1.5h"),
        (".5s", ".5s"),
        ("300ms", "300ms"),
        ("1µs", "1µs"),
        ("0", "0"),
        (timedelta(minutes=5), 300),
        (timedelta(milliseconds=1500), 1.5),
        (timedelta(seconds=-1), -1),
    ],
)
def test_keep_alive_is_sent_as_the_server_reads_it(value: Any, sent: object) -> None:
    """Numbers are seconds, texts are Go durations, a timedelta becomes seconds."""
    made = keep_alive_to_wire(value)

    assert made == sent
    assert type(made) is type(sent)


@pytest.mark.parametrize(
    "value", ["300", "-1", "5 m", "", "5x", "m", True, [], float("inf"), float("nan")]
)
def test_a_keep_alive_the_server_would_refuse_is_refused(value: Any) -> None:
    """A number in quotes is what everybody writes, and what no server takes."""
    with pytest.raises(RequestError, match="keep_alive"):
        keep_alive_to_wire(value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        ({}, {}),
        ({"seed": 1, "temperature": None, "new": [1]}, {"seed": 1, "new": [1]}),
        (Options(seed=1, new=2), {"seed": 1, "new": 2}),
        ({"stop": "x"}, {"stop": ["x"]}),
        (Options(stop=["a", "b"]), {"stop": ["a", "b"]}),
        (ollama.Options(seed=1, temperature=0.5), {"seed": 1, "temperature": 0.5}),
    ],
)
def test_options_are_sent_without_none(value: Any, sent: object) -> None:
    """All that is set goes out, under any name; one stop text becomes the list it must be."""
    assert options_to_wire(value) == sent


def test_options_of_the_caller_are_left_alone() -> None:
    """The caller's dict stays as it was."""
    mine = {"stop": "x", "seed": None}
    options_to_wire(mine)

    assert mine == {"stop": "x", "seed": None}


@pytest.mark.parametrize("value", [5, "temperature=0", [("seed", 1)], SimpleNamespace(seed=1)])
def test_options_are_a_mapping(value: Any) -> None:
    """Anything else is refused with its type."""
    with pytest.raises(RequestError, match=f"not {type(value).__name__}"):
        options_to_wire(value)


def test_a_format_is_json_a_schema_or_a_class() -> None:
    """Only a class brings something that makes objects."""
    schema = {"type": "object"}

    assert format_to_wire(None) == (None, None)
    assert format_to_wire("json") == ("json", None)
    assert format_to_wire(schema) == (schema, None)
    sent, parse = format_to_wire(list[int])
    assert sent["type"] == "array"
    assert parse is not None
    assert parse("[1]") == [1]


@pytest.mark.parametrize("value", [None, True, False, "max"])
def test_think_is_passed_on(value: Any) -> None:
    """Levels are the server's: newer ones are not refused."""
    assert think_to_wire(value) is value


@pytest.mark.parametrize("value", [1, 0.5, ["high"]])
def test_think_is_a_bool_or_a_text(value: Any) -> None:
    """A number would mean neither."""
    with pytest.raises(RequestError, match="think"):
        think_to_wire(value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("a", "a"),
        ("", ""),
        ([], []),
        (["a", "b"], ["a", "b"]),
        (("a",), ["a"]),
        (iter("ab"), ["a", "b"]),
    ],
)
def test_an_input_is_text_or_texts(value: Any, sent: object) -> None:
    """Any iterable of texts will do."""
    assert input_to_wire(value, "embed") == sent


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"a", "not bytes"),
        (None, "not NoneType"),
        (["a", 5], r"input\[1\] is int"),
        ([["a"]], r"input\[0\] is list"),
    ],
)
def test_an_input_that_is_no_text_is_named(value: Any, message: str) -> None:
    """Of a million texts the first wrong one is named."""
    with pytest.raises(RequestError, match=message):
        input_to_wire(value, "embed")
