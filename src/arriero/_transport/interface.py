"""What an adapter to an HTTP library offers.

An adapter sends what it is given and reports what it gets. It follows no redirect, retries
nothing, adds no header but ``Host``, ``Content-Length`` and ``Transfer-Encoding``, decodes no
content, reads no environment variable, and raises nothing but `arriero._core.http.Fault`.
Times are absolute, by `time.monotonic`; None has no limit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from arriero._core.http import Request
from arriero._core.statistics import Connections
from arriero.settings import Pool, Tls


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """What the adapters are configured with."""

    tls: Tls | None = None
    pool: Pool = Pool()  # noqa: RUF009  # frozen
    proxy: str | None = field(default=None, repr=False)
    """URL of the proxy all requests go through, credentials included; None has none."""


class AbortHandle:
    """Lets another thread end an exchange whose answer is not there yet.

    Waiting for the head may take minutes, while a model loads; `abort` ends it at once.
    """

    __slots__ = ("_abort", "_lock", "aborted")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._abort: Callable[[], None] | None = None
        self.aborted = False

    def attach(self, abort: Callable[[], None]) -> None:
        """Name what closes the socket; called by the transport as soon as it has one.

        If `abort` was called before, the socket is closed now.
        """
        with self._lock:
            self._abort = abort
            aborted = self.aborted
        if aborted:
            abort()

    def detach(self) -> None:
        """Forget the socket: it may serve another call by now."""
        with self._lock:
            self._abort = None

    def abort(self) -> None:
        """Close the socket at once, or as soon as there is one."""
        with self._lock:
            self.aborted = True
            abort = self._abort
        if abort is not None:
            abort()


class Answer(Protocol):
    """An open answer of a sync transport: the head is read, the body is not.

    One thread reads; `abort` may be called from any other.
    """

    status: int
    headers: Mapping[str, str]
    """Lower-case names; values of repeated ones joined by a comma."""
    reused: bool
    """True if the connection had served an earlier request."""

    def read(self, until: float | None) -> bytes:
        """Give the next bytes of the body as soon as there are any; ``b""`` at its end.

        Never waits for more than is there, never splits what arrived together without
        need.

        Raises:
            Fault: ``timeout`` if `until` passes with the peer silent *or trickling the
                framing*; ``lost`` if the connection breaks or ends before the body does;
                ``protocol`` if the framing is wrong; ``closed`` after `abort`.
        """
        ...

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it at once.

        May be called again.
        """
        ...

    def abort(self) -> None:
        """Close the socket at once; a `read` blocked in another thread ends with a Fault."""
        ...


class Transport(Protocol):
    """Sends requests, blocking. Safe to share between threads."""

    def open(
        self,
        request: Request,
        *,
        connect_until: float | None,
        until: float | None,
        handle: AbortHandle | None = None,
    ) -> Answer:
        """Send `request` and read the head of the answer.

        Args:
            request: What to send.
            connect_until: When to give up waiting for a pooled connection, TCP and TLS.
            until: When to give up altogether; never earlier than what it allows,
                whether the peer hangs or trickles.
            handle: Gets what closes the socket as soon as there is a socket, so that
                another thread can end the wait; the Fault is then of kind ``closed``.

        Raises:
            Fault: with phase ``connect``, ``send`` or ``head``. Nothing stays open.
        """
        ...

    def close(self) -> None:
        """Close every idle connection; open answers stay usable. May be called again."""
        ...

    def connections(self) -> Mapping[str, Connections]:
        """Give how many there are, by origin; nothing if the library does not tell."""
        ...


class AsyncAnswer(Protocol):
    """An open answer of an async transport."""

    status: int
    headers: Mapping[str, str]
    reused: bool

    async def read(self) -> bytes:
        """As `Answer.read`; deadlines are kept by the caller, who calls `abort`."""
        ...

    async def close(self) -> None:
        """As `Answer.close`."""
        ...

    def abort(self) -> None:
        """Close the socket at once, without waiting; a pending `read` ends with a Fault."""
        ...


class AsyncTransport(Protocol):
    """Sends requests without blocking; one for each event loop."""

    async def open(self, request: Request, *, connect_s: float | None) -> AsyncAnswer:
        """As `Transport.open`; the caller cancels it when its time is over.

        Cancelling closes the socket.
        """
        ...

    async def close(self) -> None:
        """As `Transport.close`."""
        ...

    def connections(self) -> Mapping[str, Connections]:
        """As `Transport.connections`, from any thread."""
        ...

    def discard(self) -> None:
        """Close everything without a running event loop: its loop is gone, or this is a
        child process after a fork. Must not raise, block or warn."""
        ...
