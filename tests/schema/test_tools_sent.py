"""What is given as tools is sent in full, or refused by its index."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from arriero.errors import RequestError
from arriero.schema import convert_function_to_tool, tool_from_function, tools_to_wire
from arriero.types.record import to_wire
from arriero.types.tool import Tool

from .tooled import Tree, greet, taking


def test_a_dict_is_sent_as_it_is() -> None:
    """ollama 0.6.3 drops nested properties, anyOf, default, additionalProperties, minLength."""
    tool = {
        "type": "function",
        "function": {
            "name": "f",
            "strict": True,
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "a": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
                    "b": {
                        "type": "object",
                        "properties": {"c": {"type": "integer", "default": None}},
                    },
                },
            },
        },
    }
    (sent,) = tools_to_wire([tool])
    assert sent is tool


def test_a_tool_record_is_sent_in_full() -> None:
    """Wire names, and keywords the record has no name for."""
    tool = Tool(
        function=Tool.Function(
            name="f",
            parameters=Tool.Function.Parameters(
                defs={"A": {"type": "string"}},
                properties={"a": {"type": "string", "minLength": 2, "default": None}},
            ),
        )
    )
    (sent,) = tools_to_wire([tool])
    assert sent == {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {
                "type": "object",
                "$defs": {"A": {"type": "string"}},
                "properties": {"a": {"type": "string", "minLength": 2, "default": None}},
            },
        },
    }


def test_a_pydantic_tool_is_sent_by_its_wire_names() -> None:
    """Such as one of another client's classes."""

    class Theirs(pydantic.BaseModel):
        kind: str = pydantic.Field(serialization_alias="type")
        nothing: int | None = None

    assert tools_to_wire([Theirs(kind="function")]) == [{"type": "function"}]


def test_functions_and_dicts_may_be_mixed() -> None:
    """In the order given."""
    sent = tools_to_wire((greet, {"type": "function"}))

    assert sent == [tool_from_function(greet), {"type": "function"}]


def test_no_tools_are_no_tools() -> None:
    """None and an empty list."""
    assert tools_to_wire(None) == tools_to_wire([]) == []


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([greet, "greet"], r"tools\[1\] must be a function, a dict or a Tool, not str"),
        ([None], r"tools\[0\] must be a function, a dict or a Tool, not NoneType"),
        ([greet, taking(complex)], r"tools\[1\]: tool: parameter 'it': complex has no"),
        ("greet", "tools must be a list of tools, not str"),
        ({"type": "function"}, "tools must be a list of tools, not dict"),
        (greet, r"tools must be a list of tools, not one function; write tools=\[...\]"),
        (7, "tools must be a list of tools, not int"),
    ],
)
def test_a_bad_entry_is_named_by_its_index(tools: Any, message: str) -> None:
    """Before anything is sent."""
    with pytest.raises(RequestError, match=message):
        tools_to_wire(tools)


def test_the_record_loses_nothing() -> None:
    """It says what the dict says; missing descriptions are "", as there."""

    def tool(a: Tree, b: Annotated[int, msgspec.Meta(ge=1)] = 2, c: int | None = None) -> None: ...

    expected = tool_from_function(tool)
    expected["function"]["description"] = ""
    for part in expected["function"]["parameters"]["properties"].values():
        part["description"] = ""
    assert to_wire(convert_function_to_tool(tool)) == expected


def test_the_record_dumps_as_in_the_ollama_package() -> None:
    """Absent fields are None, `required` too when there is nothing required."""

    def bare() -> None: ...

    def two(x: int, y: str) -> None:
        """Do it."""

    empty = {"type": "object", "defs": None, "items": None, "required": None, "properties": {}}
    assert convert_function_to_tool(bare).model_dump()["function"]["parameters"] == empty
    assert convert_function_to_tool(two).model_dump()["function"]["parameters"] == {
        "type": "object",
        "defs": None,
        "items": None,
        "required": ["x", "y"],
        "properties": {
            "x": {"type": "integer", "description": "", "enum": None, "items": None},
            "y": {"type": "string", "description": "", "enum": None, "items": None},
        },
    }
