"""A conversation: what is sent with the next question, and how it is kept in a file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from arriero.cli.inputs import text_of
from arriero.errors import RequestError
from arriero.types.chat import Message
from arriero.types.image import Image

_FORMAT = 1
"""Version of the file."""


@dataclass
class Conversation:
    """Who is asked, how, and what was said so far."""

    model: str
    system: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    think: bool | str | None = None
    keep_alive: float | str | None = None
    messages: list[Message] = field(default_factory=list[Message])

    @property
    def sent(self) -> list[Message]:
        """The messages of the next call."""
        system = [Message(role="system", content=self.system)] if self.system else []
        return [*system, *self.messages]

    def ask(self, text: str, images: list[Path]) -> None:
        """Add a question."""
        pictures: list[Image | str] = [Image(value=path) for path in images]
        self.messages.append(Message(role="user", content=text, images=pictures or None))

    def take_back(self) -> None:
        """Forget the last question and what came after it."""
        while self.messages and self.messages.pop().role != "user":
            pass

    def last_question(self) -> Message | None:
        """Give the last question; None if there is none."""
        return next((one for one in reversed(self.messages) if one.role == "user"), None)

    def save(self, path: Path) -> None:
        """Write it to a file that only its owner can read.

        Raises:
            RequestError: the file cannot be written; one that was there is then unchanged.
        """
        document = {
            "arriero_chat": _FORMAT,
            "model": self.model,
            "system": self.system,
            "options": self.options,
            "think": self.think,
            "messages": [one.model_dump(mode="json", exclude_none=True) for one in self.messages],
        }
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2, ensure_ascii=False)
            partial.replace(path)
        except OSError as cause:
            raise RequestError(f"{path}: cannot be written: {cause.strerror or cause}") from cause
        finally:
            partial.unlink(missing_ok=True)

    def load(self, path: Path) -> None:
        """Take over what a file holds; the model stays if the file names none.

        Raises:
            RequestError: the file cannot be read, or is none of ours; nothing has changed then.
        """
        try:
            given: object = json.loads(text_of(path))
        except ValueError as cause:
            if isinstance(cause, RequestError):
                raise
            raise RequestError(f"{path}: no saved conversation: {cause}") from cause
        document = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        if document.get("arriero_chat") != _FORMAT:
            raise RequestError(f"{path}: no saved conversation; /save makes one")
        try:
            messages = [Message.model_validate(one) for one in document["messages"]]
        except (KeyError, TypeError, ValueError) as cause:
            raise RequestError(f"{path}: its messages cannot be read: {cause}") from cause
        self.messages = messages
        self.model = str(document.get("model") or self.model)
        self.system = document.get("system")
        self.options = dict(document.get("options") or {})
        self.think = document.get("think")
