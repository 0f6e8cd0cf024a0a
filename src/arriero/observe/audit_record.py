"""From the end of a call to its record in the audit log."""

from __future__ import annotations

import os
from typing import Any, Literal, TypeAlias, cast

import msgspec

from arriero._core.events import CallEnded
from arriero.errors import ArrieroError, DeadlineExceeded, PolicyError
from arriero.observe.chain import digest, written_at

Content: TypeAlias = Literal["none", "hashed", "full"]

_SETTINGS = frozenset(
    {
        "stream",
        "options",
        "keep_alive",
        "think",
        "raw",
        "truncate",
        "dimensions",
        "logprobs",
        "top_logprobs",
        "source",
        "destination",
        "name",
        "insecure",
        "quantize",
        "from",
    }
)
"""Fields of requests that say how, not what. Every other one counts as content."""

_IMAGES = "images"

_WITHHELD = "not passed by the content policy, and not sent"


class _Counts(msgspec.Struct, frozen=True, gc=False):
    prompt_tokens: int | None
    answer_tokens: int | None
    records: int


class _Timings(msgspec.Struct, frozen=True, gc=False):
    queued_s: float | None
    paced_s: float | None
    first_record_s: float | None
    spent_s: float | None
    load_s: float | None
    prompt_s: float | None
    answer_s: float | None


class _Record(msgspec.Struct):
    """A record without its place in the chain; its fields in the order of the line."""

    kind: str
    at: str
    pid: int
    id: int
    actor: str
    tenant: str
    metadata: Any
    call: str
    host: str
    model: str
    digest: str | None
    digest_age_s: float | None
    settings: Any
    outcome: str
    error: dict[str, Any] | None
    counts: _Counts
    timings: _Timings
    source: str
    tries: int
    sends: int
    trail: tuple[str, ...]
    request: Any = msgspec.UNSET
    answer: Any = msgspec.UNSET


def record_of(event: CallEnded, content: Content, key: bytes | None) -> bytes:
    """Give what is written down of a call as JSON: everything but its number and the hashes."""
    body, policy, response = event.body or {}, event.policy, event.response
    # Of what must not leave the process, neither does it come to rest on a disk.
    settings = {} if event.is_withheld else {n: body[n] for n in body if n in _SETTINGS}
    # By position: to find twenty names takes several times as long.
    record = _Record(
        "call",
        written_at(),
        os.getpid(),
        event.id,
        policy.actor,
        policy.tenant,
        policy.metadata,
        event.call,
        event.host,
        event.model,
        event.digest,
        _rounded(event.digest_age_s),
        settings,
        event.outcome,
        _error(event.error),
        _counts(event),
        _timings(event),
        event.source,
        event.tries,
        event.sends,
        event.trail,
    )
    if content != "none":
        asked = {name: body[name] for name in body if name not in _SETTINGS and name != "model"}
        if event.is_withheld:
            record.request = {"withheld": _WITHHELD, **_content(asked, "hashed", key)}
        else:
            record.request = _content(asked, content, key)
        record.answer = _content(_answer(response), content, key)
    try:
        return _ENCODER.encode(record)
    except (TypeError, ValueError, RecursionError):  # what no JSON can hold is named
        record.metadata, record.settings = _plain(policy.metadata), _plain(settings)
        return _json(msgspec.to_builtins(record))


def _rounded(seconds: float | None) -> float | None:
    # To microseconds; `round` takes five times as long, three times a record.
    return int(seconds * 1e6 + 0.5) / 1e6 if seconds else seconds


def _plain(value: object) -> Any:
    """Give a value as JSON can hold it; what it cannot is named by its type alone."""
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=_foreign)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"


def _json(value: object, order: Literal["deterministic"] | None = None) -> bytes:
    """Give JSON; halves of characters, which no UTF-8 can hold, become question marks."""
    try:
        return msgspec.json.encode(value, order=order)
    except UnicodeEncodeError:
        return msgspec.json.encode(_legible(value), order=order)


def _legible(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list | tuple):
        return [_legible(one) for one in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {_legible(name): _legible(one) for name, one in items}
    return value


def _foreign(value: object) -> str:
    return f"<{type(value).__name__}>"  # not its repr, which may hold anything


_ENCODER = msgspec.json.Encoder(enc_hook=_foreign)


def _error(error: ArrieroError | None) -> dict[str, Any] | None:
    """Give class and place; texts of servers may quote the prompt, so they stay out."""
    if error is None:
        return None
    made: dict[str, Any] = {"class": type(error).__name__, "phase": error.phase}
    status = getattr(error, "status_code", -1)
    if status != -1:
        made["status"] = status
    if isinstance(error, DeadlineExceeded):
        made["budget"], made["limit_s"] = error.budget, error.limit_s
    if isinstance(error, PolicyError):
        made["reason"] = error.reason
    return made


def _counts(event: CallEnded) -> _Counts:
    answer = event.response
    return _Counts(
        getattr(answer, "prompt_eval_count", None),
        getattr(answer, "eval_count", None),
        event.records,
    )


def _timings(event: CallEnded) -> _Timings:
    answer = event.response
    return _Timings(
        _rounded(event.queued_s),
        _rounded(event.paced_s),
        _rounded(event.first_record_s),
        _rounded(event.spent_s),
        _seconds(getattr(answer, "load_duration", None)),
        _seconds(getattr(answer, "prompt_eval_duration", None)),
        _seconds(getattr(answer, "eval_duration", None)),
    )


def _seconds(spent_ns: int | None) -> float | None:
    return None if spent_ns is None else (spent_ns + 500) // 1000 / 1e6


def _answer(response: object) -> Any:
    """Give what a model said; of vectors there is only ever the hash."""
    if response is None:
        return None
    fields = ("message", "response", "thinking", "tool_calls", "embeddings", "embedding")
    said = {name: getattr(response, name, None) for name in fields}
    return {name: value for name, value in said.items() if value is not None}


def _content(value: Any, content: Content, key: bytes | None) -> Any:
    """Give content whole, or as a hash over its JSON with sorted keys."""
    plain = _plain(value)
    if content == "full":
        return _shortened(plain, key)
    data = _json(plain, "deterministic")
    return {"hash": digest(data, key), "bytes": len(data)}


def _shortened(value: Any, key: bytes | None) -> Any:
    """Put hashes in the place of images and vectors, which nobody reads in a log."""
    if isinstance(value, list):
        return [_shortened(one, key) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, part in cast("dict[str, Any]", value).items():
        if part and name in (_IMAGES, "embeddings", "embedding"):
            data = _json(part)
            made[name] = {"hash": digest(data, key), "bytes": len(data)}
        else:
            made[name] = _shortened(part, key)
    return made
