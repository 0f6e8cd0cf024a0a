"""Events of ``POST /v1/messages``.

Source: Ollama v0.33.0-rc2, anthropic/anthropic.go StreamConverter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .openai_requests import arguments_text


def stop_reason(done_reason: str, *, called: bool) -> str:
    """Anthropic's name for how a generation ended; empty if it has not."""
    if called:
        return "tool_use"
    named = {"stop": "end_turn", "length": "max_tokens", "": ""}
    return named.get(done_reason, "stop_sequence")


@dataclass(slots=True)
class MessageEvents:
    """Turns the records of one answer into events, in order.

    Attributes:
        id: Of the message.
        model: As the caller named it.
        estimated_tokens: Told at the start, when the prompt has not been counted.
    """

    id: str
    model: str = ""
    estimated_tokens: int = 0
    _started: bool = False
    _index: int = 0
    _open: str = ""
    _called: bool = False

    def of_record(self, record: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """Events of one record."""
        message = record["message"]
        if not self._started:
            self._started = True
            yield self._start(record)
        if thinking := message.get("thinking"):
            yield from self._opened("thinking", {"type": "thinking", "thinking": ""})
            yield self._delta({"type": "thinking_delta", "thinking": thinking})
        if message["content"]:
            yield from self._opened("text", {"type": "text", "text": ""})
            yield self._delta({"type": "text_delta", "text": message["content"]})
        for call in message.get("tool_calls", ()):
            yield from self._call(call)
        if record["done"]:
            yield from self._closed()
            yield from self._end(record)

    def _start(self, record: Mapping[str, Any]) -> dict[str, Any]:
        tokens = record.get("prompt_eval_count") or self.estimated_tokens
        message: dict[str, Any] = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "usage": {"input_tokens": tokens, "output_tokens": 0},
        }
        return {"type": "message_start", "message": message}

    def _opened(self, kind: str, block: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        if self._open == kind:
            return
        yield from self._closed()
        self._open = kind
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _closed(self) -> Iterable[dict[str, Any]]:
        if self._open:
            yield {"type": "content_block_stop", "index": self._index}
            self._open = ""
            self._index += 1

    def _delta(self, delta: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _call(self, call: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        self._called = True
        yield from self._closed()
        name = call["function"]["name"]
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": call.get("id", ""),
            "name": name,
            "input": {},
        }
        yield from self._opened("tool_use", block)
        yield self._delta({"type": "input_json_delta", "partial_json": arguments_text(call)})
        yield from self._closed()

    def _end(self, record: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        reason = stop_reason(record.get("done_reason", ""), called=self._called)
        usage = {
            "input_tokens": record.get("prompt_eval_count", 0),
            "output_tokens": record.get("eval_count", 0),
        }
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": reason} if reason else {},
            "usage": usage,
        }
        yield {"type": "message_stop"}
