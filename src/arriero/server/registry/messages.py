"""Requests to a registry, its answers, and what can go wrong between the two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FilePart:
    """A piece of a file, sent as the body of a request.

    Attributes:
        path: The file.
        offset: Where the piece begins, in bytes.
        size_bytes: How long it is.
    """

    path: Path
    offset: int
    size_bytes: int

    def after(self, count: int) -> FilePart:
        """The piece without its first bytes."""
        return FilePart(self.path, self.offset + count, self.size_bytes - count)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, complete but for the framing.

    Attributes:
        method: HTTP method.
        url: Whole URL.
        headers: Names and values.
        body: What is sent.
        verify: Whether the certificate must be good.
        streams: Leave the body of a 200 or 206 to the caller, see `Answer.stream`.
        patience_s: Silence that ends the request; None takes the driver's.
    """

    method: str
    url: str
    headers: Headers = field(default=(), repr=False)
    body: bytes | FilePart = b""
    verify: bool = True
    streams: bool = False
    patience_s: float | None = None

    @property
    def told(self) -> str:
        """The request as errors name it. A query may hold signatures, so it stays out."""
        return f'{self.method.capitalize()} "{self.url.partition("?")[0]}"'


class Stream(Protocol):
    """A body that is still to come."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Give it as it arrives. Raises `Lost` if it breaks off."""
        ...

    def close(self) -> None:
        """Take no more of it. Harmless when done already."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        headers: Values by lower-case name.
        body: The whole body, up to the limit of the driver; empty if it is in `stream`.
        stream: The body to come, for a 200 or 206 to a request that wants it so.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    stream: Stream | None = None


Operation: TypeAlias = Generator[Request, Answer, T]


class TransferFailed(Exception):
    """A transfer came to an end that is not the wanted one; the message is for the caller."""


class Lost(TransferFailed):
    """There is no answer, or only a part of one; asking again may help."""


class Stalled(Lost):
    """Nothing came for too long."""


class StatusRefused(TransferFailed):
    """The registry answered with an error.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    @property
    def is_passing(self) -> bool:
        """Whether asking again may help."""
        return self.status in (408, 429) or self.status >= 500
