"""How far one request over httpx got, and the deadlines of its single reads and writes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
import weakref
from collections.abc import Mapping
from time import monotonic
from typing import Any

from arriero._transport.upload import AsyncFilePieces, FilePieces
from arriero.errors import Phase

_CONNECTING = (".connect_tcp.started", ".connect_unix_socket.started")
_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_WRITE_BYTES = 65_536
"""Most bytes of one write, as httpcore gives each the whole timeout."""


class Trip:
    """How far a request got, told by the ``trace`` extension of httpx."""

    def __init__(
        self, streams: weakref.WeakSet[Any], *, connect_until: float | None, until: float | None
    ) -> None:
        self.phase: Phase = "connect"
        self.is_fresh = False
        self.until = until
        self.limit: asyncio.Timeout | None = None
        """Bounds connecting, in the async transport; the sync one bounds each wait."""
        self.stream: Any = None
        """The network stream in use, as soon as it is known."""
        self.is_aborted = False
        self.upload: FilePieces | AsyncFilePieces | None = None
        self._connect_until = connect_until
        self._streams = streams

    @property
    def is_reused(self) -> bool:
        """True if the request went out on a connection that was there before."""
        return self.phase != "connect" and not self.is_fresh

    @property
    def tracer(self) -> Any:
        """What to give as the ``trace`` extension."""
        return self._trace if self.limit is None else self._atrace

    def left_s(self) -> float | None:
        """Give the seconds left for what is going on now."""
        ends = [self.until]
        if self.phase == "connect":
            ends.append(self._connect_until)
        limits = [end for end in ends if end is not None]
        # Zero would mean "do not block" to a socket.
        return max(min(limits) - monotonic(), 0.0001) if limits else None

    def end_upload(self) -> None:
        """Close the file that is sent, if one is."""
        if self.upload is not None:
            self.upload.close()

    async def hang_up(self) -> None:
        """Close a connection that was cancelled in its handshake, where httpcore leaves it."""
        if self.phase == "connect" and self.stream is not None:
            with contextlib.suppress(Exception):
                await self.stream.aclose()

    def abort(self) -> None:
        """End the connection at once, from any thread, without freeing what is in use."""
        self.is_aborted = True
        sock = None if self.stream is None else self.stream.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if isinstance(sock, socket.socket):
                # SSLSocket.shutdown would drop the TLS state a reader is using.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            elif sock is not None:
                sock.shutdown(socket.SHUT_RDWR)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(_CONNECTED):
            self.is_fresh = True
            self.stream = info["return_value"]
            self._streams.add(self.stream)
            if self.limit is None:
                bind(self.stream)
        elif event.endswith(_CONNECTING):
            self._bound_connecting(self._connect_until)
        elif event.endswith(".send_request_headers.started"):
            # A proxy is asked for a tunnel in the same way, while we still connect.
            if info["request"].method != b"CONNECT":
                self.phase = "send"
                self._bound_connecting(None)
        elif event.endswith(".receive_response_headers.started") and self.phase == "send":
            self.phase = "head"

    async def _atrace(self, event: str, info: Mapping[str, Any]) -> None:
        self._trace(event, info)

    def _bound_connecting(self, until: float | None) -> None:
        if self.limit is not None:
            loop = asyncio.get_running_loop()
            self.limit.reschedule(None if until is None else loop.time() + until - monotonic())


class Timeouts(dict[str, "float | None"]):
    """Says what is left when asked, where a plain dict would say what was left once."""

    def __init__(self, trip: Trip) -> None:
        super().__init__(dict.fromkeys(("connect", "pool", "read", "write"), trip.left_s()))
        self._trip = trip

    def get(self, key: str, default: Any = None) -> float | None:
        return self._trip.left_s() if key in self else default


class _Spending(threading.local):
    """The trip whose time the current thread is spending."""

    trip: Trip | None = None


SPENDING = _Spending()


def bind(stream: Any) -> None:
    """Make a network stream of httpcore keep the deadline of the thread that uses it.

    httpcore gives each single read the whole timeout, so a peer that trickles the head or
    the framing is never late.
    """
    if stream is None or isinstance(stream, _Bound):
        return
    with contextlib.suppress(TypeError):  # some other kind of stream: stays as it is
        stream.__class__ = _bound(stream.__class__)


class _Bound:
    """Marks what `bind` has seen."""


@functools.lru_cache(maxsize=16)
def _bound(kind: Any) -> Any:
    class Bound(kind, _Bound):  # type: ignore[misc]  # the base is known when it runs
        def read(self, max_bytes: int, timeout: float | None = None) -> Any:
            return kind.read(self, max_bytes, _left_s(self, timeout))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            for at in range(0, len(buffer), _WRITE_BYTES):
                kind.write(self, buffer[at : at + _WRITE_BYTES], _left_s(self, timeout))

        def start_tls(
            self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
        ) -> Any:
            return kind.start_tls(self, ssl_context, server_hostname, _left_s(self, timeout))

    return Bound


def _left_s(stream: Any, timeout: float | None) -> float | None:
    """Give what the call that uses `stream` has left; `timeout` if it is none of ours."""
    trip = SPENDING.trip
    if trip is None:
        return timeout
    trip.stream = stream
    if trip.is_aborted:
        raise ConnectionAbortedError
    return trip.left_s()
