"""When a stream is complete, and what its records add up to."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Any, Generic, Protocol, TypeVar

from arriero.types.chat import ChatResponse, GenerateResponse, InferenceResponse, Logprob, Message
from arriero.types.models import ProgressResponse
from arriero.types.record import Record

R = TypeVar("R", bound=Record)


class Tally(Protocol[R]):
    """Adds up the records of one stream.

    Attributes:
        complete: True once the record that ends the stream was seen.
        needs_last: False if no record ends the stream, so that any clean end is a good one.
    """

    complete: bool
    needs_last: bool

    @property
    def last(self) -> R | None:
        """The newest record; None before the first."""
        ...

    def add(self, records: Sequence[R]) -> None:
        """Take in records, at least one, in order."""
        ...

    def total(self) -> R | None:
        """Give what has arrived as one record; None if nothing has."""
        ...

    def text(self) -> str:
        """Give the answer's text so far."""
        ...


class InferenceTally(Generic[R]):
    """What chat and generate streams have in common.

    Text is kept in one buffer, so that a stream of a million tokens holds its characters
    and not a million objects.
    """

    needs_last = True

    def __init__(self) -> None:
        self.complete = False
        self.last: R | None = None
        self._text = StringIO()
        self._thinking = StringIO()
        self._tool_calls: list[Message.ToolCall] = []
        self._logprobs: list[Logprob] = []

    def text(self) -> str:
        """Give the answer's text so far."""
        return self._text.getvalue()

    def thinking(self) -> str:
        """Give the reasoning's text so far."""
        return self._thinking.getvalue()


class ChatTally(InferenceTally[ChatResponse]):
    """Adds up a chat: text, thinking, tool calls, log probabilities; the rest is the last's."""

    def __init__(self) -> None:
        super().__init__()
        self._role = ""
        self._images: list[Any] = []

    def add(self, records: Sequence[ChatResponse]) -> None:
        """Take in records, at least one, in order."""
        write = self._text.write
        for record in records:
            message = record.message
            content, thinking = message.content, message.thinking
            if content:
                write(content)
            if thinking:
                self._thinking.write(thinking)
            if message.tool_calls:
                self._tool_calls += message.tool_calls
            if message.images:
                self._images += message.images
            if record.logprobs:
                self._logprobs += record.logprobs
            if record.done or (not content and not thinking and is_debug(record)):
                self.complete = True
        self.last = last = records[-1]
        if not self._role:
            self._role = last.message.role

    def total(self) -> ChatResponse | None:
        """Give the chat so far as one response, ready to be put into the history."""
        if self.last is None:
            return None
        made = self.last.model_copy()
        made.message = made.message.model_copy(
            update={
                "role": self._role or "assistant",
                "content": self.text(),
                "thinking": self.thinking() or None,
                "tool_calls": list(self._tool_calls) or None,
                "images": list(self._images) or None,
            }
        )
        made.logprobs = list(self._logprobs) or None
        return made


class GenerateTally(InferenceTally[GenerateResponse]):
    """Adds up a generation, as `ChatTally` does a chat."""

    def add(self, records: Sequence[GenerateResponse]) -> None:
        """Take in records, at least one, in order."""
        write = self._text.write
        for record in records:
            text, thinking = record.response, record.thinking
            if text:
                write(text)
            if thinking:
                self._thinking.write(thinking)
            if record.tool_calls:
                self._tool_calls += record.tool_calls
            if record.logprobs:
                self._logprobs += record.logprobs
            if record.done or (not text and not thinking and is_debug(record)):
                self.complete = True
        self.last = records[-1]

    def total(self) -> GenerateResponse | None:
        """Give the generation so far as one response."""
        if self.last is None:
            return None
        made = self.last.model_copy()
        made.response = self.text()
        made.thinking = self.thinking() or None
        made.tool_calls = list(self._tool_calls) or None
        made.logprobs = list(self._logprobs) or None
        return made


class ProgressTally:
    """Keeps the last step of a pull, push or create; ``success`` ends it."""

    needs_last = True

    def __init__(self) -> None:
        self.complete = False
        self.last: ProgressResponse | None = None

    def add(self, records: Sequence[ProgressResponse]) -> None:
        """Take in records, at least one, in order."""
        self.last = records[-1]
        if self.last.status == "success":
            self.complete = True

    def total(self) -> ProgressResponse | None:
        """Give the last step."""
        return self.last

    def text(self) -> str:
        """Give the last step's status."""
        return (self.last.status if self.last else None) or ""


class RawTally(Generic[R]):
    """Keeps the last record; any clean end is a good end, for calls nothing is known of."""

    needs_last = False

    def __init__(self) -> None:
        self.complete = False
        self.last: R | None = None

    def add(self, records: Sequence[R]) -> None:
        """Take in records, at least one, in order."""
        self.last = records[-1]

    def total(self) -> R | None:
        """Give the last record."""
        return self.last

    def text(self) -> str:
        """Give nothing: what is text here is not known."""
        return ""


def is_debug(record: InferenceResponse) -> bool:
    """Tell whether this is the answer to ``_debug_render_only``, which is never ``done``."""
    return "_debug_info" in record.model_extra


def is_complete(record: Record) -> bool:
    """Tell whether a whole answer says that it is whole.

    Source: a server whose engine stopped early answers 200 with ``done`` false.
    """
    if isinstance(record, InferenceResponse):
        return record.done is not False or is_debug(record)
    return True
