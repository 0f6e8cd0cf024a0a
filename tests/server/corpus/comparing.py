"""Two answers to one request, told apart.

What no two runs share is blanked out: times, durations, ids, sizes and digests of what the recorded
server quantised, probabilities beyond their sign. Everything else counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HEADERS = (
    "content-type", "transfer-encoding", "allow", "location", "cache-control", "connection", "vary",
    "access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers",
    "access-control-max-age",
)  # fmt: skip
"""Headers whose values must be equal; of the length only whether there is one."""

_TIMES = ("created_at", "modified_at", "expires_at", "created", "completed_at")
_SORTED_LINES = ("parameters", "modelfile")
_WEIGHTS_LAYER = re.compile(r"(creating new|using existing) layer (?=weights of )")
_ID = re.compile(r"(call|chatcmpl|cmpl|resp|msg|req|fc|rs)_?-?[0-9A-Za-z]+|[A-Za-z0-9]{32}")


@dataclass(frozen=True)
class Told:
    """One answer.

    Attributes:
        status: Of the answer.
        headers: Lower-case names; several of one name are joined.
        body: As text.
    """

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def values(self) -> list[Any]:
        """The body as JSON values, one per line or event; what is none stays text."""
        lines = [line for line in self.body.split("\n") if line]
        return [_value(line.removeprefix("data: ")) for line in lines]


def differences(ours: Told, theirs: Told) -> dict[str, tuple[Any, Any]]:
    """What differs, by its place: ``status``, ``header allow``, ``text``, ``last.context``..."""
    found: dict[str, tuple[Any, Any]] = {}
    if ours.status != theirs.status:
        found["status"] = (ours.status, theirs.status)
    for name in HEADERS:
        if ours.headers.get(name) != theirs.headers.get(name):
            found[f"header {name}"] = (ours.headers.get(name), theirs.headers.get(name))
    has_length = ["content-length" in one.headers for one in (ours, theirs)]
    if has_length[0] != has_length[1]:
        found["header content-length"] = (has_length[0], has_length[1])
    if ours.body.endswith("\n") != theirs.body.endswith("\n"):
        found["last newline"] = (ours.body[-20:], theirs.body[-20:])
    for place, mine, other in _unequal("", _summary(ours.values), _summary(theirs.values)):
        found.setdefault(place or "body", (mine, other))
    return found


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return line


def _summary(values: Sequence[Any]) -> Any:
    """Answers of models as what they say, anything else as it is, both without what is new."""
    plain = [_plain("", value) for value in values]
    if not plain or not isinstance(plain[0], dict) or "error" in plain[0]:
        return plain
    if not {"message", "response"} & plain[0].keys() or "model" not in plain[0]:
        return plain
    said = [_said(record) for record in plain]
    return {
        "count": len(plain),
        "shapes": _distinct([_shape(record) for record in plain]),
        "text": "".join(text for text, _, _, _ in said),
        "thinking": "".join(thinking for _, thinking, _, _ in said),
        "calls": [call for _, _, calls, _ in said for call in calls],
        "logprobs": [entry for _, _, _, entries in said for entry in entries],
        "last": {key: item for key, item in plain[-1].items() if key not in _SAID},
    }


_SAID = ("message", "response", "thinking", "tool_calls", "logprobs")


def _said(record: Mapping[str, Any]) -> tuple[str, str, list[Any], list[Any]]:
    message = record.get("message", record)
    text = message.get("content", "") or message.get("response", "")
    calls = message.get("tool_calls") or []
    return text, message.get("thinking", ""), calls, record.get("logprobs") or []


def _shape(value: Any, key: str = "") -> Any:
    """Keys in order and types; lists by their first item; arguments of calls are the model's."""
    if isinstance(value, dict) and key != "arguments":
        return [(name, _shape(item, name)) for name, item in value.items()]
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _distinct(shapes: Sequence[Any]) -> list[Any]:
    return [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]


def _plain(key: str, value: Any) -> Any:
    """A value without what is new in every answer."""
    if isinstance(value, dict):
        return {name: _plain(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return _plain_list(key, value)
    if key in _TIMES:
        return "a time" if value else value
    if key.endswith("_duration") or key == "size":
        return "a number" if value > 0 else value
    if key == "digest" and re.fullmatch(r"[0-9a-f]{64}", value):
        return "a digest"
    if key == "status":
        return _WEIGHTS_LAYER.sub("a layer of ", value)
    if key == "logprob":
        return "a probability" if value <= 0 else value
    if key in _SORTED_LINES and isinstance(value, str):
        return sorted(value.split("\n"))
    if key in ("id", "request_id", "item_id", "call_id", "tool_call_id") and isinstance(value, str):
        return _ID.sub("an id", value)
    if key == "embedding" and isinstance(value, str):
        return f"{len(value)} characters"
    return value


def _plain_list(key: str, value: list[Any]) -> Any:
    if value and all(isinstance(item, (int, float)) for item in value):
        is_vector = any(isinstance(item, float) for item in value)
        return f"{len(value)} numbers" if is_vector else value
    items = [_plain(key, item) for item in value]
    if key == "tensors":
        return sorted(items, key=lambda tensor: str(tensor["name"]))
    return sorted(items) if key == "capabilities" else items


def _unequal(place: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Places where two values differ, deepest first; items of lists share a place."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if list(ours) != list(theirs) and place not in ("", "last.context"):
            yield f"{place} keys", list(ours), list(theirs)
        for key in ours.keys() & theirs.keys():
            yield from _unequal(f"{place}.{key}".lstrip("."), ours[key], theirs[key])
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for mine, other in zip(ours, theirs, strict=True):
            yield from _unequal(place, mine, other)
    elif ours != theirs:
        yield place, ours, theirs
