"""Tool definitions and earlier tool calls of a chat request.

Ollama keeps the part of JSON Schema it knows and drops every other keyword before the model
sees it; so does this.

Source: Ollama v0.33.0-rc2, api/types.go Tool, ToolFunction, ToolProperty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bodies import (
    Fields,
    Place,
    RequestRefused,
    read_anything,
    read_integer,
    read_list,
    read_map,
    read_object,
    read_text,
)

BAD_ARGUMENTS = "Value looks like object, but can't find closing '}' symbol"
"""What Ollama says to arguments that are text instead of an object."""


def read_tools(value: Any, place: Place) -> list[dict[str, Any]]:
    """Read the tools on offer, as chat templates expect them.

    Raises:
        RequestRefused: something has the wrong type.
    """
    return [_tool(item, place) for item in read_list(value, place, "api.Tools")]


def read_calls(value: Any, place: Place) -> list[dict[str, Any]]:
    """Read the calls of an assistant message: `id`, `name`, `arguments` as an object.

    Raises:
        RequestRefused: something has the wrong type.
    """
    return [_call(item, place) for item in read_list(value, place, "[]api.ToolCall")]


def _call(value: Any, place: Place) -> dict[str, Any]:
    call = read_object(read_map(value, place, "api.ToolCall"), place, _CALL)
    function: dict[str, Any] = call.get("function", {})
    return {
        "id": call.get("id", ""),
        "name": function.get("name", ""),
        "arguments": function.get("arguments", {}),
    }


def _arguments(value: Any, place: Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestRefused(BAD_ARGUMENTS)
    return read_map(value, place)


def _call_function(value: Any, place: Place) -> dict[str, Any]:
    raw = read_map(value, place, "api.ToolCallFunction")
    return read_object(raw, place, _CALL_FUNCTION)


def _tool(value: Any, place: Place) -> dict[str, Any]:
    tool = read_object(read_map(value, place, "api.Tool"), place, _TOOL)
    return _in_order(tool, ("type", "items", "function"), {"type": "", "function": {}})


def _function(value: Any, place: Place) -> dict[str, Any]:
    raw = read_map(value, place, "api.ToolFunction")
    function = read_object(raw, place, _FUNCTION)
    empty = {"name": "", "parameters": {"type": "", "properties": None}}
    return _in_order(function, ("name", "description", "parameters"), empty)


def read_parameters(value: Any, place: Place) -> dict[str, Any]:
    """Read the schema of a tool's arguments.

    Raises:
        RequestRefused: something has the wrong type.
    """
    # Go names the innermost type here because this type decodes itself.
    inner = Place("ToolFunctionParameters", place.path)
    parameters = read_object(
        read_map(value, place, "api.ToolFunctionParameters"), inner, _PARAMETERS
    )
    order = ("type", "$defs", "items", "required", "properties")
    return _in_order(parameters, order, {"type": "", "properties": None})


def _properties(value: Any, place: Place) -> dict[str, Any]:
    raw = read_map(value, place)
    return {name: _property(item, place) for name, item in raw.items()}


def _property(value: Any, place: Place) -> dict[str, Any]:
    found = read_object(read_map(value, place, "api.ToolProperty"), place, _PROPERTY)
    order = ("anyOf", "type", "items", "description", "enum", "properties", "required")
    return _in_order(found, order, {})


def _any_of(value: Any, place: Place) -> list[dict[str, Any]]:
    return [_property(item, place) for item in read_list(value, place, "[]api.ToolProperty")]


def _types(value: Any, place: Place) -> str | list[str]:
    if isinstance(value, str):
        return value
    types = [read_text(item, place) for item in read_list(value, place, "api.PropertyType")]
    return types[0] if len(types) == 1 else types


def _texts(value: Any, place: Place) -> list[str]:
    return [read_text(item, place) for item in read_list(value, place, "[]string")]


def _values(value: Any, place: Place) -> list[Any]:
    return read_list(value, place, "[]interface {}")


def _in_order(
    found: Mapping[str, Any], order: tuple[str, ...], always: Mapping[str, Any]
) -> dict[str, Any]:
    """Put keys in the order of Ollama's structs; leave out what is absent or empty."""
    result: dict[str, Any] = {}
    for key in order:
        value = found.get(key)
        if value or key in always:
            result[key] = value if value else always[key]
    return result


_CALL_FUNCTION: Fields = {
    "index": ("index", read_integer),
    "name": ("name", read_text),
    "arguments": ("arguments", _arguments),
}

_CALL: Fields = {"id": ("id", read_text), "function": ("function", _call_function)}

_PROPERTY: Fields = {
    "anyOf": ("anyOf", _any_of),
    "type": ("type", _types),
    "items": ("items", read_anything),
    "description": ("description", read_text),
    "enum": ("enum", _values),
    "properties": ("properties", _properties),
    "required": ("required", _texts),
}

_PARAMETERS: Fields = {
    "type": ("type", read_text),
    "$defs": ("$defs", read_anything),
    "items": ("items", read_anything),
    "required": ("required", _texts),
    "properties": ("properties", _properties),
}

_FUNCTION: Fields = {
    "name": ("name", read_text),
    "description": ("description", read_text),
    "parameters": ("parameters", read_parameters),
}

_TOOL: Fields = {
    "type": ("type", read_text),
    "items": ("items", read_anything),
    "function": ("function", _function),
}
