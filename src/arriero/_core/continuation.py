"""Going on with an answer that was cut off: what had arrived becomes its beginning."""

from __future__ import annotations

from typing import Any

import msgspec

from arriero._core.calls import Call
from arriero.errors import (
    ArrieroError,
    ConnectionLost,
    DeadlineExceeded,
    StreamFailed,
    StreamIncomplete,
)
from arriero.types.chat import ChatResponse, GenerateResponse


def is_cut(error: ArrieroError) -> bool:
    """Tell whether an answer ended for a reason that another try may not meet."""
    if isinstance(error, DeadlineExceeded):
        return error.budget == "idle_s"
    return isinstance(error, ConnectionLost | StreamFailed | StreamIncomplete)


def continued(call: Call[Any], so_far: Any) -> tuple[Call[Any], str] | None:
    """Give the call that asks for the rest of an answer; None if none can.

    A model goes on with a last message of the assistant's, and with a raw prompt. With a
    ``format`` it cannot: the grammar would begin anew in the middle. What it had reasoned but
    not yet said, and tools it had asked for, cannot be handed back as a beginning.

    Returns:
        The call, and what its first record will repeat: a server that continues a chat says
        its beginning again; one that takes it for a finished turn does not, and what it
        says then is another answer.

    Source: Ollama v0.33.0-rc2; `tests/wire/corpus/chat/prefill-stream` continues,
    `chat-go/prefill` begins anew.
    """
    body = call.body
    if body is None or body.get("format"):
        return None
    if isinstance(so_far, ChatResponse):
        message = so_far.message
        if not message.content or message.tool_calls:
            return None
        beginning = {"role": "assistant", "content": message.content}
        if message.thinking:
            beginning["thinking"] = message.thinking
        messages = [*(body.get("messages") or ()), beginning]
        return msgspec.structs.replace(call, body={**body, "messages": messages}), message.content
    if isinstance(so_far, GenerateResponse) and body.get("raw") and so_far.response:
        prompt = f"{body.get('prompt') or ''}{so_far.response}"
        return msgspec.structs.replace(call, body={**body, "prompt": prompt}), ""
    return None


def without_beginning(record: Any, beginning: str) -> Any | None:
    """Give the first record of a continued chat without what it repeats.

    None if it repeats something else: the server has begun another answer.
    """
    if not isinstance(record, ChatResponse):
        return None
    content = record.message.content or ""
    if not content.startswith(beginning):
        return None
    message = record.message.model_copy(update={"content": content[len(beginning) :]})
    return record.model_copy(update={"message": message})
