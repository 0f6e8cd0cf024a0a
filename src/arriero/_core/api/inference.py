"""`chat` and `generate`.

Source: Ollama v0.33.0-rc2, `api/types.go` ChatRequest, GenerateRequest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from arriero._core.api.arguments import (
    Body,
    KeepAlive,
    body_of,
    format_to_wire,
    keep_alive_to_wire,
    options_to_wire,
    required,
    think_to_wire,
)
from arriero._core.calls import Call
from arriero._core.completion import ChatTally, GenerateTally
from arriero._core.images import ImageSlot, images_to_wire
from arriero._core.ndjson import RecordDecoder
from arriero.errors import RequestError
from arriero.settings import Timeouts
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.options import Options
from arriero.types.record import Record, to_wire

_CHAT = RecordDecoder(ChatResponse)
_GENERATE = RecordDecoder(GenerateResponse)


def chat(
    model: str,
    messages: Sequence[Any] | None,
    *,
    tools: Sequence[Any] | None = None,
    stream: bool = False,
    think: bool | str | None = None,
    logprobs: bool | None = None,
    top_logprobs: int | None = None,
    format: Any = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: KeepAlive | None = None,
    truncate: bool | None = None,
    shift: bool | None = None,
    debug_render_only: bool | None = None,
    timeouts: Timeouts | None = None,
) -> Call[ChatResponse]:
    """Build a chat; see the client's method for the arguments."""
    wire_format, parse = format_to_wire(format)
    slots: list[ImageSlot] = []
    body = body_of(
        model=required(model, "model", "chat"),
        messages=None if messages is None else _messages_to_wire(messages, slots),
        tools=None if tools is None else _tools_to_wire(tools),
        stream=bool(stream),
        think=think_to_wire(think),
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        format=wire_format,
        options=options_to_wire(options),
        keep_alive=keep_alive_to_wire(keep_alive),
        truncate=truncate,
        shift=shift,
        _debug_render_only=debug_render_only,
    )
    return Call(
        "POST",
        "/api/chat",
        _CHAT,
        body=body,
        stream=bool(stream),
        tally=ChatTally,
        parse=parse,
        slots=tuple(slots),
        timeouts=timeouts,
    )


def generate(
    model: str,
    prompt: str | None,
    suffix: str | None = None,
    *,
    system: str | None = None,
    template: str | None = None,
    context: Sequence[int] | None = None,
    stream: bool = False,
    think: bool | str | None = None,
    logprobs: bool | None = None,
    top_logprobs: int | None = None,
    raw: bool | None = None,
    format: Any = None,
    images: Any = None,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: KeepAlive | None = None,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    truncate: bool | None = None,
    shift: bool | None = None,
    debug_render_only: bool | None = None,
    timeouts: Timeouts | None = None,
) -> Call[GenerateResponse]:
    """Build a generation; see the client's method for the arguments."""
    wire_format, parse = format_to_wire(format)
    slots: list[ImageSlot] = []
    body = body_of(
        model=required(model, "model", "generate"),
        prompt=prompt,
        suffix=suffix,
        system=system,
        template=template,
        context=None if context is None else list(context),
        stream=bool(stream),
        think=think_to_wire(think),
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        raw=raw,
        format=wire_format,
        images=None if images is None else images_to_wire(images, slots, where="images"),
        options=options_to_wire(options),
        keep_alive=keep_alive_to_wire(keep_alive),
        width=width,
        height=height,
        steps=steps,
        truncate=truncate,
        shift=shift,
        _debug_render_only=debug_render_only,
    )
    return Call(
        "POST",
        "/api/generate",
        _GENERATE,
        body=body,
        stream=bool(stream),
        tally=GenerateTally,
        parse=parse,
        slots=tuple(slots),
        timeouts=timeouts,
    )


def _messages_to_wire(messages: Sequence[Any], slots: list[ImageSlot]) -> list[Body]:
    if isinstance(messages, str | bytes | Mapping | Record) or not hasattr(messages, "__iter__"):
        raise RequestError(
            "chat: messages is a list of messages, such as"
            f" [{{'role': 'user', 'content': '...'}}], not {type(messages).__name__}"
        )
    return [_message_to_wire(message, index, slots) for index, message in enumerate(messages)]


def _has_get(message: object) -> bool:
    # Asking the ABC takes ten times as long.
    return type(message) is dict or isinstance(message, (Record, Mapping))


def _message_to_wire(message: Any, index: int, slots: list[ImageSlot]) -> Body:
    has_get = _has_get(message)
    if not has_get and not hasattr(message, "model_dump"):
        raise RequestError(
            f"chat: messages[{index}] is a dict or a Message, not {type(message).__name__}"
        )
    if has_get and not message.get("role"):
        raise RequestError(
            f"chat: messages[{index}] has no role; write {{'role': 'user', 'content': '...'}}"
        )
    images: Any = message.get("images") if has_get else getattr(message, "images", None)
    if not images:
        return cast("Body", to_wire(message))
    if isinstance(message, Mapping):
        rest: Any = {
            name: value
            for name, value in cast("Mapping[str, Any]", message).items()
            if name != "images"
        }
    else:
        rest = message.model_copy(update={"images": None})
    made = cast("Body", to_wire(rest))
    made["images"] = images_to_wire(images, slots, where=f"messages[{index}].images")
    return made


def _tools_to_wire(tools: Sequence[Any]) -> list[Any]:
    from arriero.schema import tools_to_wire

    return tools_to_wire(tools)
