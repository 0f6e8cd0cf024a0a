"""Messages of ``POST /v1/chat/completions``: text, parts, calls and their results.

Source: Ollama v0.33.0-rc2, openai/openai.go FromChatRequest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import gojson
from ..bodies import (
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
from .facade import go_type
from .openai_requests import arguments_of, is_base64, picture_of

_BAD_MESSAGE = "invalid message format"


def read_messages(value: Any, place: Place) -> list[dict[str, Any]]:
    """Read the messages as they are, types checked."""
    return [_message(item, place) for item in read_list(value, place, "[]openai.Message")]


def own_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages of the server's own chat request. Raises `RequestRefused`."""
    return [own for message in messages for own in _own(message, messages)]


def _own(message: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    content = message.get("content")
    role = message.get("role", "")
    extra: dict[str, Any] = {
        "tool_calls": [_own_call(call) for call in message.get("tool_calls", ())],
        "thinking": message.get("reasoning", ""),
        "tool_call_id": message.get("tool_call_id", ""),
    }
    if role.lower() == "tool":
        extra["tool_name"] = message.get("name") or _called_name(extra["tool_call_id"], messages)
    if isinstance(content, str):
        return [{"role": role, "content": content} | extra]
    if gojson.is_list(content):
        parts = [{"role": role} | _part(part) for part in content]
        if not parts and "tool_calls" in message:
            parts = [{"role": role}]
        if parts:
            # A part has no place for calls, nor for what a result belongs to.
            parts[-1] |= extra
        return parts
    if "tool_calls" not in message:
        raise RequestRefused(f"invalid message content type: {go_type(content)}")
    return [{"role": role} | extra]


def _part(part: Any) -> dict[str, Any]:
    if not gojson.is_object(part):
        raise RequestRefused(_BAD_MESSAGE)
    kind = part.get("type")
    if kind == "text":
        return {"content": _text(part.get("text"))}
    if kind == "image_url":
        place = part.get("image_url")
        url = place.get("url") if gojson.is_object(place) else place
        return {"content": "", "images": [picture_of(_text(url))]}
    if kind == "input_audio":
        sound = part.get("input_audio")
        data = _text(sound.get("data") if gojson.is_object(sound) else None)
        if not is_base64(data):
            raise RequestRefused(_BAD_MESSAGE)
        return {"content": "", "images": [data]}
    raise RequestRefused(_BAD_MESSAGE)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RequestRefused(_BAD_MESSAGE)
    return value


def _called_name(call_id: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """The function of an earlier call; of two with the same id the later one."""
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    for call in reversed(calls):
        if call_id and call.get("id") == call_id:
            return str(call.get("function", {}).get("name", ""))
    return ""


def _own_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function: Mapping[str, Any] = call.get("function", {})
    arguments = arguments_of(function.get("arguments", ""))
    return {
        "id": call.get("id", ""),
        "function": {"name": function.get("name", ""), "arguments": arguments},
    }


def _message(value: Any, place: Place) -> dict[str, Any]:
    raw = {} if value is None else read_map(value, place, "openai.Message")
    return read_object(raw, place, _MESSAGE)


def _calls(value: Any, place: Place) -> list[dict[str, Any]]:
    return [_call(item, place) for item in read_list(value, place, "[]openai.ToolCall")]


def _call(value: Any, place: Place) -> dict[str, Any]:
    raw = {} if value is None else read_map(value, place, "openai.ToolCall")
    return read_object(raw, place, _CALL)


def _function(value: Any, place: Place) -> dict[str, Any]:
    struct = r'struct { Name string "json:\"name\""; Arguments string "json:\"arguments\"" }'
    return read_object(read_map(value, place, struct), place, _FUNCTION)


_FUNCTION: Fields = {"name": ("name", read_text), "arguments": ("arguments", read_text)}

_CALL: Fields = {
    "id": ("id", read_text),
    "index": ("index", read_integer),
    "type": ("type", read_text),
    "function": ("function", _function),
}

_MESSAGE: Fields = {
    "role": ("role", read_text),
    "content": ("content", read_anything),
    "reasoning": ("reasoning", read_text),
    "tool_calls": ("tool_calls", _calls),
    "name": ("name", read_text),
    "tool_call_id": ("tool_call_id", read_text),
}
