"""Judging what goes to a model and what comes back: `Content`, and what its functions see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from arriero.errors import RequestError
from arriero.types.chat import ChatResponse, GenerateResponse

if TYPE_CHECKING:
    from arriero.settings import CallPolicy

_TEXT_KEYS = frozenset(
    {"prompt", "suffix", "system", "template", "input", "content", "thinking", "query", "text"}
)
"""Keys of request bodies under which texts for a model stand, at any depth."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Verdict: the call is not made, or its answer not given."""

    reason: str
    """Goes into the error, the event and the trail: without what was found, if that is
    secret."""

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str) or not self.reason.strip():
            raise RequestError("Refuse.reason takes a text that says why")


@dataclass(frozen=True, slots=True)
class ContentRequest:
    """What would be sent: a copy, which may be changed and given back."""

    call: str
    """Method and path, such as ``POST /api/chat``."""
    model: str
    body: dict[str, Any] = field(repr=False)
    """The request's JSON, images in it as base64."""
    policy: CallPolicy
    """Tenant and metadata of the call."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text in it that is for a model: prompts, messages, system, input, query."""
        return tuple(_texts(self.body))

    def mapped(self, change: Callable[[str], str]) -> ContentRequest:
        """Give the request with each of its `texts` changed by a function."""
        return replace(self, body=cast("dict[str, Any]", _mapped(self.body, change)))


@dataclass(frozen=True, slots=True)
class ContentAnswer:
    """What has come back: all of it, or of a stream one record and the text so far."""

    call: str
    model: str
    text: str = field(repr=False)
    """The answer's text, of a stream up to and with this record."""
    thinking: str = field(repr=False)
    """The reasoning's text, likewise."""
    response: Any = field(repr=False)
    """A copy of the answer, or of this record of a stream."""
    is_stream: bool
    is_last: bool
    """True for a whole answer, and for the record that ends a stream."""
    policy: CallPolicy

    def with_text(self, text: str, *, thinking: str | None = None) -> ContentAnswer:
        """Give it with another text in `response`: of a stream, that of this record alone.

        Raises:
            RequestError: the answer is none that has a text.
        """
        response = self.response.model_copy()
        if isinstance(response, ChatResponse):
            update = {"content": text, "thinking": thinking}
            response.message = response.message.model_copy(update=update)
        elif isinstance(response, GenerateResponse):
            response.response, response.thinking = text, thinking
        else:
            raise RequestError(f"with_text: {type(response).__name__} has no text to replace")
        return replace(self, response=response)


Before: TypeAlias = "Callable[[ContentRequest], Any | Awaitable[Any]]"
After: TypeAlias = "Callable[[ContentAnswer], Any | Awaitable[Any]]"


@dataclass(frozen=True, slots=True)
class Content:
    """Functions that judge what goes to a model and what comes back. Off by default.

    Each gives None to let it pass, `Refuse` with a reason, or a changed copy of what it got.
    With `AsyncClient` they may be async. A function that raises, or gives anything else,
    refuses, unless `fails_open`.
    """

    before: Before | None = None
    """Called once for each call, before it is queued, with a `ContentRequest`."""
    after: After | None = None
    """Called with a `ContentAnswer`: for a whole answer once, for a stream for each record."""
    hold: bool = False
    """True gives nothing of a stream before `after` has judged the whole answer."""
    fails_open: bool = False
    """True lets pass what a broken function could not judge."""

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise RequestError(f"Content.{name} takes a function or None")
        for name in ("hold", "fails_open"):
            if not isinstance(getattr(self, name), bool):
                raise RequestError(f"Content.{name} takes True or False")
        if self.hold and self.after is None:
            raise RequestError("Content.hold waits for the verdict of after: give that too")


def _texts(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if key in _TEXT_KEYS:
            yield value
    elif isinstance(value, Mapping):
        for name, item in cast("Mapping[str, object]", value).items():
            yield from _texts(item, name)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _texts(item, key)


def _mapped(value: object, change: Callable[[str], str], key: str = "") -> object:
    if isinstance(value, str):
        return change(value) if key in _TEXT_KEYS else value
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {name: _mapped(item, change, name) for name, item in items}
    if isinstance(value, list):
        return [_mapped(item, change, key) for item in cast("list[object]", value)]
    return value
