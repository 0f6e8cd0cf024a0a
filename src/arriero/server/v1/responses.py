"""``POST /v1/responses``: the part of OpenAI's newer API that needs no memory.

Source: Ollama v0.33.0-rc2, openai/responses.go, middleware/openai.go ResponsesMiddleware.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..bodies import (
    Fields,
    Place,
    read_anything,
    read_body,
    read_flag,
    read_float,
    read_integer,
    read_list,
    read_map,
    read_object,
    read_text,
)
from ..chat import chat
from ..exchange import Exchange, Refused
from ..inference import House
from .facade import NO_CLOUD_SEARCH, OpenAi, forward, frame, go_number, read_request
from .openai_requests import openai_calls, think_of
from .responses_events import ResponseEvents, in_order
from .responses_input import own_messages, read_input


async def responses(house: House, exchange: Exchange) -> None:
    """Answer in the shape of OpenAI's Responses API. Raises `Refused`."""
    facade = _ResponseFacade(exchange.scope, b"", exchange.send)
    request = read_request(exchange, facade, _read)
    if any(tool["type"].startswith("web_search") for tool in request.get("tools", ())):
        raise Refused(403, NO_CLOUD_SEARCH)
    facade.stream = request.get("stream", False)
    facade.request = request
    facade.converter = ResponseEvents(facade.response_id, facade.item_id, facade.frame_of)
    await forward(house, facade, request["own"], chat)


