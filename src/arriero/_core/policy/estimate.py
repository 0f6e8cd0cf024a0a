"""How many tokens a call will take, before the server has counted them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

CHARACTERS_PER_TOKEN = 4
"""Of English text with the tokenizers of common models. An estimate is all that is needed: it
is replaced by the server's counts when the call is over."""

UNKNOWN_ANSWER = 256
"""Tokens reserved for the first answer, if the call sets no ``num_predict``."""


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Estimate the prompt of a chat, generation or embedding."""
    characters = 0
    for name in _PROMPTS:
        text = body.get(name)
        if text:
            characters += _length(text)
    for message in body.get("messages") or ():
        content = message.get("content")
        if content:
            characters += len(content)
    return characters // CHARACTERS_PER_TOKEN + 1


_PROMPTS = ("prompt", "system", "input")


def _length(text: object) -> int:
    if isinstance(text, str):
        return len(text)
    if isinstance(text, Sequence):
        return sum(map(_length, cast("Sequence[object]", text)))
    return 0


def most_answer_tokens(body: Mapping[str, Any]) -> int | None:
    """Give the ``num_predict`` a call sets; None if it sets none, or no limit."""
    options = body.get("options")
    if options is None or not isinstance(options, Mapping):
        return None
    value = cast("Mapping[str, object]", options).get("num_predict")
    return value if isinstance(value, int) and value >= 0 else None


def counted_tokens(response: object) -> int | None:
    """Give the server's own count of an answer; None if it sent none."""
    prompt = getattr(response, "prompt_eval_count", None)
    answer = getattr(response, "eval_count", None)
    if prompt is None and answer is None:
        return None
    return (prompt or 0) + (answer or 0)


def waited_in_server_s(response: object) -> float:
    """Give the part of an answer's time in which the server did not work on it.

    Source: Ollama v0.33.0-rc2, `api/types.go` Metrics: ``total_duration`` counts from the
    request's arrival, the other durations only the work itself.
    """
    total_ns: int = getattr(response, "total_duration", None) or 0
    if not total_ns:
        return 0.0
    work_ns: int = (
        (getattr(response, "load_duration", None) or 0)
        + (getattr(response, "prompt_eval_duration", None) or 0)
        + (getattr(response, "eval_duration", None) or 0)
    )
    return max(0.0, (total_ns - work_ns) / 1e9)
