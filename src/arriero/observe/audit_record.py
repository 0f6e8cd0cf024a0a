"""From the end of a call to its record in the audit log."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast

import msgspec

from arriero._core.events import CallEnded
from arriero.errors import ArrieroError, DeadlineExceeded, PolicyError
from arriero.observe.chain import digest

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


def record_of(event: CallEnded, content: Content, key: bytes | None) -> dict[str, Any]:
    """Give what is written down of a call: everything but its number and the hashes."""
    body, policy = event.body or {}, event.policy
    # Of what must not leave the process, neither does it come to rest on a disk.
    settings = {} if event.is_withheld else {n: body[n] for n in body if n in _SETTINGS}
    record: dict[str, Any] = {
        "kind": "call",
        "at": _now(),
        "pid": os.getpid(),
        "id": event.id,
        "actor": policy.actor,
        "tenant": policy.tenant,
        "metadata": _plain(policy.metadata),
        "call": event.call,
        "host": event.host,
        "model": event.model,
        "digest": event.digest,
        "digest_age_s": _rounded(event.digest_age_s),
        "settings": _plain(settings),
        "outcome": event.outcome,
        "error": _error(event.error),
        "counts": _counts(event),
        "timings": _timings(event),
        "source": event.source,
        "tries": event.tries,
        "sends": event.sends,
        "trail": list(event.trail),
    }
    if content != "none":
        asked = {name: body[name] for name in body if name not in _SETTINGS and name != "model"}
        if event.is_withheld:
            record["request"] = {"withheld": _WITHHELD, **_content(asked, "hashed", key)}
        else:
            record["request"] = _content(asked, content, key)
        record["answer"] = _content(_answer(event.response), content, key)
    return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _plain(value: object) -> Any:
    """Give a value as JSON can hold it; what it cannot is named by its type alone."""
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=_foreign)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(value).__name__}>"


def _foreign(value: object) -> str:
    return f"<{type(value).__name__}>"  # not its repr, which may hold anything


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


def _counts(event: CallEnded) -> dict[str, Any]:
    answer = event.response
    return {
        "prompt_tokens": getattr(answer, "prompt_eval_count", None),
        "answer_tokens": getattr(answer, "eval_count", None),
        "records": event.records,
    }


def _timings(event: CallEnded) -> dict[str, Any]:
    made = {
        "queued_s": event.queued_s,
        "paced_s": event.paced_s,
        "first_record_s": event.first_record_s,
        "spent_s": event.spent_s,
    }
    for name, field in (
        ("load_s", "load_duration"),
        ("prompt_s", "prompt_eval_duration"),
        ("answer_s", "eval_duration"),
    ):
        spent_ns = getattr(event.response, field, None)
        made[name] = None if spent_ns is None else spent_ns / 1e9
    return {name: _rounded(value) for name, value in made.items()}


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
    data = msgspec.json.encode(plain, order="deterministic")
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
            data = msgspec.json.encode(part)
            made[name] = {"hash": digest(data, key), "bytes": len(data)}
        else:
            made[name] = _shortened(part, key)
    return made
