"""Content blocks of ``POST /v1/messages``, and the chat messages they stand for.

Source: Ollama v0.33.0-rc2, anthropic/anthropic.go ContentBlock, convertMessage.
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
    read_flag,
    read_list,
    read_map,
    read_object,
    read_text,
)
from ..tools import BAD_ARGUMENTS
from .openai_requests import is_base64

_COUNTED_WHOLE = ("tool_use", "tool_result")


def read_blocks(value: Any, place: Place) -> list[dict[str, Any]]:
    """Read the content of a message; a text becomes one block. Raises `RequestRefused`."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    items = read_list(value, place, "[]anthropic.ContentBlock")
    return [_block(item, place) for item in items]


def own_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages of the server's own chat request. Raises `RequestRefused`."""
    return [own for message in messages for own in _own(message)]


def blocks_size(blocks: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of text in blocks."""
    size = 0
    for block in blocks:
        size += len(block.get("text", "").encode()) + len(block.get("thinking", "").encode())
        if block.get("type") in _COUNTED_WHOLE:
            size += len(gojson.encode(block))
    return size


def _own(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    role = message["role"].lower()
    own: dict[str, Any] = {"role": role, "content": ""}
    results: list[dict[str, Any]] = []
    for block in message["content"]:
        kind = block.get("type", "")
        if kind == "text":
            own["content"] += block.get("text", "")
        elif kind == "image":
            own.setdefault("images", []).append(_picture(block.get("source")))
        elif kind in ("tool_use", "server_tool_use"):
            own.setdefault("tool_calls", []).append(_call(block, strict=kind == "tool_use"))
        elif kind in ("tool_result", "web_search_tool_result"):
            result = {"role": "tool", "tool_call_id": block.get("tool_use_id", "")}
            results.append(result | _result(block.get("content")))
        elif kind == "thinking":
            own["thinking"] = block.get("thinking", "")
    said = [own] if own["content"] or len(own) > 2 else []
    # What a user says comes after the results it is sent with.
    return [*results, *said] if role == "user" else [*said, *results]


def _call(block: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    for key in ("id", "name"):
        if strict and not block.get(key):
            raise RequestRefused(f"tool_use block missing required '{key}' field")
    function = {"name": block.get("name", ""), "arguments": block.get("input", {})}
    return {"id": block.get("id", ""), "function": function}


def _result(content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        return {"content": content}
    texts: list[str] = []
    images: list[str] = []
    for item in content if gojson.is_list(content) else ():
        if not gojson.is_object(item):
            continue
        if item.get("type") == "text" and isinstance(item.get("text"), str):
            texts.append(item["text"])
        elif item.get("type") == "web_search_result":
            texts.append(f"- {item.get('title', '')}: {item.get('url', '')}\n")
        elif item.get("type") == "image":
            source = item.get("source")
            if not gojson.is_object(source):
                raise RequestRefused("invalid tool_result image source")
            known = {key: text for key, text in source.items() if isinstance(text, str)}
            images.append(_picture(known))
    return {"content": "".join(texts), "images": images}


def _picture(source: Mapping[str, Any] | None) -> str:
    if source is None:
        raise RequestRefused("invalid image source")
    kind = source.get("type", "")
    if kind != "base64":
        text = f"invalid image source type: {kind}. Only base64 images are supported."
        raise RequestRefused(text)
    data: str = source.get("data", "")
    if not is_base64(data):
        raise RequestRefused("invalid base64 image data: illegal base64 data")
    return data


def _block(value: Any, place: Place) -> dict[str, Any]:
    raw = {} if value is None else read_map(value, place, "anthropic.ContentBlock")
    return read_object(raw, Place("ContentBlock", place.path), _BLOCK)


def _source(value: Any, place: Place) -> dict[str, Any]:
    return read_object(read_map(value, place, "anthropic.ImageSource"), place, _SOURCE)


def _input(value: Any, place: Place) -> dict[str, Any]:
    if not gojson.is_object(value):
        raise RequestRefused(BAD_ARGUMENTS)
    return value


def _citations(value: Any, place: Place) -> list[Any]:
    return read_list(value, place, "[]anthropic.Citation")


_SOURCE: Fields = {key: (key, read_text) for key in ("type", "media_type", "data", "url")}

_BLOCK: Fields = {
    **{
        key: (key, read_text)
        for key in ("type", "text", "id", "name", "tool_use_id", "thinking", "signature")
    },
    "citations": ("citations", _citations),
    "source": ("source", _source),
    "input": ("input", _input),
    "content": ("content", read_anything),
    "is_error": ("is_error", read_flag),
}
