"""From a recorded request to the call that makes it, and from an answer back to its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from arriero.types.record import to_wire

from .cases import Case

INFERENCE = {
    "model": "model",
    "stream": "stream",
    "think": "think",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
    "format": "format",
    "options": "options",
    "keep_alive": "keep_alive",
    "truncate": "truncate",
    "shift": "shift",
    "_debug_render_only": "debug_render_only",
}


def same(*names: str) -> dict[str, str]:
    """Give names that are the same on the wire and in Python."""
    return {name: name for name in names}


ROUTES: dict[tuple[str, str], tuple[str, dict[str, str]]] = {
    ("POST", "/api/chat"): ("chat", {**INFERENCE, **same("messages", "tools")}),
    ("POST", "/api/generate"): (
        "generate",
        {
            **INFERENCE,
            **same("prompt", "suffix", "system", "template", "context", "raw", "images"),
        },
    ),
    ("POST", "/api/embed"): (
        "embed",
        same("model", "input", "truncate", "options", "keep_alive", "dimensions"),
    ),
    ("POST", "/api/embeddings"): ("embeddings", same("model", "prompt", "options", "keep_alive")),
    ("POST", "/api/show"): ("show", same("model", "verbose", "system", "options")),
    ("POST", "/api/pull"): ("pull", same("model", "insecure", "stream")),
    ("POST", "/api/push"): ("push", same("model", "insecure", "stream")),
    ("POST", "/api/create"): (
        "create",
        {
            **same("model", "quantize", "files", "template", "license", "system", "parameters"),
            **same("messages", "stream", "renderer", "parser"),
            "from": "from_",
        },
    ),
    ("POST", "/api/copy"): ("copy", same("source", "destination")),
    ("DELETE", "/api/delete"): ("delete", same("model")),
    ("GET", "/api/tags"): ("list", {}),
    ("GET", "/api/ps"): ("ps", {}),
    ("GET", "/api/version"): ("version", {}),
    ("GET", "/api/status"): ("status", {}),
    ("POST", "/api/me"): ("me", {}),
}
"""Which method makes a request, and which argument each key of its body is."""

STREAMS = ("chat", "generate", "pull", "push", "create")
"""Methods whose route streams unless it is told not to."""


@dataclass(frozen=True)
class Plan:
    """How a client makes a recorded request."""

    method: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def stream(self) -> bool:
        """True if the answer is read record by record."""
        return bool(self.arguments.get("stream"))

    def call(self, client: Any) -> Any:
        """Make the call."""
        return getattr(client, self.method)(**self.arguments)


def typed(case: Case) -> Plan | None:
    """Give the call of the client's method for this request; None if there is none that
    can say what was said."""
    if case.method == "HEAD" and case.path.startswith("/api/blobs/"):
        return Plan("blob_exists", {"digest": case.path.removeprefix("/api/blobs/")})
    found = ROUTES.get((case.method, case.path))
    if found is None or case.content is not None:
        return None
    method, names = found
    body = {} if case.body is None else case.body
    if not isinstance(body, dict) or not body.keys() <= names.keys():
        return None
    arguments = {names[key]: value for key, value in body.items()}
    if method in STREAMS and arguments.get("stream") is None:
        arguments["stream"] = True
    if "model" in names.values():
        arguments.setdefault("model", "")
    return Plan(method, arguments)


def free(case: Case) -> Plan:
    """Give the call that sends anything to anywhere."""
    arguments: dict[str, Any] = {"method": case.method, "path": case.path, "check": False}
    if case.content is not None:
        arguments["content"] = case.content
    elif case.body is not None:
        arguments["json"] = case.body
    return Plan("request", {**arguments, "headers": case.own_headers})


def same_request(recorded: Any, sent: Any, *, streams: bool) -> bool:
    """Compare two bodies; a route's default of streaming may be said or not."""
    if not streams:
        return bool(recorded == sent)
    recorded = {**recorded, "stream": recorded.get("stream") is not False}
    return bool(recorded == sent)


def differences(recorded: Any, record: Any, where: str = "") -> list[str]:
    """Give the places where a decoded record says something else than the wire did.

    Null and absent are one; a field the server left out may be there with its zero.
    """
    return list(_differences(recorded, to_wire(record), where))


ZEROS: tuple[Any, ...] = ("", 0, False, [], {})


def _differences(recorded: Any, made: Any, where: str) -> list[str]:
    if isinstance(recorded, Mapping) and isinstance(made, Mapping):
        found = []
        for key in [*recorded, *(key for key in made if key not in recorded)]:
            there = f"{where}.{key}"
            if recorded.get(key) is None:
                if made.get(key) is not None and made[key] not in ZEROS:
                    found.append(f"{there}: made up {made[key]!r}")
            elif key not in made:
                found.append(f"{there}: lost {recorded[key]!r}")
            else:
                found += _differences(recorded[key], made[key], there)
        return found
    if isinstance(recorded, list) and isinstance(made, list):
        if len(recorded) != len(made):
            return [f"{where}: {len(made)} items of {len(recorded)}"]
        pairs = enumerate(zip(recorded, made, strict=True))
        return [each for i, (a, b) in pairs for each in _differences(a, b, f"{where}[{i}]")]
    if isinstance(made, datetime):
        return [] if same_moment(recorded, made) else [f"{where}: {made} is not {recorded}"]
    if recorded == made and isinstance(recorded, bool) == isinstance(made, bool):
        return []
    return [f"{where}: {made!r} is not {recorded!r}"]


_RFC3339 = re.compile(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def same_moment(recorded: str, made: datetime) -> bool:
    """Compare a time with its text: to the microsecond, which is all Python has."""
    found = _RFC3339.fullmatch(recorded)
    assert found is not None, recorded
    exact = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    micros = round(float(f"0.{found[2] or 0}") * 1_000_000)
    made_micros = made.microsecond + 1_000_000 * (made.replace(microsecond=0) != exact)
    return made.utcoffset() == exact.utcoffset() and abs(made_micros - micros) <= 1


def error_text(case: Case) -> str:
    """Give the words of an error answer, by the rules of the protocol."""
    return _words(case.answer.decode(), HTTPStatus(case.status).phrase)


def _words(text: str, otherwise: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return text.strip() or otherwise
    if not isinstance(found, dict) or "error" not in found:
        return text
    error = found["error"]
    if isinstance(error, dict):
        return str(error["message"])
    return _words(error, error) if error.startswith("{") else str(error)


def line_error(line: str) -> str | None:
    """Give the words of an error inside a stream; None if the line is none."""
    found = json.loads(line)
    return _words(line, "") if found.get("error") else None
