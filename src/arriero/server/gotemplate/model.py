"""Messages and tools as templates see them.

Two things differ from Ollama on purpose: there ``{{ .Function }}`` and
``{{ .Function.Parameters }}`` of a tool print as Go structs since 0.14, a reported fault that
leaves models without a schema. Here they print as JSON, as before and as the templates mean it.

Source: Ollama v0.33.0-rc2, template/template.go and api/types.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .formatting import sprint
from .marshal import marshal
from .turns import ToolCall, Turn
from .values import Struct, TypedList, TypedMap, go_value, is_list, is_map

_TYPE_SCRIPT = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "any[]",
    "object": "Record<string, any>",
    "null": "null",
}

_OMITTED = True
_ALWAYS = False


class _JsonStruct(Struct):
    """A struct that prints as JSON."""

    def go_text(self) -> str:
        return marshal(self)


class _JsonMap(TypedMap):
    """A map that prints as JSON."""

    def go_text(self) -> str:
        return marshal(self) if self else "{}"


class Arguments(_JsonMap):
    """Arguments of a call."""

    go_type = "template.templateArgs"


class Properties(_JsonMap):
    """Arguments a tool takes, by name."""

    go_type = "template.templateProperties"

    def missing(self) -> object:
        """Give a property that says nothing."""
        return _property({})


class InnerProperties(Properties):
    """Properties of a property; JSON keeps their order."""

    go_type = "*api.ToolPropertiesMap"
    keeps_order = True


class PropertyType(TypedList):
    """Names of the types a property may have."""

    go_type = "api.PropertyType"
    single_is_bare = True

    def go_text(self) -> str:
        """Give the one name, or all in brackets."""
        if len(self) == 1:
            return str(self[0])
        return sprint([list(self)], 1_000_000) if self else ""


class Property(Struct):
    """One argument a tool takes."""

    go_type = "api.ToolProperty"
    json_names = {  # noqa: RUF012 -- never changed
        "AnyOf": ("anyOf", _OMITTED),
        "Type": ("type", _OMITTED),
        "Items": ("items", _OMITTED),
        "Description": ("description", _OMITTED),
        "Enum": ("enum", _OMITTED),
        "Properties": ("properties", _OMITTED),
        "Required": ("required", _OMITTED),
    }

    def type_script_type(self) -> str:
        """Name the type in TypeScript."""
        any_of, types = self.fields["AnyOf"], self.fields["Type"]
        if is_list(any_of) and any_of:
            names = [one.type_script_type() for one in any_of if isinstance(one, Property)]
        elif is_list(types) and types:
            names = [_TYPE_SCRIPT.get(str(one), "any") for one in types]
        else:
            names = ["any"]
        return " | ".join(names)


class Parameters(_JsonStruct):
    """What a tool takes."""

    go_type = "template.templateToolFunctionParameters"
    json_names = {  # noqa: RUF012 -- never changed
        "Type": ("type", _ALWAYS),
        "Defs": ("$defs", _OMITTED),
        "Items": ("items", _OMITTED),
        "Required": ("required", _OMITTED),
        "Properties": ("properties", _ALWAYS),
    }


class ToolFunction(_JsonStruct):
    """The function of a tool."""

    go_type = "template.templateToolFunction"
    json_names = {  # noqa: RUF012 -- never changed
        "Name": ("name", _ALWAYS),
        "Description": ("description", _ALWAYS),
        "Parameters": ("parameters", _ALWAYS),
    }


class Tool(_JsonStruct):
    """A tool."""

    go_type = "template.templateTool"
    json_names = {  # noqa: RUF012 -- never changed
        "Type": ("type", _ALWAYS),
        "Items": ("items", _OMITTED),
        "Function": ("function", _ALWAYS),
    }


class Tools(TypedList):
    """All tools on offer."""

    go_type = "template.templateTools"

    def go_text(self) -> str:
        """Give them as JSON."""
        return marshal(self)


class CalledFunction(Struct):
    """The function a model called."""

    go_type = "template.templateToolCallFunction"


class Call(Struct):
    """A call a model made."""

    go_type = "template.templateToolCall"


class Calls(TypedList):
    """The calls of a message."""

    go_type = "[]template.templateToolCall"


class Message(Struct):
    """A message."""

    go_type = "*template.templateMessage"


class Messages(TypedList):
    """A conversation."""

    go_type = "[]*template.templateMessage"


class Texts(TypedList):
    """Texts."""

    go_type = "[]string"


class Images(TypedList):
    """Pictures of a message."""

    go_type = "[]api.ImageData"


class _AnyOf(TypedList):
    go_type = "[]api.ToolProperty"


def go_messages(turns: Sequence[Turn]) -> Messages:
    """Give a conversation as templates see it."""
    return Messages([_message(turn) for turn in turns])


def _message(turn: Turn) -> Message:
    return Message(
        {
            "Role": turn.role,
            "Content": turn.content,
            "Thinking": turn.thinking,
            "Images": Images(turn.images or None),
            "ToolCalls": Calls([_call(call) for call in turn.tool_calls] or None),
            "ToolName": turn.tool_name,
            "ToolCallID": turn.tool_call_id,
        }
    )


def _call(call: ToolCall) -> Call:
    arguments = _map(go_value(call.arguments))
    function = {"Index": call.index, "Name": call.name, "Arguments": Arguments(arguments)}
    return Call({"ID": call.id, "Function": CalledFunction(function)})


def go_tools(tools: Sequence[Mapping[str, object]]) -> Tools:
    """Give tool definitions of a chat request as templates see them."""
    return Tools([_tool(tool) for tool in tools] or None)


def _tool(tool: Mapping[str, object]) -> Tool:
    function = _map(tool.get("function")) or {}
    parameters = _map(function.get("parameters")) or {}
    return Tool(
        {
            "Type": _text(tool, "type"),
            "Items": go_value(tool.get("items")),
            "Function": ToolFunction(
                {
                    "Name": _text(function, "name"),
                    "Description": _text(function, "description"),
                    "Parameters": _parameters(parameters),
                }
            ),
        }
    )


def _parameters(parameters: Mapping[str, object]) -> Parameters:
    return Parameters(
        {
            "Type": _text(parameters, "type"),
            "Defs": go_value(parameters.get("$defs")),
            "Items": go_value(parameters.get("items")),
            "Required": Texts(_list(parameters.get("required"))),
            "Properties": Properties(_properties(parameters.get("properties"))),
        }
    )


def _properties(value: object) -> dict[str, object] | None:
    if not is_map(value):
        return None
    return {name: _property(_map(one) or {}) for name, one in value.items()}


def _property(value: Mapping[str, object]) -> Property:
    any_of = _list(value.get("anyOf"))
    inner = _properties(value.get("properties"))
    types = value.get("type")
    return Property(
        {
            "AnyOf": _AnyOf(any_of and [_property(_map(one) or {}) for one in any_of]),
            "Type": PropertyType([types] if isinstance(types, str) else _list(types)),
            "Items": go_value(value.get("items")),
            "Description": _text(value, "description"),
            "Enum": TypedList(_list(go_value(value.get("enum")))),
            "Properties": None if inner is None else InnerProperties(inner),
            "Required": Texts(_list(value.get("required"))),
        }
    )


def _text(value: Mapping[str, object], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _map(value: object) -> dict[str, object] | None:
    """A mapping, or None for anything else."""
    return dict(value) if is_map(value) else None


def _list(value: object) -> list[object] | None:
    return list(value) if is_list(value) else None
