"""The closed set of things an operation may ask its driver to do.

An operation is a generator: it yields an effect, is resumed with the effect's result, or
has a `Fault` thrown into it, and returns its value. Times are absolute, by the clock the
driver gave the operation; None has no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

import msgspec

from arriero._core.http import Request
from arriero._core.images import ImageSource
from arriero._core.ticket import Ticket

T = TypeVar("T")


class Send(msgspec.Struct, frozen=True):
    """Send a request and read the head of its answer. Resumed with a `Head`."""

    request: Request
    connect_s: float | None
    until: float | None


class ReadBody(msgspec.Struct, frozen=True):
    """Read the rest of the answer that is open. Resumed with bytes; the answer is closed."""

    until: float | None


class ReadPart(msgspec.Struct, frozen=True):
    """Read the next piece of the answer that is open. Resumed with its bytes; empty bytes are
    the end, and the answer is closed."""

    until: float | None


class Drop(msgspec.Struct, frozen=True):
    """Close the answer that is open, unread. Resumed with None."""


class LoadImage(msgspec.Struct, frozen=True):
    """Read an image's bytes. Resumed with them, or has OSError thrown in."""

    source: ImageSource


class HashFile(msgspec.Struct, frozen=True):
    """Read a file once. Resumed with (``sha256:...``, size in bytes), or has OSError thrown in."""

    path: str


class Authorize(msgspec.Struct, frozen=True):
    """Ask for the token of an origin.

    Resumed with it, or has a `CredentialError` thrown in, or a `Fault` if `until` passes.
    """

    origin: str
    refused: str | None
    """The token that the server has just answered 401 to. If the same is given back, there
    is no better one."""
    until: float | None

    def __repr__(self) -> str:  # without the token
        return f"Authorize(origin={self.origin!r}, until={self.until!r})"


class Sleep(msgspec.Struct, frozen=True):
    """Wait. Resumed with None."""

    seconds: float


class Wait(msgspec.Struct, frozen=True):
    """Wait until `ticket` is ready or `until` has passed. Resumed with None in both cases."""

    ticket: Ticket
    until: float | None


class Consult(msgspec.Struct, frozen=True):
    """Call a function of the user's, or of what keeps state outside this process.

    Resumed with what it gives, awaited if the driver can and the function wants it; what it
    raises is thrown in.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


class Persist(msgspec.Struct, frozen=True):
    """Call a function that waits for a disk. Resumed with None; what it raises is thrown in."""

    function: Callable[[], None]


Effect: TypeAlias = (
    Send
    | ReadBody
    | ReadPart
    | Drop
    | LoadImage
    | HashFile
    | Authorize
    | Sleep
    | Wait
    | Consult
    | Persist
)
Operation: TypeAlias = Generator[Effect, Any, T]
