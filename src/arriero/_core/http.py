"""An HTTP exchange as plain values, and the faults a transport may report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from arriero.errors import Phase


class FileBody(msgspec.Struct, frozen=True):
    """A request body that is read from disk while it is sent, never held in memory."""

    path: str
    size: int
    """Bytes, sent as ``Content-Length``."""


class Request(msgspec.Struct, frozen=True):
    """What a transport sends, word for word."""

    method: str
    url: str
    """Absolute, without credentials and fragment."""
    headers: tuple[tuple[str, str], ...]
    body: bytes | FileBody | None = None

    def __repr__(self) -> str:  # without texts and headers
        return f"Request({self.method!r}, {self.url!r})"

    @property
    def size(self) -> int:
        """Bytes of the body."""
        if isinstance(self.body, FileBody):
            return self.body.size
        return len(self.body or b"")


class Head(msgspec.Struct, frozen=True):
    """Status line and headers of an answer."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""


AnswerSource: TypeAlias = Literal["server", "cache", "shared"]
"""``server``: this call was sent. ``cache``: the answer was kept. ``shared``: another call of
the same client asked for the same at the same time, and this is what it brought."""


class HttpInfo(msgspec.Struct, frozen=True):
    """How an answer came."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    url: str
    """Where it came from, after redirects."""
    attempts: int
    """How often the request was sent."""
    resumed_at: tuple[int, ...] = ()
    """Where in the answer's text a cut stream was continued, in characters; empty if it came
    in one piece. Counts and durations are then those of the last piece."""
    source: AnswerSource = "server"
    """Who gave the answer, see `Cache`. Counts and durations in it are those of the call that
    was sent."""

    @property
    def from_cache(self) -> bool:
        """True if nothing was sent because the answer was kept."""
        return self.source == "cache"


FaultKind: TypeAlias = Literal["connect", "pin", "lost", "timeout", "protocol", "closed"]
"""``connect``: no connection, nothing sent. ``pin``: there was one, to another key than those
pinned; the reason is what was seen. ``lost``: broke after that. ``timeout``: took
too long. ``protocol``: the peer does not speak HTTP. ``closed``: our own side closed it."""


class Fault(Exception):  # internal: the core turns it into a public error
    """A transport could not do what it was asked to.

    Attributes:
        kind: See `FaultKind`.
        phase: How far it got.
        reason: The cause in a few words, without credentials.
        reused: True if the connection had served an earlier request, so that the server
            may have closed it while idle.
    """

    def __init__(self, kind: FaultKind, phase: Phase, reason: str, *, reused: bool = False) -> None:
        super().__init__(kind, phase, reason)
        self.kind: FaultKind = kind
        self.phase: Phase = phase
        self.reason = reason
        self.reused = reused
