"""Parameters: defaults, docstrings, and names that resolve where they were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from arriero.errors import RequestError
from arriero.schema import Hidden, tool_from_function
from arriero.settings import Timeouts

from .tooled import Unit, parameters


def test_a_default_is_shown_and_not_required() -> None:
    """ollama 0.6.3 marks `b` and `d` required and drops the default."""

    def tool(a: int, b: str = "x", *, c: float, d: Unit = Unit.CELSIUS, e: int | None = None):
        """Do it."""

    made = parameters(tool)

    assert made["required"] == ["a", "c"]
    assert made["properties"]["b"] == {"type": "string", "default": "x"}
    assert made["properties"]["d"]["default"] == "celsius"
    assert made["properties"]["e"]["default"] is None


@pytest.mark.parametrize("default", [object(), float("nan"), float("inf"), lambda: 1])
def test_a_default_json_cannot_say_is_left_out(default: Any) -> None:
    """The parameter stays optional."""

    def tool(it: float = default) -> None: ...

    assert parameters(tool) == {"type": "object", "properties": {"it": {"type": "number"}}}


def test_a_function_without_parameters_has_an_empty_object() -> None:
    """`properties` is there, `required` is not."""

    def tool() -> None: ...

    assert tool_from_function(tool) == {
        "type": "function",
        "function": {"name": "tool", "parameters": {"type": "object", "properties": {}}},
    }


def test_an_unannotated_parameter_takes_docstring_then_default_then_anything() -> None:
    """ollama 0.6.3 says "string", and a model then gives numbers as text."""

    def tool(a, b=2, c=None):
        """Do it.

        Args:
            a (float): The first.
        """

    made = parameters(tool)["properties"]
    assert made["a"] == {"type": "number", "description": "The first."}
    assert made["b"] == {"type": "integer", "default": 2}
    assert made["c"] == {"default": None}


def test_the_annotation_is_stronger_than_the_docstring() -> None:
    """`Annotated` stands nearer to the parameter."""

    def tool(a: Annotated[int, "from the annotation"], b: str):
        """Do it.

        Args:
            a (str): from the docstring
            b (int): from the docstring
        """

    made = parameters(tool)["properties"]
    assert made["a"] == {"type": "integer", "description": "from the annotation"}
    assert made["b"] == {"type": "string", "description": "from the docstring"}


@pytest.mark.parametrize(
    ("source", "name", "advice"),
    [
        ("def tool(*args): ...", "args", "use a list"),
        ("def tool(**options): ...", "options", "use a dict"),
        ("def tool(a, /): ...", "a", "remove the `/`"),
        ("def tool(a: complex): ...", "a", "complex has no JSON Schema; use a type that has one"),
        ("def tool(a: 'list[Callable]'): ...", "a", "has no JSON Schema"),
        ("def tool(a: Missing): ...", "a", "'Missing', which is not defined there; define it"),
        ("def tool(a: 'int |'): ...", "a", "cannot be evaluated"),
        ("def tool(a: dict[tuple, int]): ...", "a", "cannot be the key of a dict"),
        ("def tool(a: Annotated[str, Meta(ge=1)]): ...", "a", "ge=1 does not apply to str"),
        ("def tool(a: int = Field(3)): ...", "a", "write Annotated"),
        ("def tool(a: Annotated[int, Hidden]): ...", "a", "hidden from the model but has no"),
        ("def tool(a: Literal[b'x']): ...", "a", "not a JSON value"),
    ],
)
def test_what_cannot_be_said_is_refused(source: str, name: str, advice: str) -> None:
    """Function, parameter, reason and remedy are named; nothing is mangled. ollama 0.6.3
    makes `*args` a required string and anything unknown "string"."""
    namespace: dict[str, Any] = {
        "Annotated": Annotated,
        "Callable": Callable,
        "Field": pydantic.Field,
        "Hidden": Hidden,
        "Literal": Literal,
        "Meta": msgspec.Meta,
    }
    code = compile(f"from __future__ import annotations\n{source}", "source", "exec")
    exec(code, namespace)

    with pytest.raises(RequestError) as caught:
        tool_from_function(namespace["tool"])

    assert str(caught.value).startswith(f"tools: tool: parameter {name!r}: ")
    assert advice in str(caught.value)


def test_names_of_local_types_resolve() -> None:
    """Annotations are text here; the class lives in the running function."""

    @dataclass
    class Local:
        other: Other | None = None

    @dataclass
    class Other:
        n: int

    def tool(a: Local, b: list[Other]) -> None: ...

    made = parameters(tool)["properties"]
    assert made["b"]["items"]["properties"] == {"n": {"type": "integer"}}
    assert made["a"]["properties"]["other"]["anyOf"][0]["required"] == ["n"]


def test_names_resolve_in_every_function_around() -> None:
    """Not only the innermost, which has returned here."""

    class Known(TypedDict):
        n: int

    def outer() -> Callable[..., None]:
        def tool(a: Known) -> None: ...

        return tool

    assert parameters(outer())["properties"]["a"]["properties"] == {"n": {"type": "integer"}}


def of_a_stranger(a: Stranger) -> None: ...  # noqa: F821  # not known here: that is the point


def test_names_of_the_caller_are_not_names_of_the_function() -> None:
    """What a caller happens to call so is something else."""

    class Stranger(TypedDict):
        n: int

    assert Stranger.__total__
    with pytest.raises(RequestError, match="'Stranger', which is not defined there"):
        tool_from_function(of_a_stranger)


def test_a_hidden_parameter_is_not_shown() -> None:
    """Context that the caller, not the model, decides on."""

    def search(
        query: str,
        session: Annotated[object, Hidden] = None,
        **more: Annotated[Any, Hidden],
    ) -> None: ...

    assert list(parameters(search)["properties"]) == ["query"]


def test_settings_of_a_call_are_not_shown() -> None:
    """So that `client.web_search` can be given to a model."""

    class Client:
        def web_search(
            self, query: str, max_results: int = 3, *, timeouts: Timeouts | None = None
        ) -> None: ...

    assert list(parameters(Client().web_search)["properties"]) == ["query", "max_results"]
