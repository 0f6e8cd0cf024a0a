"""A type becomes a schema without loss, or is refused."""

from __future__ import annotations

import datetime
import json
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import annotated_types
import msgspec
import pydantic
import pytest
import typing_extensions

from arriero.errors import RequestError
from arriero.schema import tool_from_function

from .tooled import (
    Box,
    Chain,
    City,
    Level,
    Order,
    Pair,
    Person,
    Point,
    Tree,
    Unit,
    UserId,
    described,
    parameters,
    taking,
)

POINT = {
    "type": "object",
    "description": "A place.",
    "properties": {
        "x": {"type": "integer", "description": "East of the origin."},
        "y": {"type": "number", "description": "north of the origin", "default": 0.5},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["x"],
}


INT = {"type": "integer"}


UNIT = {"type": "string", "enum": ["celsius", "fahrenheit"]}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (object, {}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1, None], {"type": ["string", "integer", "null"], "enum": ["a", 1, None]}),
        (Unit, UNIT),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (list, {"type": "array", "items": {}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[str, Any], {"type": "object", "additionalProperties": {}}),
        (
            dict[Unit, int],
            {
                "type": "object",
                "properties": {
                    "celsius": {"type": "integer"},
                    "fahrenheit": {"type": "integer"},
                },
                "additionalProperties": False,
            },
        ),
        (Point, POINT),
        (list[Point], {"type": "array", "items": POINT}),
        (Point | None, {"anyOf": [POINT, {"type": "null"}]}),
        (
            Person,
            {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": [],
            },
        ),
        (
            Pair,
            {
                "type": "object",
                "properties": {
                    "left": {"type": "integer"},
                    "right": {"type": "string", "default": "r"},
                },
                "required": ["left"],
            },
        ),
        (
            Order,
            {
                "type": "object",
                "properties": {
                    "item": {"type": "string"},
                    "count": {"type": "integer", "default": 1},
                },
                "required": ["item"],
            },
        ),
        (
            Box[int],
            {
                "type": "object",
                "properties": {"content": {"type": "integer"}},
                "required": ["content"],
            },
        ),
        (UserId, {"type": "integer"}),
        (typing_extensions.TypeAliasType("Ids", list[UserId]), {"type": "array", "items": INT}),
        (TypeVar("Bound", bound=int), INT),
        (TypeVar("Either", int, str), {"anyOf": [INT, {"type": "string"}]}),
        (Box, {"type": "object", "properties": {"content": {}}, "required": ["content"]}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (datetime.time, {"type": "string", "format": "time"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (pathlib.Path, {"type": "string", "format": "path"}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (
            Annotated[int, msgspec.Meta(ge=1, description="how many")],
            {"type": "integer", "minimum": 1, "description": "how many"},
        ),
        (Annotated[int, annotated_types.Ge(1)], {"type": "integer", "minimum": 1}),
        (
            Annotated[int | None, msgspec.Meta(le=9)],
            {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}]},
        ),
        (
            Annotated[list[int], msgspec.Meta(min_length=1, max_length=3)],
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        ),
        (
            Annotated[int, pydantic.Field(ge=1, description="how many")],
            {"type": "integer", "minimum": 1, "description": "how many"},
        ),
        (
            Annotated[Order | None, pydantic.Field(description="what to bring")],
            {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "item": {"type": "string"},
                            "count": {"type": "integer", "default": 1},
                        },
                        "required": ["item"],
                    },
                    {"type": "null"},
                ],
                "description": "what to bring",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_a_type_is_said_in_full(annotation: Any, schema: dict[str, Any]) -> None:
    """Enums, items, defaults, unions, nesting and constraints all arrive; ollama 0.6.3 sends
    one word for each: "string", "array", "integer, string"."""
    assert described(annotation) == schema


def test_a_tuple_keeps_its_places_and_says_its_items() -> None:
    """The server drops `prefixItems`, so `items` says what it can."""
    assert described(tuple[int, str]) == {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    }


def test_references_of_pydantic_are_spelled_out() -> None:
    """The server drops `$ref`; ollama 0.6.3 sends "string" and a `$defs` nobody uses."""
    schema = described(City)

    assert "$ref" not in json.dumps(schema)
    assert schema["properties"]["unit"] == {**UNIT, "default": "celsius"}
    assert schema["properties"]["centre"]["anyOf"][0]["properties"]["x"]["type"] == "integer"
    assert schema["required"] == ["name"]


def test_a_recursive_type_keeps_references_where_the_server_does() -> None:
    """Inside `items` references survive, so `$defs` holds what they name."""
    made = parameters(taking(Tree))

    children = made["properties"]["it"]["properties"]["children"]
    assert children["items"] == {"$ref": "#/$defs/Tree"}
    assert made["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_a_type_that_contains_itself_outside_of_a_list_is_refused() -> None:
    """Its reference would be dropped on the way to the model."""
    with pytest.raises(RequestError, match=r"tool: Chain contains itself.*list\[Chain\]"):
        tool_from_function(taking(Chain))


def test_two_classes_of_one_name_stay_two() -> None:
    """Definitions go by class, not by name."""

    def other() -> type:
        @dataclass
        class Tree:
            leaves: list[Tree]

        return Tree

    inner = other()
    made = parameters(taking(tuple[Tree, inner]))

    assert set(made["$defs"]) == {"Tree", "Tree_2"}
    first, second = made["properties"]["it"]["prefixItems"]
    assert set(first["properties"]) == {"value", "children"}
    assert second["properties"]["leaves"]["items"] == {"$ref": "#/$defs/Tree_2"}


def test_a_discriminated_union_is_said_in_a_keyword_the_server_keeps() -> None:
    """pydantic writes `oneOf` and `const`, which the server drops."""

    class Cat(pydantic.BaseModel):
        kind: Literal["cat"]

    class Dog(pydantic.BaseModel):
        kind: Literal["dog"]

    schema = described(Annotated[Cat | Dog, pydantic.Field(discriminator="kind")])

    kinds = [member["properties"]["kind"] for member in schema["anyOf"]]
    assert kinds == [{"type": "string", "enum": ["cat"]}, {"type": "string", "enum": ["dog"]}]


def test_a_field_that_cannot_be_said_is_named() -> None:
    """The class and the field, not only the parameter."""

    @dataclass
    class Bad:
        it: complex

    with pytest.raises(RequestError, match=r"parameter 'it': field Bad.it: complex has no"):
        tool_from_function(taking(Bad))
