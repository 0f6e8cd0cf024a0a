"""``POST /v1/chat/completions``.

Source: Ollama v0.33.0-rc2, openai/openai.go, middleware/openai.go ChatMiddleware.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import gojson
from ..bodies import (
    Fields,
    Place,
    RequestRefused,
    read_anything,
    read_body,
    read_flag,
    read_integer,
    read_list,
    read_map,
    read_object,
    read_text,
)
from ..chat import chat
from ..exchange import Exchange
from ..inference import House
from ..tools import read_tools
from .facade import OpenAi, forward, frame, read_request
from .openai_messages import own_messages, read_messages
from .openai_requests import (
    SAMPLING,
    openai_calls,
    options_of,
    read_stream_options,
    think_of,
    usage_of,
)


async def chat_completions(house: House, exchange: Exchange) -> None:
    """Answer a conversation as OpenAI would. Raises `Refused`."""
    facade = _ChatFacade(exchange.scope, b"", exchange.send)
    request = read_request(exchange, facade, _read)
    facade.stream = request.get("stream", False)
    facade.include_usage = request.get("stream_options", False)
    await forward(house, facade, request["own"], chat)


@dataclass(slots=True)
class _ChatFacade(OpenAi):
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.randbelow(999)}")
    created_s: int = field(default_factory=lambda: int(time.time()))
    include_usage: bool = False
    role_sent: bool = False
    called: bool = False

    def whole(self, record: Mapping[str, Any]) -> Any:
        message: dict[str, Any] = {
            "role": record["message"]["role"],
            "content": record["message"]["content"],
        }
        if thinking := record["message"].get("thinking"):
            message["reasoning"] = thinking
        if calls := openai_calls(record["message"]):
            message["tool_calls"] = calls
        reason = _reason(record, called=bool(calls))
        choice = {"index": 0, "message": message, "finish_reason": reason} | _logprobs(record)
        answer = self._frame("chat.completion", record, [choice])
        answer["usage"] = usage_of(record)
        if "_debug_info" in record:
            answer["_debug_info"] = record["_debug_info"]
        return answer

    def events(self, record: Mapping[str, Any]) -> Iterable[bytes]:
        for delta, logprobs in self._deltas(record):
            choice = {"index": 0, "delta": delta, "finish_reason": None} | logprobs
            yield self._chunk(record, [choice])
        if not record["done"]:
            return
        reason = _reason(record, called=self.called)
        yield self._chunk(record, [{"index": 0, "delta": {}, "finish_reason": reason}])
        if self.include_usage:
            yield self._chunk(record, [], usage=usage_of(record))
        yield b"data: [DONE]\n\n"

    def _deltas(self, record: Mapping[str, Any]) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
        """What a record adds; reasoning and answer never share a delta."""
        message, logprobs = record["message"], _logprobs(record)
        calls, text = openai_calls(message), message["content"]
        if thinking := message.get("thinking"):
            yield self._delta({"content": "", "reasoning": thinking}), logprobs
            logprobs = {}
        if text or calls or logprobs or not self.role_sent:
            delta: dict[str, Any] = {"content": text}
            if calls:
                delta["tool_calls"] = calls
                self.called = True
            yield self._delta(delta), logprobs

    def _delta(self, content: dict[str, Any]) -> dict[str, Any]:
        if self.role_sent:
            return content
        self.role_sent = True
        return {"role": "assistant"} | content

    def _chunk(self, record: Mapping[str, Any], choices: list[Any], **more: Any) -> bytes:
        return frame(self._frame("chat.completion.chunk", record, choices) | more)

    def _frame(self, kind: str, record: Mapping[str, Any], choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created_s,
            "model": record["model"],
            "system_fingerprint": "fp_ollama",
            "choices": choices,
        }


def _reason(record: Mapping[str, Any], *, called: bool) -> str | None:
    reason = record.get("done_reason")
    return "tool_calls" if called and reason == "stop" else reason


def _logprobs(record: Mapping[str, Any]) -> dict[str, Any]:
    found = record.get("logprobs")
    return {"logprobs": {"content": found}} if found else {}


def _read(body: bytes) -> dict[str, Any]:
    """Read a request; ``own`` is the server's own for it. Raises `RequestRefused`."""
    request = read_body(body, "ChatCompletionRequest", _CHAT, package="openai")
    if not request.get("messages"):
        raise RequestRefused("[] is too short - 'messages'")
    messages = own_messages(request["messages"])
    effort: str = request.get("reasoning", request.get("reasoning_effort", ""))
    own = {
        "model": request.get("model", ""),
        "messages": messages,
        "tools": request.get("tools"),
        "stream": request.get("stream", False),
        "format": request.get("response_format"),
        "options": options_of(request) | _stop(request.get("stop")),
        "think": think_of(effort),
        "logprobs": request.get("logprobs", False),
        "top_logprobs": request.get("top_logprobs", 0),
        "_debug_render_only": request.get("render_only", False),
    }
    return request | {"own": own}


def _stop(given: Any) -> dict[str, list[str]]:
    if isinstance(given, str):
        return {"stop": [given]}
    if gojson.is_list(given):
        return {"stop": [text for text in given if isinstance(text, str)]}
    return {}


def _format(value: Any, place: Place) -> Any:
    raw = read_map(value, place, "openai.ResponseFormat")
    found = read_object(
        raw, place, {"type": ("type", read_text), "json_schema": ("schema", _schema)}
    )
    kind = found.get("type", "").strip().lower()
    if kind == "json_object":
        return "json"
    return found.get("schema") if kind == "json_schema" else None


def _schema(value: Any, place: Place) -> Any:
    raw = read_map(value, place, "openai.JsonSchema")
    return read_object(raw, place, {"schema": ("schema", read_anything)}).get("schema")


def _reasoning(value: Any, place: Place) -> str:
    raw = read_map(value, place, "openai.Reasoning")
    return str(read_object(raw, place, {"effort": ("effort", read_text)}).get("effort", ""))


def _tools(value: Any, place: Place) -> list[Any]:
    tools = read_list(value, place, "[]api.Tool")
    read_tools(tools, place)
    return tools


_CHAT: Fields = {
    **SAMPLING,
    "messages": ("messages", read_messages),
    "stream_options": ("stream_options", read_stream_options),
    "response_format": ("response_format", _format),
    "tools": ("tools", _tools),
    "reasoning": ("reasoning", _reasoning),
    "reasoning_effort": ("reasoning_effort", read_text),
    "logprobs": ("logprobs", read_flag),
    "top_logprobs": ("top_logprobs", read_integer),
}
