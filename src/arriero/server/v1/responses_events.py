"""Events of ``POST /v1/responses``.

Source: Ollama v0.33.0-rc2, openai/responses.go ResponsesStreamConverter.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .. import gojson
from .openai_requests import openai_calls

FrameOf: TypeAlias = Callable[[str, Sequence[Any], Mapping[str, Any] | None], dict[str, Any]]
"""Makes the response object from its status, output and usage."""


def in_order(value: Any) -> Any:
    """The same value with the keys of every object sorted, as Go writes maps."""
    if gojson.is_object(value):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if gojson.is_list(value) else value


@dataclass(slots=True)
class ResponseEvents:
    """Turns the records of one answer into events, in order."""

    response_id: str
    item_id: str
    frame_of: FrameOf
    _number: int = 0
    _index: int = 0
    _text: str = ""
    _thinking: str = ""
    _reasoning_id: str = ""
    _reasoning_done: bool = False
    _message_begun: bool = False
    _message_done: bool = False
    _calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def of_record(
        self, record: Mapping[str, Any], usage: Mapping[str, Any]
    ) -> Iterable[dict[str, Any]]:
        """Events of one record; `usage` is only told with the last one."""
        message = record["message"]
        yield from self._opening()
        if thinking := message.get("thinking"):
            yield from self._reason(thinking)
        if message["content"] and not self._calls:
            yield from self._say(message["content"])
        if calls := openai_calls(message):
            yield from self._finish_reasoning()
            yield from self._finish_message()
            for call in calls:
                yield from self._call(call)
        if record["done"]:
            yield from self._complete(usage)

    def failed(self, text: str) -> dict[str, Any]:
        """The event that ends a broken answer."""
        answer = self.frame_of("failed", self._output(), None)
        answer["error"] = {"code": "server_error", "message": text}
        return self._event("response.failed", response=answer)

    def _event(self, kind: str, **data: Any) -> dict[str, Any]:
        data |= {"type": kind, "sequence_number": self._number}
        self._number += 1
        ordered: dict[str, Any] = in_order(data)
        return ordered

    def _opening(self) -> Iterable[dict[str, Any]]:
        if self._number:
            return
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self.frame_of("in_progress", [], None))

    def _reason(self, thinking: str) -> Iterable[dict[str, Any]]:
        if not self._reasoning_id:
            self._reasoning_id = f"rs_{secrets.randbelow(999999)}"
            item: dict[str, Any] = {"id": self._reasoning_id, "type": "reasoning", "summary": []}
            yield self._event("response.output_item.added", output_index=self._index, item=item)
        self._thinking += thinking
        yield self._event(
            "response.reasoning_summary_text.delta",
            item_id=self._reasoning_id,
            output_index=self._index,
            summary_index=0,
            delta=thinking,
        )

    def _finish_reasoning(self) -> Iterable[dict[str, Any]]:
        if not self._reasoning_id or self._reasoning_done:
            return
        self._reasoning_done = True
        yield self._event(
            "response.reasoning_summary_text.done",
            item_id=self._reasoning_id,
            output_index=self._index,
            summary_index=0,
            text=self._thinking,
        )
        item = self._reasoning_item()
        yield self._event("response.output_item.done", output_index=self._index, item=item)
        self._index += 1

    def _call(self, call: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        arguments = call["function"]["arguments"]
        item = {
            "id": f"fc_{secrets.randbelow(999999)}_{len(self._calls)}",
            "type": "function_call",
            "status": "completed",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": arguments,
        }
        at = {"output_index": self._index + len(self._calls)}
        self._calls.append(item)
        started = item | {"status": "in_progress", "arguments": ""}
        yield self._event("response.output_item.added", item=started, **at)
        place = at | {"item_id": item["id"]}
        yield self._event("response.function_call_arguments.delta", delta=arguments, **place)
        yield self._event("response.function_call_arguments.done", arguments=arguments, **place)
        yield self._event("response.output_item.done", item=item, **at)

    def _say(self, text: str) -> Iterable[dict[str, Any]]:
        yield from self._finish_reasoning()
        place = {"item_id": self.item_id, "output_index": self._index, "content_index": 0}
        if not self._message_begun:
            self._message_begun = True
            started: dict[str, Any] = {"status": "in_progress", "content": []}
            item = self._message_item() | started
            yield self._event("response.output_item.added", output_index=self._index, item=item)
            yield self._event("response.content_part.added", part=self._part(), **place)
        self._text += text
        yield self._event("response.output_text.delta", delta=text, logprobs=[], **place)

    def _finish_message(self) -> Iterable[dict[str, Any]]:
        if not self._message_begun or self._message_done:
            return
        self._message_done = True
        place = {"item_id": self.item_id, "output_index": self._index, "content_index": 0}
        yield self._event("response.output_text.done", text=self._text, logprobs=[], **place)
        yield self._event("response.content_part.done", part=self._part(), **place)
        item = self._message_item()
        yield self._event("response.output_item.done", output_index=self._index, item=item)
        self._index += 1

    def _complete(self, usage: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        yield from self._finish_reasoning()
        yield from self._finish_message()
        answer = self.frame_of("completed", self._output(), usage)
        answer["completed_at"] = int(time.time())
        yield self._event("response.completed", response=answer)

    def _output(self) -> list[dict[str, Any]]:
        output = [self._reasoning_item()] if self._reasoning_id else []
        if self._message_begun:
            output.append(self._message_item())
        return [*output, *self._calls]

    def _reasoning_item(self) -> dict[str, Any]:
        return {
            "id": self._reasoning_id,
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": self._thinking}],
            "encrypted_content": self._thinking,
        }

    def _message_item(self) -> dict[str, Any]:
        return {
            "id": self.item_id,
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [self._part()],
        }

    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self._text, "annotations": [], "logprobs": []}
