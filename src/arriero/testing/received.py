"""What a server received."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from arriero.server.engines.engine import Conversation
from arriero.server.engines.script import Question, conversation_question

_SECRET = frozenset({
    "authorization", "cookie", "proxy-authorization", "x-api-key", "api-key",
})  # fmt: skip
HIDDEN = "***"
"""Stands where a secret was."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it arrived.

    Attributes:
        method: HTTP method.
        path: Path, decoded, without the query.
        query: What follows the question mark, as sent.
        headers: By lower-case name. Of credentials only the scheme is kept: ``Bearer ***``.
        body: The body as sent.
        json: The body as JSON, or None if it is none.
        at_s: When it had arrived, on the clock of `time.monotonic`.
        fault: What was done to its answer, or "".
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    json: Any = None
    at_s: float = 0.0
    fault: str = ""

    @property
    def question(self) -> Question:
        """What it asks of a model; empty where it asks nothing."""
        return _question(_object(self.json))

    @property
    def model(self) -> str:
        """The model as named in the request, or ""."""
        return self.question.model

    @property
    def text(self) -> str:
        """Content of its last message, its prompt, or its texts to embed, line by line."""
        return self.question.text

    def __str__(self) -> str:
        """One line for a message."""
        question = self.question
        asks = f" model={question.model!r} says={question.text[:60]!r}" if question.model else ""
        return f"{self.method} {self.path}{asks}"


def received(
    method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes, at_s: float
) -> Received:
    """Make a record of a request; secrets are left out."""
    path, _, query = target.partition("?")
    known: dict[str, str] = {}
    for name, value in headers:
        shown = without_secret(name, value)
        known[name.lower()] = f"{known[name.lower()]}, {shown}" if name.lower() in known else shown
    return Received(method, unquote(path), query, known, body, json_in(body), at_s)


def without_secret(name: str, value: str) -> str:
    """Give the value of a header, of a credential its scheme alone."""
    if name.lower() not in _SECRET:
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {HIDDEN}" if space else HIDDEN


def json_in(body: bytes) -> Any:
    """Decode a body, or give None if it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def _question(body: Mapping[str, Any]) -> Question:
    model = str(body.get("model") or body.get("name") or "")
    given: Any = body.get("input")
    messages = body.get("messages") or given
    if _are_messages(messages):
        tools = [tool for tool in _list(body.get("tools")) if _object(tool)]
        offered = [tool if "function" in tool else {"function": tool} for tool in tools]
        return conversation_question(
            model, Conversation(messages, offered, bool(body.get("think")))
        )
    prompt = body.get("prompt")
    text = prompt if isinstance(prompt, str) else _lines(given)
    return Question(model, text, think=bool(body.get("think")))


def _lines(given: object) -> str:
    items = [given] if isinstance(given, str) else _list(given)
    return "\n".join(item for item in items if isinstance(item, str))


def _are_messages(value: object) -> bool:
    items = _list(value)
    return bool(items) and all(isinstance(item, Mapping) for item in items)


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()
