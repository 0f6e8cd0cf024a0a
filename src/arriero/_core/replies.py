"""Error answers: from status and body to the class a caller can act on.

Source: Ollama v0.33.0-rc2, `server/routes.go`; bodies from proxies and the inference
engine come in more shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import msgspec

from arriero.errors import (
    AccessDenied,
    BadRequest,
    CapabilityError,
    ContextOverflow,
    ModelNotFound,
    NotFound,
    RateLimited,
    ServerBusy,
    ServerError,
    StatusError,
    StreamFailed,
)

_MAX_TEXT = 4096
"""Longest part of an error body that goes into a message: an HTML page helps nobody."""

_PASSING = frozenset({429, 502, 503, 504})
"""Statuses that pass by themselves: too many calls, a full queue, a server behind a proxy that
is just starting."""

_OVERFLOWS = (
    "exceeds the context length",
    "longer than the context length",
    "exceeds the available context size",
    "exceeds maximum context length",
)


def error_of_reply(status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
    """Make the error of an answer outside 200-299."""
    decoded = _decoded(body)
    text, engine_type = _text_of(decoded)
    cls = _class_of(status, text, engine_type)
    error = cls(text or _phrase(status), status)
    error.headers = dict(headers)
    error.body = decoded
    error.detail_type = engine_type
    error.retry_after_s = _retry_after_s(headers)
    error.retryable = status in _PASSING
    if isinstance(decoded, dict):
        url = cast("dict[str, Any]", decoded).get("signin_url")
        error.signin_url = url if isinstance(url, str) else None
    return error


def error_of_record(record: Mapping[str, Any]) -> StreamFailed | None:
    """Make the error a record inside a 200 answer carries; None if it carries none."""
    if not record.get("error"):
        return None
    text, engine_type = _text_of(record)
    error = StreamFailed(text)
    error.body = dict(record)
    error.detail_type = engine_type
    url = record.get("signin_url")
    error.signin_url = url if isinstance(url, str) else None
    return error


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")


def _text_of(body: object) -> tuple[str, str | None]:
    """Give the message and the engine's error type of a body in any of its shapes."""
    if isinstance(body, str):
        return _unwrapped(body.strip()[:_MAX_TEXT])
    if not isinstance(body, Mapping):
        return ("" if body is None else msgspec.json.encode(body).decode()[:_MAX_TEXT]), None
    mapping = cast("Mapping[str, Any]", body)
    error: Any = mapping.get("error", mapping.get("message", mapping.get("detail")))
    if isinstance(error, Mapping):
        inner = cast("Mapping[str, Any]", error)
        kind = inner.get("type")
        text = inner.get("message") or msgspec.json.encode(inner).decode()
        return str(text), kind if isinstance(kind, str) else None
    if isinstance(error, str):
        return _unwrapped(error)
    if error is None:
        return "", None
    return msgspec.json.encode(error).decode(), None


def _unwrapped(text: str) -> tuple[str, str | None]:
    """Take out the message of an engine's JSON that was handed on as text."""
    if text.startswith("{"):
        try:
            inner = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return text, None
        if isinstance(inner, dict) and "error" in inner:
            return _text_of(cast("dict[str, Any]", inner))
    return text, None


def _class_of(status: int, text: str, engine_type: str | None) -> type[StatusError]:
    if engine_type == "exceed_context_size_error" or (
        # /api/embeddings says the same with 500.
        status in (400, 500) and any(part in text for part in _OVERFLOWS)
    ):
        return ContextOverflow
    if status == 400:
        lacks = "does not support" in text and not text.startswith("raw mode")
        return CapabilityError if lacks else BadRequest
    if status in (401, 403):
        return AccessDenied
    if status == 404:
        return ModelNotFound if text.startswith("model ") and "not found" in text else NotFound
    if status == 429:
        return RateLimited
    if status == 503:
        return ServerBusy
    return ServerError if status >= 500 else StatusError


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status {status} without a text"


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` in seconds; its other form, a date, would need a clock."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isascii() and value.isdigit() else None
