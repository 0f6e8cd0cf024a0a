"""Input of ``POST /v1/responses``: a text, or messages, calls, results and reasoning.

Source: Ollama v0.33.0-rc2, openai/responses.go ResponsesInput, FromResponsesRequest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .. import gojson
from ..bodies import Fields, Place, RequestRefused, read_list, read_object, read_text
from .openai_requests import arguments_of, picture_of

_RAW_LIST = "[]json.RawMessage"
_TYPE_ONLY = r'struct { Type string "json:\"type\"" }'
_ITEM_HEAD = r'struct { Type string "json:\"type\""; Role string "json:\"role\"" }'


def read_input(value: Any, place: Place) -> str | list[dict[str, Any]]:
    """Read a text or a list of items, types checked. Raises `RequestRefused`."""
    if isinstance(value, str):
        return value
    items = _listed(value, "input must be a string or array")
    return [_within(f"input[{at}]", _item, item) for at, item in enumerate(items)]


def own_messages(given: str | Sequence[Mapping[str, Any]], system: str) -> list[dict[str, Any]]:
    """Messages of the server's own chat request. Raises `RequestRefused`."""
    messages: list[dict[str, Any]] = []
    if system:
        messages.append({"role": "system", "content": system})
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}] if given else messages
    # Reasoning comes before the message or the call it belongs to.
    thinking = ""
    for item in given:
        kind = item["type"]
        if kind == "reasoning":
            thinking = item.get("encrypted_content", "")
            continue
        if kind == "function_call":
            _add_call(messages, item)
        elif kind == "function_call_output":
            result = {"role": "tool", "tool_call_id": item.get("call_id", "")}
            messages.append(result | _content(item.get("output", ())))
        else:
            messages.append({"role": item.get("role", "")} | _content(item.get("content", ())))
        if thinking and messages[-1]["role"] == "assistant":
            messages[-1]["thinking"], thinking = thinking, ""
    if thinking:
        messages.append({"role": "assistant", "thinking": thinking})
    return messages


def _add_call(messages: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    """Calls follow the text of their message, or each other, as one message."""
    arguments = item.get("arguments", "")
    function = {"name": item.get("name", ""), "arguments": arguments_of(arguments or "{}")}
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant"})
    call = {"id": item.get("call_id", ""), "function": function}
    messages[-1].setdefault("tool_calls", []).append(call)


def _content(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    texts: list[str] = []
    images: list[str] = []
    for part in parts:
        if part["type"] == "input_file":
            raise RequestRefused("file inputs are not currently supported")
        if part["type"] == "input_image":
            if url := part.get("image_url"):
                images.append(picture_of(url))
        else:
            texts.append(part.get("text", ""))
    return {"content": "".join(texts), "images": images}


def _item(value: Any) -> dict[str, Any]:
    raw = _object(value, _ITEM_HEAD)
    head = read_object(raw, Place("", ""), _HEAD)
    kind = head.get("type", "") or ("message" if head.get("role") else "")
    if not kind:
        raise RequestRefused("input item missing required 'type' field")
    if kind not in _ITEMS:
        raise RequestRefused(f"unknown input item type: {json.dumps(kind, ensure_ascii=False)}")
    struct, fields = _ITEMS[kind]
    return read_object(raw, Place(struct, ""), fields) | {"type": kind}


def _content_of(value: Any, place: Place) -> list[dict[str, Any]]:
    return _parts(value, "content")


def _output_of(value: Any, place: Place) -> list[dict[str, Any]]:
    return _parts(value, "output")


def _parts(value: Any, name: str) -> list[dict[str, Any]]:
    if isinstance(value, str):
        return [{"type": "input_text", "text": value}]
    items = _listed(value, f"{name} must be a string or array")
    return [_within(f"{name}[{at}]", _part, item) for at, item in enumerate(items)]


def _part(value: Any) -> dict[str, Any]:
    raw = _object(value, _TYPE_ONLY)
    kind = read_object(raw, Place("", ""), {"type": ("type", read_text)}).get("type", "")
    if kind not in _PARTS:
        raise RequestRefused(f"unknown content type: {kind}")
    struct, fields = _PARTS[kind]
    return read_object(raw, Place(struct, ""), fields) | {"type": kind}


def _summaries(value: Any, place: Place) -> list[Any]:
    return read_list(value, place, "[]openai.ResponsesReasoningSummary")


def _object(value: Any, struct: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not gojson.is_object(value):
        raise RequestRefused(_not_a(value, struct))
    return value


def _listed(value: Any, complaint: str) -> list[Any]:
    if not gojson.is_list(value):
        raise RequestRefused(f"{complaint}: {_not_a(value, _RAW_LIST)}")
    return value


def _not_a(value: Any, go_type: str) -> str:
    kinds = ((bool, "bool"), (str, "string"), ((int, float), "number"), (list, "array"))
    kind = next((name for one, name in kinds if isinstance(value, one)), "object")
    return f"json: cannot unmarshal {kind} into Go value of type {go_type}"


def _within(where: str, read: Any, value: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read(value)
    except RequestRefused as error:
        raise RequestRefused(f"{where}: {error}") from error
    return found


_HEAD: Fields = {"type": ("type", read_text), "role": ("role", read_text)}

_TEXT_PART: Fields = {"text": ("text", read_text)}

_PARTS: Mapping[str, tuple[str, Fields]] = {
    "input_text": ("ResponsesTextContent", _TEXT_PART),
    "output_text": ("ResponsesOutputTextContent", _TEXT_PART),
    "input_image": (
        "ResponsesImageContent",
        {key: (key, read_text) for key in ("detail", "file_id", "image_url")},
    ),
    "input_file": (
        "ResponsesFileContent",
        {key: (key, read_text) for key in ("file_data", "file_id", "file_url", "filename")},
    ),
}

_ITEMS: Mapping[str, tuple[str, Fields]] = {
    "message": ("", {**_HEAD, "content": ("content", _content_of)}),
    "function_call": (
        "ResponsesFunctionCall",
        {key: (key, read_text) for key in ("id", "call_id", "name", "arguments")},
    ),
    "function_call_output": (
        "",
        {"call_id": ("call_id", read_text), "output": ("output", _output_of)},
    ),
    "reasoning": (
        "ResponsesReasoningInput",
        {
            "id": ("id", read_text),
            "summary": ("summary", _summaries),
            "encrypted_content": ("encrypted_content", read_text),
        },
    ),
}
