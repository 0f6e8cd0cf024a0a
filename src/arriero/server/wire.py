"""Records as they go over the wire: keys in Ollama's order, empty ones left out.

Source: Ollama v0.33.0-rc2, api/types.go.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from .engines.engine import Finish, ToolCall

_NS = 1_000_000_000

FOREVER_NS = 2**63 - 1
"""What Ollama adds to now for a model that never unloads: about the year 2318."""


def utc_time(at_ns: int) -> str:
    """A time in RFC 3339, UTC, up to nine decimals, trailing zeros trimmed."""
    seconds, rest = divmod(at_ns, _NS)
    return f"{_utc_second(seconds)}{_fraction(rest)}Z"


def local_time(at_ns: int) -> str:
    """The same with the offset of this machine's zone."""
    seconds, rest = divmod(at_ns, _NS)
    moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    zone = f"{moment:%z}"
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:5]}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}{_fraction(rest)}{zone}"


@lru_cache(maxsize=2)
def _utc_second(seconds: int) -> str:
    """A stream stamps many records within one second."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _fraction(rest_ns: int) -> str:
    return f".{rest_ns:09d}".rstrip("0") if rest_ns else ""


@dataclass(slots=True)
class Clock:
    """Times of one request; the duration runs from its start."""

    started_ns: int = field(default_factory=time.perf_counter_ns)
    load_ns: int = 0

    def loaded(self) -> None:
        """Mark that the model has been handed over."""
        self.load_ns = self.elapsed_ns()

    def elapsed_ns(self) -> int:
        """Time since the request arrived."""
        return time.perf_counter_ns() - self.started_ns

    def metrics(self, finish: Finish) -> dict[str, Any]:
        """The metrics of a final record."""
        return _present({
            "total_duration": self.elapsed_ns(),
            "load_duration": self.load_ns,
            "prompt_eval_count": finish.prompt_tokens,
            "prompt_eval_duration": finish.prompt_ns,
            "eval_count": finish.output_tokens,
            "eval_duration": finish.output_ns,
        })  # fmt: skip


@dataclass(slots=True)
class Part:
    """What one record carries besides its frame."""

    text: str = ""
    thinking: str = ""
    tool_calls: Sequence[ToolCall] = ()
    logprobs: Sequence[Mapping[str, Any]] = ()


def chat_record(model: str, part: Part, *, role: str = "assistant", **last: Any) -> dict[str, Any]:
    """A chat record; `last` is what only the last one has: `done_reason`, metrics."""
    message: dict[str, Any] = {"role": role, "content": part.text}
    if part.thinking:
        message["thinking"] = part.thinking
    if part.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in part.tool_calls]
    record: dict[str, Any] = {
        "model": model,
        "created_at": utc_time(time.time_ns()),
        "message": message,
        "done": "done_reason" in last,
    }
    if "done_reason" in last:
        record["done_reason"] = last.pop("done_reason")
    if part.logprobs:
        record["logprobs"] = part.logprobs
    return record | last


def generate_record(model: str, part: Part, **last: Any) -> dict[str, Any]:
    """A generate record; `last` is what only the last one has, in wire order."""
    record: dict[str, Any] = {
        "model": model,
        "created_at": utc_time(time.time_ns()),
        "response": part.text,
    }
    if part.thinking:
        record["thinking"] = part.thinking
    record["done"] = "done_reason" in last
    record |= last
    if part.logprobs:
        record["logprobs"] = part.logprobs
    return record


def _tool_call(call: ToolCall) -> dict[str, Any]:
    function = {"index": call.index, "name": call.name, "arguments": call.arguments}
    return {"id": call.id, "function": function} if call.id else {"function": function}


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}
