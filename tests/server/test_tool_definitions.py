"""Tool definitions: what of JSON Schema reaches the model."""

from __future__ import annotations

import json
from typing import Any

from arriero.server.requests import read_chat


def seen(tool: dict[str, Any]) -> dict[str, Any]:
    """The tool as the template gets it."""
    return dict(read_chat(json.dumps({"tools": [tool]}).encode()).tools[0])


def test_keys_come_in_ollamas_order() -> None:
    """The prompt of a model depends on the order, so it must not depend on the caller."""
    tool = {
        "function": {
            "parameters": {
                "properties": {"b": {"description": "B", "type": "string"}, "a": {}},
                "required": ["b"],
                "type": "object",
            },
            "description": "d",
            "name": "f",
        },
        "type": "function",
    }
    expected = (
        '{"type": "function", "function": {"name": "f", "description": "d", "parameters": '
        '{"type": "object", "required": ["b"], "properties": '
        '{"b": {"type": "string", "description": "B"}, "a": {}}}}}'
    )
    assert json.dumps(seen(tool)) == expected


def test_unknown_keywords_are_dropped_except_inside_items_and_enum() -> None:
    """Ollama's structs know some keywords; items, $defs and enum pass as they are."""
    tool = {
        "type": "function",
        "strict": True,
        "function": {
            "name": "f",
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "$defs": {"x": {"minimum": 1}},
                "properties": {
                    "n": {"type": "integer", "minimum": 1, "default": 2, "enum": [1, 2]},
                    "l": {"type": "array", "items": {"type": "string", "pattern": "a"}},
                },
            },
        },
    }
    parameters = seen(tool)["function"]["parameters"]

    assert parameters == {
        "type": "object",
        "$defs": {"x": {"minimum": 1}},
        "properties": {
            "n": {"type": "integer", "enum": [1, 2]},
            "l": {"type": "array", "items": {"type": "string", "pattern": "a"}},
        },
    }


def test_nested_properties_are_kept() -> None:
    """Objects inside objects keep what is known of them."""
    inner = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    tool = {"function": {"name": "f", "parameters": {"properties": {"o": {"anyOf": [inner]}}}}}

    found = seen(tool)["function"]["parameters"]["properties"]["o"]["anyOf"]
    assert found == [inner]


def test_a_list_of_one_type_becomes_that_type() -> None:
    """A union of one is none."""
    tool = {"function": {"parameters": {"properties": {
        "a": {"type": ["string"]}, "b": {"type": ["string", "null"]},
    }}}}  # fmt: skip
    found = seen(tool)["function"]["parameters"]["properties"]

    assert found == {"a": {"type": "string"}, "b": {"type": ["string", "null"]}}


def test_missing_parameters_are_filled_in() -> None:
    """A function without parameters is legal."""
    assert seen({"type": "function", "function": {"name": "f"}}) == {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "", "properties": None}},
    }
