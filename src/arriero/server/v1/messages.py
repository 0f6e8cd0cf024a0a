"""``POST /v1/messages``, Anthropic's route.

Source: Ollama v0.33.0-rc2, anthropic/anthropic.go, middleware/anthropic.go.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..chat import chat
from ..exchange import Exchange, Refused
from ..inference import House, find_model
from .facade import NO_CLOUD_SEARCH, Facade, forward, frame, read_request
from .messages_events import MessageEvents, stop_reason
from .messages_request import read_messages_request

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


async def messages(house: House, exchange: Exchange) -> None:
    """Answer a conversation as Anthropic would. Raises `Refused`."""
    facade = _MessageFacade(exchange.scope, b"", exchange.send)
    request = read_request(exchange, facade, read_messages_request)
    if request.searches:
        raise Refused(403, NO_CLOUD_SEARCH)
    facade.stream = request.stream
    facade.converter.model = request.own["model"]
    facade.converter.estimated_tokens = request.estimated_tokens
    facade.translated = True
    model = await find_model(house, request.own["model"])
    own = dict(request.own)
    if "thinking" not in model.capabilities:
        # Tools made for Anthropic always ask for it.
        own["think"] = None
    await forward(house, facade, own, chat)


@dataclass(slots=True)
class _MessageFacade(Facade):
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(12)}")
    converter: MessageEvents = field(init=False)

    def __post_init__(self) -> None:
        self.converter = MessageEvents(self.id)

    @property
    def stream_headers(self) -> Sequence[tuple[str, str]]:
        return (("cache-control", "no-cache"), ("connection", "keep-alive"))

    def whole(self, record: Mapping[str, Any]) -> Any:
        message = record["message"]
        calls = message.get("tool_calls", ())
        content: list[dict[str, Any]] = []
        if thinking := message.get("thinking"):
            content.append({"type": "thinking", "thinking": thinking})
        if message["content"]:
            content.append({"type": "text", "text": message["content"]})
        content.extend(
            {
                "type": "tool_use",
                "id": call.get("id", ""),
                "name": call["function"]["name"],
                "input": call["function"]["arguments"],
            }
            for call in calls
        )
        answer = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": record["model"],
            "content": content,
        }
        if reason := stop_reason(record.get("done_reason", ""), called=bool(calls)):
            answer["stop_reason"] = reason
        usage = {
            "input_tokens": record.get("prompt_eval_count", 0),
            "output_tokens": record.get("eval_count", 0),
        }
        return answer | {"usage": usage}

    def events(self, record: Mapping[str, Any]) -> Iterable[bytes]:
        for event in self.converter.of_record(record):
            yield frame(event, event["type"])

    def refusal(self, status: int, text: str) -> Any:
        error = {"type": _KINDS.get(status, "api_error"), "message": text}
        return {"type": "error", "error": error, "request_id": f"req_{secrets.token_hex(12)}"}

    def breaking_event(self, text: str) -> bytes:
        """Ollama ends the stream without a word; Anthropic's own clients raise this."""
        return frame({"type": "error", "error": {"type": "api_error", "message": text}}, "error")
