"""Read request bodies into typed requests; what is wrong is said in Ollama's words.

Source: Ollama v0.33.0-rc2, api/types.go; Go's encoding/json for the texts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .bodies import (
    Fields,
    Place,
    RequestRefused,
    read_anything,
    read_body,
    read_flag,
    read_integer,
    read_integers,
    read_list,
    read_map,
    read_object,
    read_text,
)
from .durations import parse_keep_alive
from .tools import read_calls, read_tools

Think: TypeAlias = bool | str | None
"""True, False, a level, or None for the model's default."""

_LEVELS = ("high", "medium", "low", "max")
_BASE64 = re.compile(r"[A-Za-z0-9+/]")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat.

    Attributes:
        thinking: Earlier reasoning; templates inside GGUF files do not get it, nor do they
            from Ollama.
    """

    role: str
    content: str = ""
    thinking: str = ""
    images: Sequence[str] = ()
    tool_calls: Sequence[Mapping[str, Any]] = ()
    tool_name: str = ""
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Body of ``POST /api/generate``."""

    model: str = ""
    prompt: str = ""
    suffix: str = ""
    system: str = ""
    template: str = ""
    context: Sequence[int] = ()
    stream: bool = True
    raw: bool = False
    format: Any = None
    keep_alive_s: float | None = None
    images: Sequence[str] = ()
    options: Mapping[str, Any] | None = None
    think: Think = None
    truncate: bool = True
    shift: bool = True
    logprobs: bool = False
    top_logprobs: int = 0
    render_only: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Body of ``POST /api/chat``."""

    model: str = ""
    messages: Sequence[Message] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    stream: bool = True
    format: Any = None
    keep_alive_s: float | None = None
    options: Mapping[str, Any] | None = None
    think: Think = None
    truncate: bool = True
    shift: bool = True
    logprobs: bool = False
    top_logprobs: int = 0
    render_only: bool = False


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Body of ``POST /api/embed``; `input` is unchecked."""

    model: str = ""
    input: Any = None
    truncate: bool = True
    dimensions: int = 0
    keep_alive_s: float | None = None
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """Body of ``POST /api/embeddings``."""

    model: str = ""
    prompt: str = ""
    keep_alive_s: float | None = None
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """Body of ``POST /api/show``; the old key `name` has become `model`."""

    model: str = ""
    verbose: bool = False
    system: str = ""
    options: Mapping[str, Any] | None = None


def read_generate(body: bytes) -> GenerateRequest:
    """Read the body of a generate request. Raises `RequestRefused`."""
    return GenerateRequest(**read_body(body, "GenerateRequest", _GENERATE))


def read_chat(body: bytes) -> ChatRequest:
    """Read the body of a chat request. Raises `RequestRefused`."""
    return ChatRequest(**read_body(body, "ChatRequest", _CHAT))


def read_embed(body: bytes) -> EmbedRequest:
    """Read the body of an embed request. Raises `RequestRefused`."""
    return EmbedRequest(**read_body(body, "EmbedRequest", _EMBED))


def read_embeddings(body: bytes) -> EmbeddingsRequest:
    """Read the body of an embeddings request. Raises `RequestRefused`."""
    return EmbeddingsRequest(**read_body(body, "EmbeddingRequest", _EMBEDDINGS))


def read_show(body: bytes) -> ShowRequest:
    """Read the body of a show request. Raises `RequestRefused`."""
    fields = read_body(body, "ShowRequest", _SHOW)
    name = fields.pop("name", "")
    # Accepted by Ollama, and ignored.
    fields.pop("template", None)
    return ShowRequest(**{**fields, "model": fields.get("model") or name})


def _keep_alive(value: Any, place: Place) -> float | None:
    return parse_keep_alive(value)


def _think(value: Any, place: Place) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise RequestRefused(
            'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'
        )
    if value not in _LEVELS:
        raise RequestRefused(
            f'invalid think value: "{value}" '
            '(must be "high", "medium", "low", "max", true, or false)'
        )
    return value


def _images(value: Any, place: Place) -> list[str]:
    return [_image(item, place) for item in read_list(value, place, "[]api.ImageData")]


def _image(value: Any, place: Place) -> str:
    text = read_text(value, place).replace("\r", "").replace("\n", "")
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        raise RequestRefused(f"illegal base64 data at input byte {_bad_base64(text)}") from None
    return text


def _bad_base64(text: str) -> int:
    for at, sign in enumerate(text):
        if not _BASE64.match(sign) and text[at:].strip("="):
            return at
    return len(text) // 4 * 4 if len(text) % 4 else len(text.rstrip("="))


def _messages(value: Any, place: Place) -> list[Message]:
    return [_message(item, place) for item in read_list(value, place, "[]api.Message")]


def _message(value: Any, place: Place) -> Message:
    raw = {} if value is None else read_map(value, place, "api.Message")
    fields = read_object(raw, place, _MESSAGE)
    fields["role"] = fields.get("role", "").lower()
    return Message(**fields)


_SHARED: Fields = {
    "model": ("model", read_text),
    "keep_alive": ("keep_alive_s", _keep_alive),
    "options": ("options", read_map),
}

_INFERENCE: Fields = {
    **_SHARED,
    "stream": ("stream", read_flag),
    "format": ("format", read_anything),
    "think": ("think", _think),
    "truncate": ("truncate", read_flag),
    "shift": ("shift", read_flag),
    "logprobs": ("logprobs", read_flag),
    "top_logprobs": ("top_logprobs", read_integer),
    "_debug_render_only": ("render_only", read_flag),
}

_GENERATE: Fields = {
    **_INFERENCE,
    "prompt": ("prompt", read_text),
    "suffix": ("suffix", read_text),
    "system": ("system", read_text),
    "template": ("template", read_text),
    "context": ("context", read_integers),
    "raw": ("raw", read_flag),
    "images": ("images", _images),
}

_CHAT: Fields = {**_INFERENCE, "messages": ("messages", _messages), "tools": ("tools", read_tools)}

_MESSAGE: Fields = {
    "role": ("role", read_text),
    "content": ("content", read_text),
    "thinking": ("thinking", read_text),
    "images": ("images", _images),
    "tool_calls": ("tool_calls", read_calls),
    "tool_name": ("tool_name", read_text),
    "tool_call_id": ("tool_call_id", read_text),
}

_EMBED: Fields = {
    **_SHARED,
    "input": ("input", read_anything),
    "truncate": ("truncate", read_flag),
    "dimensions": ("dimensions", read_integer),
}

_EMBEDDINGS: Fields = {**_SHARED, "prompt": ("prompt", read_text)}

_SHOW: Fields = {
    "model": ("model", read_text),
    "name": ("name", read_text),
    "verbose": ("verbose", read_flag),
    "system": ("system", read_text),
    "template": ("template", read_text),
    "options": ("options", read_map),
}
