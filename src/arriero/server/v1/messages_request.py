"""The body of ``POST /v1/messages``.

Source: Ollama v0.33.0-rc2, anthropic/anthropic.go FromMessagesRequest, convertMessage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import gojson
from ..bodies import (
    Fields,
    Place,
    RequestRefused,
    read_anything,
    read_body,
    read_flag,
    read_float,
    read_integer,
    read_list,
    read_map,
    read_object,
    read_text,
)
from ..tools import read_parameters
from .messages_blocks import blocks_size, own_messages, read_blocks

_OPTIONS = {
    "num_predict": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
}


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """A request, understood.

    Attributes:
        own: Body of the server's own chat request.
        stream: Whether the client wants events.
        searches: Whether it wants the server to search the web.
        estimated_tokens: About how long the prompt is.
    """

    own: Mapping[str, Any]
    stream: bool
    searches: bool
    estimated_tokens: int


def read_messages_request(body: bytes) -> MessagesRequest:
    """Read and translate a body. Raises `RequestRefused`."""
    request = read_body(body, "MessagesRequest", _MESSAGES, package="anthropic")
    if not request.get("model"):
        raise RequestRefused("model is required")
    if request.get("max_tokens", 0) <= 0:
        raise RequestRefused("max_tokens is required and must be positive")
    if not request.get("messages"):
        raise RequestRefused("messages is required")
    tools: Sequence[Mapping[str, Any]] = request.get("tools", ())
    own: dict[str, Any] = {
        "model": request["model"],
        "messages": [*_system(request.get("system")), *own_messages(request["messages"])],
        "options": {name: request[key] for name, key in _OPTIONS.items() if key in request},
        "stream": request.get("stream", False),
        "tools": [_own_tool(tool) for tool in tools],
        "think": _think(request),
    }
    searches = any(tool.get("type", "").startswith("web_search") for tool in tools)
    return MessagesRequest(own, own["stream"], searches, _estimated_tokens(request))


def _system(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str):
        text = given
    else:
        text = "".join(_text_of(block) for block in given) if gojson.is_list(given) else ""
    return [{"role": "system", "content": text}] if text else []


def _text_of(block: Any) -> str:
    if not gojson.is_object(block) or block.get("type") != "text":
        return ""
    text = block.get("text")
    return text if isinstance(text, str) else ""


def _own_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    name = tool.get("name", "")
    function = {"name": name, "description": tool.get("description", "")}
    schema = tool.get("input_schema")
    if schema is not None:
        place = Place("ToolFunctionParameters", "")
        try:
            if not gojson.is_object(schema):
                place.refuse(schema, "api.ToolFunctionParameters")
            read_parameters(schema, place)
        except RequestRefused as error:
            quoted = json.dumps(name, ensure_ascii=False)
            raise RequestRefused(f"invalid input_schema for tool {quoted}: {error}") from error
        function["parameters"] = schema
    return {"type": "function", "function": function}


def _think(request: Mapping[str, Any]) -> bool | str | None:
    kind = request.get("thinking", {}).get("type")
    if kind in ("enabled", "disabled"):
        return bool(kind == "enabled")
    effort: str = request.get("output_config", {}).get("effort", "").strip().lower()
    effort = {"xhigh": "high"}.get(effort, effort)
    return effort if effort in ("high", "medium", "low", "max") else None


def _estimated_tokens(request: Mapping[str, Any]) -> int:
    """A quarter of the letters, as Ollama guesses."""
    given = request.get("system")
    size = len(given.encode()) if isinstance(given, str) else 0
    if gojson.is_list(given):
        size += sum(len(_text_of(block).encode()) for block in given)
    for message in request["messages"]:
        size += len(message["role"].encode()) + blocks_size(message["content"])
    for tool in request.get("tools", ()):
        size += len(tool.get("name", "").encode()) + len(tool.get("description", "").encode())
        size += len(gojson.encode(tool["input_schema"])) if "input_schema" in tool else 0
    return max(1, size // 4)


def _messages(value: Any, place: Place) -> list[dict[str, Any]]:
    items = read_list(value, place, "[]anthropic.MessageParam")
    return [_message(item, place) for item in items]


def _message(value: Any, place: Place) -> dict[str, Any]:
    if value is None:
        raise RequestRefused("unexpected end of JSON input")
    struct = r'struct { Role string "json:\"role\""; Content json.RawMessage "json:\"content\"" }'
    found = read_object(read_map(value, place, struct), place, _MESSAGE)
    if "content" not in found:
        if not any(key.lower() == "content" for key in value):
            raise RequestRefused("unexpected end of JSON input")
        found["content"] = ""
    return {"role": "", **found, "content": read_blocks(found["content"], place)}


def _tools(value: Any, place: Place) -> list[dict[str, Any]]:
    items = read_list(value, place, "[]anthropic.Tool")
    return [read_object(read_map(item, place, "anthropic.Tool"), place, _TOOL) for item in items]


def _texts(value: Any, place: Place) -> list[str]:
    return [read_text(item, place) for item in read_list(value, place, "[]string")]


def _thinking(value: Any, place: Place) -> dict[str, Any]:
    return read_object(read_map(value, place, "anthropic.ThinkingConfig"), place, _THINKING)


def _choice(value: Any, place: Place) -> dict[str, Any]:
    return read_object(read_map(value, place, "anthropic.ToolChoice"), place, _CHOICE)


def _metadata(value: Any, place: Place) -> dict[str, Any]:
    raw = read_map(value, place, "anthropic.Metadata")
    return read_object(raw, place, {"user_id": ("user_id", read_text)})


def _output_config(value: Any, place: Place) -> dict[str, Any]:
    raw = read_map(value, place, "anthropic.OutputConfig")
    return read_object(raw, place, {"effort": ("effort", read_text)})


_MESSAGE: Fields = {"role": ("role", read_text), "content": ("content", read_anything)}

_TOOL: Fields = {
    "type": ("type", read_text),
    "name": ("name", read_text),
    "description": ("description", read_text),
    "input_schema": ("input_schema", read_anything),
    "max_uses": ("max_uses", read_integer),
}

_THINKING: Fields = {
    "type": ("type", read_text),
    "budget_tokens": ("budget_tokens", read_integer),
}

_CHOICE: Fields = {
    "type": ("type", read_text),
    "name": ("name", read_text),
    "disable_parallel_tool_use": ("disable_parallel_tool_use", read_flag),
}

_MESSAGES: Fields = {
    "model": ("model", read_text),
    "max_tokens": ("max_tokens", read_integer),
    "messages": ("messages", _messages),
    "system": ("system", read_anything),
    "stream": ("stream", read_flag),
    "temperature": ("temperature", read_float),
    "top_p": ("top_p", read_float),
    "top_k": ("top_k", read_integer),
    "stop_sequences": ("stop_sequences", _texts),
    "tools": ("tools", _tools),
    "tool_choice": ("tool_choice", _choice),
    "thinking": ("thinking", _thinking),
    "metadata": ("metadata", _metadata),
    "output_config": ("output_config", _output_config),
}
