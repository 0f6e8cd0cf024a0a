"""`Call`: one request to one endpoint, as a value, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from arriero._core.completion import Tally
from arriero._core.host import Base
from arriero._core.http import FileBody, Head
from arriero._core.images import ImageSlot
from arriero._core.ndjson import RecordDecoder
from arriero.settings import Timeouts

T = TypeVar("T")

Repeat: TypeAlias = Literal["always", "unsent", "delete"]
"""Whether a request whose answer was lost may be sent again. ``always``: it changes nothing,
or the same once more. ``unsent``: only if it surely did not arrive. ``delete``: again, and a
404 then means that the first one worked."""


RUNS_MODEL = frozenset(
    {
        "/api/chat",
        "/api/generate",
        "/api/embed",
        "/api/embeddings",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
    }
)
"""Paths where a model works: they count for limits, and asking again changes nothing."""


class Call(msgspec.Struct, Generic[T], frozen=True):
    """What to send, and what its answer means.

    `T` is the whole answer, or one record of a stream.
    """

    method: str
    path: str
    """Begins with a slash; the host's own prefix is put before it."""
    decoder: RecordDecoder[Any] | None = None
    """Makes records of a stream, and the whole answer unless `whole` does."""
    body: Mapping[str, Any] | None = None
    """JSON value of the body."""
    content: bytes | FileBody | None = None
    """Body that is no JSON; `body` is None then."""
    stream: bool = False
    tally: Callable[[], Tally[Any]] | None = None
    """Adds up the records of a stream."""
    whole: Callable[[Head, bytes], T] | None = None
    """Makes the answer of a call without stream where that is not one JSON object."""
    parse: Callable[[str], Any] | None = None
    """Makes the object of a ``format`` that is a class from the answer's text."""
    slots: tuple[ImageSlot, ...] = ()
    repeat: Repeat = "always"
    base: Base | None = None
    """Server to use instead of the client's; gets none of the client's own headers."""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = ()
    """What no error may repeat of the body; of headers that is known by their names."""
    timeouts: Timeouts | None = None
    """Instead of the client's, wholly."""
    patient: bool = False
    """True if the server may rightly be silent for hours: `first_token_s` does not count
    unless the call names `timeouts` of its own."""
    accept_status: frozenset[int] = frozenset()
    """Statuses outside 200-299 that are answers too."""
    any_status: bool = False
    """True if every status is an answer."""
    is_traced: bool = False
    """True if a tracer has put itself around the call, and tells of it on its own."""

    def __repr__(self) -> str:  # without texts and headers
        return f"Call({self.name!r}, model={self.model!r})"

    @property
    def model(self) -> str:
        """Name of the model the call is for; empty if it is for none."""
        body = self.body
        if body is None:
            return ""
        name = body.get("model")
        return name if isinstance(name, str) else ""

    @property
    def runs_model(self) -> bool:
        """True if a model has to work for the answer, so that limits count it."""
        return self.path in RUNS_MODEL

    @property
    def is_repeatable(self) -> bool:
        """True if it may be sent again though it may have reached the server."""
        return self.repeat != "unsent"

    @property
    def name(self) -> str:
        """Give method and path, as errors show them."""
        return f"{self.method} {self.path}"