@dataclass(slots=True)
class _ResponseFacade(OpenAi):
    response_id: str = field(default_factory=lambda: f"resp_{secrets.randbelow(999999)}")
    item_id: str = field(default_factory=lambda: f"msg_{secrets.randbelow(999999)}")
    created_s: int = field(default_factory=lambda: int(time.time()))
    request: Mapping[str, Any] = field(default_factory=dict[str, Any])
    converter: ResponseEvents | None = None

    @property
    def stream_headers(self) -> Sequence[tuple[str, str]]:
        return (("cache-control", "no-cache"), ("connection", "keep-alive"))

    def whole(self, record: Mapping[str, Any]) -> Any:
        usage = usage_of(record)
        answer = self.frame_of("completed", self._output(record), usage)
        answer["completed_at"] = int(time.time())
        return answer

    def events(self, record: Mapping[str, Any]) -> Iterable[bytes]:
        assert self.converter is not None, "set before the request is forwarded"
        for event in self.converter.of_record(record, usage_of(record)):
            yield frame(event, event["type"])

    def breaking_event(self, text: str) -> bytes:
        assert self.converter is not None, "set before the request is forwarded"
        event = self.converter.failed(text)
        return frame(event, event["type"])

    def frame_of(
        self, status: str, output: Sequence[Any], usage: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The response object, in the order of Ollama's struct."""
        request = self.request
        return {
            "id": self.response_id,
            "object": "response",
            "created_at": self.created_s,
            "completed_at": None,
            "status": status,
            "incomplete_details": None,
            "model": request.get("model", ""),
            "previous_response_id": None,
            "instructions": request.get("instructions") or None,
            "output": output,
            "error": None,
            "tools": request.get("tools", []),
            "tool_choice": "auto",
            "truncation": request.get("truncation", "disabled"),
            "parallel_tool_calls": True,
            "text": {"format": request.get("text") or {"type": "text"}},
            "top_p": go_number(request.get("top_p", 1)),
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "top_logprobs": 0,
            "temperature": go_number(request.get("temperature", 1)),
            "reasoning": request.get("reasoning") or None,
            "usage": usage,
            "max_output_tokens": request.get("max_output_tokens"),
            "max_tool_calls": None,
            "store": False,
            "background": request.get("background", False),
            "service_tier": "default",
            "metadata": {},
            "safety_identifier": None,
            "prompt_cache_key": None,
        }

    def _output(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        message = record["message"]
        output: list[dict[str, Any]] = []
        if thinking := message.get("thinking"):
            output.append(
                {
                    "id": f"rs_{self.response_id}",
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": thinking}],
                    "encrypted_content": thinking,
                }
            )
        calls = openai_calls(message)
        if message["content"] or not calls:
            part = {"type": "output_text", "text": message["content"]}
            output.append(
                {
                    "id": self.item_id,
                    "type": "message",
                    "status": "completed",
                    "role": "assistant",
                    "content": [part | {"annotations": [], "logprobs": []}],
                }
            )
        for at, call in enumerate(calls):
            output.append(
                {
                    "id": f"fc_{self.response_id}_{at}",
                    "type": "function_call",
                    "status": "completed",
                    "call_id": call["id"],
                    "name": call["function"]["name"],
                    "arguments": call["function"]["arguments"],
                }
            )
        return output


def usage_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens read and written, under this API's names."""
    prompt = int(record.get("prompt_eval_count", 0))
    written = int(record.get("eval_count", 0))
    return {
        "input_tokens": prompt,
        "output_tokens": written,
        "total_tokens": prompt + written,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def _read(body: bytes) -> dict[str, Any]:
    """Read a request; ``own`` is the server's own for it. Raises `RequestRefused`."""
    request = read_body(body, "ResponsesRequest", _RESPONSES, package="openai")
    messages = own_messages(request.get("input", ""), request.get("instructions", ""))
    options: dict[str, Any] = {"temperature": request.get("temperature", 1.0)}
    if "top_p" in request:
        options["top_p"] = request["top_p"]
    if "max_output_tokens" in request:
        options["num_predict"] = request["max_output_tokens"]
    text: Mapping[str, Any] = request.get("text", {})
    own = {
        "model": request.get("model", ""),
        "messages": messages,
        "tools": [_own_tool(tool) for tool in request.get("tools", ())],
        "stream": request.get("stream", False),
        "format": text.get("schema") if text.get("type") == "json_schema" else None,
        "options": options,
        "think": think_of(request.get("reasoning", {}).get("effort", "")),
    }
    return request | {"own": own}


def _own_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": tool["name"], "description": tool["description"] or ""}
    if tool["parameters"] is not None:
        function["parameters"] = tool["parameters"]
    return {"type": tool["type"], "function": function}


def _tools(value: Any, place: Place) -> list[dict[str, Any]]:
    return [_tool(item, place) for item in read_list(value, place, "[]openai.ResponsesTool")]


def _tool(value: Any, place: Place) -> dict[str, Any]:
    raw = {} if value is None else read_map(value, place, "openai.ResponsesTool")
    found = read_object(raw, place, _TOOL)
    empty = {"type": "", "name": "", "description": None, "strict": None, "parameters": None}
    parameters = found.get("parameters")
    return empty | found | ({"parameters": in_order(parameters)} if parameters else {})


def _text(value: Any, place: Place) -> dict[str, Any]:
    raw = read_map(value, place, "openai.ResponsesText")
    found: dict[str, dict[str, Any]] = read_object(raw, place, {"format": ("format", _format)})
    return found.get("format", {})


def _format(value: Any, place: Place) -> dict[str, Any]:
    found = read_object(read_map(value, place, "openai.ResponsesTextFormat"), place, _FORMAT)
    return {"type": "", **found}


def _reasoning(value: Any, place: Place) -> dict[str, Any]:
    found = read_object(read_map(value, place, "openai.ResponsesReasoning"), place, _REASONING)
    return {key: text for key, text in found.items() if text and key != "generate_summary"}


def _texts(value: Any, place: Place) -> list[str]:
    return [read_text(item, place) for item in read_list(value, place, "[]string")]


_REASONING: Fields = {
    "effort": ("effort", read_text),
    "generate_summary": ("generate_summary", read_text),
    "summary": ("summary", read_text),
}

_FORMAT: Fields = {
    "type": ("type", read_text),
    "name": ("name", read_text),
    "schema": ("schema", read_anything),
    "strict": ("strict", read_flag),
}

_TOOL: Fields = {
    "type": ("type", read_text),
    "name": ("name", read_text),
    "description": ("description", read_text),
    "strict": ("strict", read_flag),
    "parameters": ("parameters", read_map),
}

_RESPONSES: Fields = {
    "model": ("model", read_text),
    "background": ("background", read_flag),
    "include": ("include", _texts),
    "input": ("input", read_input),
    "instructions": ("instructions", read_text),
    "max_output_tokens": ("max_output_tokens", read_integer),
    "reasoning": ("reasoning", _reasoning),
    "temperature": ("temperature", read_float),
    "text": ("text", _text),
    "top_p": ("top_p", read_float),
    "truncation": ("truncation", read_text),
    "tools": ("tools", _tools),
    "stream": ("stream", read_flag),
}
