"""What several of OpenAI's requests have in common: sampling, tool calls, pictures.

Source: Ollama v0.33.0-rc2, openai/openai.go.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from .. import gojson
from ..bodies import (
    Fields,
    Place,
    RequestRefused,
    read_anything,
    read_flag,
    read_float,
    read_integer,
    read_map,
    read_object,
    read_text,
)

_URLS = "image URLs are not currently supported, please use base64 encoded data instead"
_PICTURES = ("data:;base64,", *(
    f"data:image/{kind};base64," for kind in ("jpeg", "jpg", "png", "webp")
))  # fmt: skip
_EFFORTS: Mapping[str, bool | str] = {
    "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max",
    "ultra": "max", "max": "max", "none": False,
}  # fmt: skip

SAMPLING: Fields = {
    "model": ("model", read_text),
    "stream": ("stream", read_flag),
    "max_tokens": ("max_tokens", read_integer),
    "seed": ("seed", read_integer),
    "stop": ("stop", read_anything),
    "temperature": ("temperature", read_float),
    "top_p": ("top_p", read_float),
    "frequency_penalty": ("frequency_penalty", read_float),
    "presence_penalty": ("presence_penalty", read_float),
    "_debug_render_only": ("render_only", read_flag),
}

_OPTIONS = {
    "num_predict": "max_tokens",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


def read_stream_options(value: Any, place: Place) -> bool:
    """Read whether usage is wanted at the end of a stream."""
    raw = read_map(value, place, "openai.StreamOptions")
    found = read_object(raw, place, {"include_usage": ("include_usage", read_flag)})
    return bool(found.get("include_usage", False))


def options_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The server's options for OpenAI's parameters. Both defaults of 1 are OpenAI's."""
    options: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0}
    options |= {name: request[key] for name, key in _OPTIONS.items() if key in request}
    return options


def think_of(effort: str) -> bool | str | None:
    """What an effort means for reasoning; None if nothing was said.

    Raises:
        RequestRefused: there is no such effort.
    """
    if not effort:
        return None
    if effort not in _EFFORTS:
        names = [f'"{name}"' for name in _EFFORTS if name != "none"]
        text = f"invalid reasoning value: {json.dumps(effort, ensure_ascii=False)}"
        raise RequestRefused(f'{text} (must be {", ".join(names)}, or "none")')
    return _EFFORTS[effort]


def arguments_of(text: str) -> dict[str, Any]:
    """Decode the arguments of an earlier call. Raises `RequestRefused`."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RequestRefused("invalid tool call arguments") from error
    if not gojson.is_object(value):
        raise RequestRefused("invalid tool call arguments")
    return value


def arguments_text(call: Mapping[str, Any]) -> str:
    """Arguments of a call as the JSON text OpenAI wants."""
    return gojson.encode(call["function"]["arguments"]).decode()


def openai_calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Calls of a record in OpenAI's shape."""
    return [
        {
            "id": call.get("id", ""),
            "index": call["function"]["index"],
            "type": "function",
            "function": {"name": call["function"]["name"], "arguments": arguments_text(call)},
        }
        for call in message.get("tool_calls", ())
    ]


def picture_of(url: str) -> str:
    """The base64 text of a data URL. Raises `RequestRefused`."""
    if url.startswith(("http://", "https://")):
        raise RequestRefused(_URLS)
    for start in _PICTURES:
        if url.startswith(start) and is_base64(url[len(start) :]):
            return url[len(start) :]
    raise RequestRefused("invalid image input")


def is_base64(text: str) -> bool:
    """Whether a text is padded base64; line breaks do not count."""
    try:
        base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        return False
    return True


def usage_of(record: Mapping[str, Any]) -> dict[str, int]:
    """Tokens read and written."""
    prompt = int(record.get("prompt_eval_count", 0))
    written = int(record.get("eval_count", 0))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
    }
