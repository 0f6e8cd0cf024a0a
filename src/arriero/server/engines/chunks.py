"""Put the answers of llama.cpp's server together from their chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .engine import Delta, Emit, EngineError, Finish, Sampling, ToolCall

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class TextAnswer:
    """Turn the chunks of one completion into deltas and a `Finish`."""

    def __init__(self, emit: Emit, sampling: Sampling) -> None:
        self._emit = emit
        self._top = sampling.top_logprobs
        self._reason = ""
        self._timings: Mapping[str, Any] = {}
        self._refusal: str | None = None

    def take(self, chunk: str) -> bool:
        """Read one chunk; True stops llama.cpp."""
        record: Any = _decode(chunk)
        if "error" in record:
            self._refusal = chunk
            return True
        self._timings = record.get("timings") or self._timings
        for choice in record.get("choices") or ():
            self._reason = choice.get("finish_reason") or self._reason
            if self._step(choice):
                return True
        return False

    def finish(self) -> Finish:
        """Sum up. Raise what llama.cpp answered if it refused."""
        if self._refusal is not None:
            raise_refusal(_decode(self._refusal), self._refusal)
        timings = self._timings
        return Finish(
            reason="length" if self._reason == "length" else "stop",
            prompt_tokens=int(timings.get("prompt_n", 0)) + int(timings.get("cache_n", 0)),
            prompt_ns=round(float(timings.get("prompt_ms", 0.0)) * 1e6),
            output_tokens=int(timings.get("predicted_n", 0)),
            output_ns=round(float(timings.get("predicted_ms", 0.0)) * 1e6),
            tool_calls=self._tool_calls(),
        )

    def _step(self, choice: Mapping[str, Any]) -> bool:
        delta = Delta(text=choice.get("text") or "", logprobs=self._logprobs(choice))
        return self._passes(delta)

    def _passes(self, delta: Delta) -> bool:
        # A chunk that only reports progress still asks whether to go on.
        return self._emit(delta)

    def _tool_calls(self) -> list[ToolCall]:
        return []

    def _logprobs(self, choice: Mapping[str, Any]) -> list[dict[str, Any]]:
        if self._top is None or not choice.get("logprobs"):
            return []
        entries: list[dict[str, Any]] = choice["logprobs"].get("content") or []
        return [_logprob(entry, self._top) for entry in entries]


class ChatAnswer(TextAnswer):
    """The same for a chat: reasoning apart, tool calls put together from their pieces."""

    def __init__(self, emit: Emit, sampling: Sampling, beginning: str) -> None:
        super().__init__(emit, sampling)
        self._beginning = beginning
        self._calls: dict[int, dict[str, str]] = {}

    def _step(self, choice: Mapping[str, Any]) -> bool:
        delta: Mapping[str, Any] = choice.get("delta") or {}
        for piece in delta.get("tool_calls") or ():
            call = self._calls.setdefault(int(piece["index"]), {"id": "", "name": "", "text": ""})
            function: Mapping[str, Any] = piece.get("function") or {}
            call["id"] += piece.get("id") or ""
            call["name"] += function.get("name") or ""
            call["text"] += function.get("arguments") or ""
        return self._passes(
            Delta(
                text=self._with_beginning(delta.get("content") or ""),
                thinking=delta.get("reasoning_content") or "",
                logprobs=self._logprobs(choice),
            )
        )

    def _with_beginning(self, text: str) -> str:
        """Put the beginning the caller gave before the first text.

        llama.cpp's server of August 2026 does so itself, the one of October does not.
        """
        if not text or not self._beginning:
            return text
        beginning, self._beginning = self._beginning, ""
        return text if text.startswith(beginning) else beginning + text

    def _tool_calls(self) -> list[ToolCall]:
        return [
            ToolCall(call["id"], index, call["name"], _arguments(call["name"], call["text"]))
            for index, call in sorted(self._calls.items())
        ]


def _arguments(name: str, text: str) -> Any:
    try:
        return _decode(text) if text else {}
    except msgspec.DecodeError as cause:
        message = f'llama-server returned invalid tool call arguments for "{name}": {cause}'
        raise EngineError(500, message) from cause


def _logprob(entry: Mapping[str, Any], top: int) -> dict[str, Any]:
    row = _bare_logprob(entry)
    if top:
        alternatives = entry.get("top_logprobs") or ()
        row["top_logprobs"] = [_bare_logprob(other) for other in alternatives[:top]]
    return row


def _bare_logprob(entry: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"token": entry["token"], "logprob": entry["logprob"]}
    if entry.get("bytes"):
        row["bytes"] = entry["bytes"]
    return row


def raise_refusal(reply: Any, text: str | None = None) -> None:
    """Raise the error in a reply of llama.cpp, if there is one.

    Raises:
        EngineError: with `text`, or the reply as JSON, as what the caller gets.
    """
    error: Mapping[str, Any] | None = reply.get("error")
    if error is None:
        return
    raise EngineError(
        int(error.get("code", 500)),
        text if text is not None else _encode(reply).decode(),
        str(error.get("message", "")),
        str(error.get("type", "")),
        _excess(error),
    )


def _excess(error: Mapping[str, Any]) -> float:
    prompt, context = error.get("n_prompt_tokens"), error.get("n_ctx")
    return 1 - context / prompt if prompt and context and prompt > context else 0.0
