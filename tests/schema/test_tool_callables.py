"""Every kind of callable becomes a tool."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from arriero.errors import RequestError
from arriero.schema import tool_from_function

from .tooled import Point, greet, parameters


def test_a_lambda_is_refused() -> None:
    """A model could not call it by its name."""
    with pytest.raises(RequestError, match="<lambda> is no name"):
        tool_from_function(lambda a: a)


class Desk:
    """A desk.

    Args:
        book: Its title.
    """

    def lend(self, book: str, days: int = 14) -> str:
        """Lend a book."""
        return f"{book}, {days}"

    @classmethod
    def count(cls, shelf: int) -> int:
        return shelf

    @staticmethod
    def open(door: str) -> str:
        return door

    def __call__(self, book: str) -> str:
        return book


async def fetch(url: str) -> str:
    """Fetch a page."""
    return url


@functools.wraps(greet)
def wrapped(*args: Any, **kwargs: Any) -> str:
    return greet(*args, **kwargs)


@pytest.mark.parametrize(
    ("function", "name", "names", "required"),
    [
        (Desk().lend, "lend", ["book", "days"], ["book"]),
        (Desk.count, "count", ["shelf"], ["shelf"]),
        (Desk.open, "open", ["door"], ["door"]),
        (Desk(), "Desk", ["book"], ["book"]),
        (fetch, "fetch", ["url"], ["url"]),
        (wrapped, "greet", ["name", "greeting", "loud"], ["name"]),
        (functools.partial(greet, "Ana"), "greet", ["greeting", "loud"], None),
        (functools.partial(greet, greeting="hi"), "greet", ["name", "loud"], ["name"]),
        (functools.partial(functools.partial(greet, loud=True), "A"), "greet", ["greeting"], None),
        (functools.partial(Desk().lend, days=3), "lend", ["book"], ["book"]),
        (Point, "Point", ["x", "y", "tags"], ["x"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_any_callable_is_taken(
    function: Any, name: str, names: list[str], required: list[str] | None
) -> None:
    """self, cls and what a partial binds are not shown; ollama 0.6.3 fails on a partial."""
    made = tool_from_function(function)["function"]

    assert made["name"] == name
    assert list(made["parameters"]["properties"]) == names
    assert made["parameters"].get("required") == required


def test_a_partial_keeps_the_words_of_its_function() -> None:
    """Not those of `functools.partial`."""
    made = tool_from_function(functools.partial(greet, loud=True))["function"]

    assert made["description"] == "Greet."
    assert made["parameters"]["properties"]["name"]["description"] == "Whom."


def test_an_object_with_call_takes_words_from_its_class() -> None:
    """Where `__call__` has none."""
    made = tool_from_function(Desk())["function"]

    assert made["description"] == "A desk."
    assert made["parameters"]["properties"]["book"]["description"] == "Its title."


def test_a_builtin_without_signature_is_refused() -> None:
    """With advice."""
    with pytest.raises(RequestError, match=r"tools: min: .*wrap it in a function of your own"):
        tool_from_function(min)


def test_every_tool_is_new() -> None:
    """Changing one does not change the next."""
    tool_from_function(greet)["function"]["parameters"]["properties"].clear()

    assert parameters(greet)["properties"]
