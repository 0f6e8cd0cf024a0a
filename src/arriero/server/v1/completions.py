"""``POST /v1/completions``.

Source: Ollama v0.33.0-rc2, openai/openai.go FromCompleteRequest, ToCompleteChunk.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import gojson
from ..bodies import Fields, RequestRefused, read_body, read_integer, read_text
from ..exchange import Exchange
from ..generate import generate
from ..inference import House
from .facade import OpenAi, forward, frame, go_type, read_request
from .openai_requests import SAMPLING, options_of, read_stream_options, usage_of


async def completions(house: House, exchange: Exchange) -> None:
    """Complete a prompt as OpenAI would. Raises `Refused`."""
    facade = _CompletionFacade(exchange.scope, b"", exchange.send)
    request = read_request(exchange, facade, _read)
    facade.stream = request.get("stream", False)
    facade.include_usage = request.get("stream_options", False)
    await forward(house, facade, request["own"], generate)


@dataclass(slots=True)
class _CompletionFacade(OpenAi):
    id: str = field(default_factory=lambda: f"cmpl-{secrets.randbelow(999)}")
    created_s: int = field(default_factory=lambda: int(time.time()))
    include_usage: bool = False

    def whole(self, record: Mapping[str, Any]) -> Any:
        return {
            **self._head(),
            "model": record["model"],
            "system_fingerprint": "fp_ollama",
            "choices": [_choice(record)],
            "usage": usage_of(record),
        }

    def events(self, record: Mapping[str, Any]) -> Iterable[bytes]:
        yield self._chunk(record, [_choice(record)], usage_of({}))
        if not record["done"]:
            return
        if self.include_usage:
            yield self._chunk(record, [], usage_of(record))
        yield b"data: [DONE]\n\n"

    def _chunk(
        self, record: Mapping[str, Any], choices: list[Any], usage: Mapping[str, int]
    ) -> bytes:
        chunk = {
            **self._head(),
            "choices": choices,
            "model": record["model"],
            "system_fingerprint": "fp_ollama",
        }
        return frame(chunk | {"usage": usage} if self.include_usage else chunk)

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "object": "text_completion", "created": self.created_s}


def _choice(record: Mapping[str, Any]) -> dict[str, Any]:
    reason = record.get("done_reason")
    choice = {"text": record["response"], "index": 0, "finish_reason": reason}
    logprobs = record.get("logprobs")
    return choice | {"logprobs": {"content": logprobs}} if logprobs else choice


def _read(body: bytes) -> dict[str, Any]:
    """Read a request; ``own`` is the server's own for it. Raises `RequestRefused`."""
    request = read_body(body, "CompletionRequest", _COMPLETION, package="openai")
    alternatives: int = request.get("logprobs", 0)
    if request.get("top_p") == 0:
        # Ollama cannot tell zero from nothing here.
        del request["top_p"]
    own = {
        "model": request.get("model", ""),
        "prompt": request.get("prompt", ""),
        "suffix": request.get("suffix", ""),
        "stream": request.get("stream", False),
        "options": options_of(request) | _stop(request.get("stop")),
        "logprobs": alternatives > 0,
        "top_logprobs": max(0, alternatives),
        "_debug_render_only": request.get("render_only", False),
    }
    return request | {"own": own}


def _stop(given: Any) -> dict[str, list[str]]:
    if isinstance(given, str):
        return {"stop": [given]}
    if not gojson.is_list(given):
        return {}
    for text in given:
        if not isinstance(text, str):
            raise RequestRefused(f"invalid type for 'stop' field: {go_type(text)}")
    return {"stop": given}


_COMPLETION: Fields = {
    **SAMPLING,
    "prompt": ("prompt", read_text),
    "suffix": ("suffix", read_text),
    "stream_options": ("stream_options", read_stream_options),
    "logprobs": ("logprobs", read_integer),
}
