"""Transports over a client of httpx, or of httpx2, which has the same interface.

The client is the user's: its TLS, proxies, pool, auth and event hooks stay in force. What
it would add by itself (its own ``User-Agent``, ``Accept``, ``Accept-Encoding``, redirects)
stays out.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from arriero._core.http import Fault, FileBody, Request
from arriero._transport.burial import bury
from arriero._transport.fork import forget_after_fork
from arriero._transport.interface import AbortHandle, Answer, AsyncAnswer
from arriero._transport.reason import reason_from
from arriero._transport.upload import AsyncFilePieces, FilePieces
from arriero.errors import Phase

_ADDED_BY_HTTPX = ("accept", "accept-encoding", "connection", "user-agent")
_CONNECTING = (".connect_tcp.started", ".connect_unix_socket.started")
_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_WRITE_BYTES = 65_536
"""Most bytes of one write, as httpcore gives each the whole timeout."""
_HUNG_UP = ("peer closed connection", "peer unexpectedly closed", "server disconnected")


class HttpxTransport:
    """Sends requests over an ``httpx.Client``. As safe to share as that is.

    Args:
        client: The client.
        owned: True if `close` shall close it.
    """

    def __init__(self, client: Any, *, owned: bool = False) -> None:
        self._client = client
        self._is_owned = owned
        self._is_closed = False
        self._faults = _Faults(client)
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()
        forget_after_fork(self)

    def open(
        self,
        request: Request,
        *,
        connect_until: float | None,
        until: float | None,
        handle: AbortHandle | None = None,
    ) -> Answer:
        """See `Transport.open`."""
        if self._is_closed:
            raise Fault("closed", "prepare", "the transport is closed")
        trip = _Trip(self._streams, connect_until=connect_until, until=until)
        if handle is not None:
            handle.attach(trip.abort)
        content: Any = request.body
        if isinstance(content, FileBody):
            content = trip.upload = FilePieces(content)
        _SPENDING.trip = trip
        try:
            built = _built(self._client, request, content, trip)
            response = self._client.send(built, stream=True, follow_redirects=False)
        except self._faults.known as cause:
            raise self._faults.of(cause, trip) from cause
        finally:
            _SPENDING.trip = None
            trip.end_upload()
        trip.stream = response.extensions.get("network_stream")
        _bind(trip.stream)
        return _Answer(response, self._faults, trip)

    def close(self) -> None:
        """See `Transport.close`. A client that is the user's stays open."""
        self._is_closed = True
        if self._is_owned:
            self._client.close()

    def forget(self) -> None:
        """In a child after a fork: drop the connections, which belong to the parent."""
        # The pool finds them closed, and makes new ones.
        for stream in list(self._streams):
            with contextlib.suppress(Exception):
                stream.close()


class AsyncHttpxTransport:
    """Sends requests over an ``httpx.AsyncClient`` in the loop the client is used in.

    Args:
        client: The client.
        owned: True if `close` shall close it.
    """

    def __init__(self, client: Any, *, owned: bool = False) -> None:
        self._client = client
        self._is_owned = owned
        self._is_closed = False
        self._faults = _Faults(client)
        self._streams: weakref.WeakSet[Any] = weakref.WeakSet()

    async def open(self, request: Request, *, connect_s: float | None) -> AsyncAnswer:
        """See `AsyncTransport.open`."""
        if self._is_closed:
            raise Fault("closed", "prepare", "the transport is closed")
        connect_until = None if connect_s is None else monotonic() + connect_s
        trip = _Trip(self._streams, connect_until=connect_until, until=None)
        content: Any = request.body
        if isinstance(content, FileBody):
            content = trip.upload = AsyncFilePieces(content)
        try:
            async with asyncio.timeout(None) as limit:
                trip.limit = limit
                built = _built(self._client, request, content, trip)
                response = await self._client.send(built, stream=True, follow_redirects=False)
        except self._faults.known as cause:
            await trip.hang_up()
            raise self._faults.of(cause, trip) from cause
        except BaseException:
            await trip.hang_up()
            raise
        finally:
            trip.end_upload()
        trip.stream = response.extensions.get("network_stream")
        return _AsyncAnswer(response, self._faults, trip)

    async def close(self) -> None:
        """See `AsyncTransport.close`. A client that is the user's stays open."""
        self._is_closed = True
        if self._is_owned:
            await self._client.aclose()

    def discard(self) -> None:
        """See `AsyncTransport.discard`."""
        self._is_closed = True
        for stream in list(self._streams):
            layer = getattr(stream, "_stream", None)
            layer = getattr(layer, "transport_stream", layer)
            bury(getattr(layer, "_transport", None))


class _Trip:
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
                _bind(self.stream)
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


class _Timeouts(dict[str, "float | None"]):
    """Says what is left when asked, where a plain dict would say what was left once."""

    def __init__(self, trip: _Trip) -> None:
        super().__init__(dict.fromkeys(("connect", "pool", "read", "write"), trip.left_s()))
        self._trip = trip

    def get(self, key: str, default: Any = None) -> float | None:
        return self._trip.left_s() if key in self else default


class _Spending(threading.local):
    """The trip whose time the current thread is spending."""

    trip: _Trip | None = None


_SPENDING = _Spending()


def _bind(stream: Any) -> None:
    """Make a network stream of httpcore keep the deadline of the thread that uses it.

    httpcore gives each single read the whole timeout, so a peer that trickles the head or
    the framing is never late.
    """
    if stream is None or isinstance(stream, _Bound):
        return
    with contextlib.suppress(TypeError):  # some other kind of stream: stays as it is
        stream.__class__ = _bound(stream.__class__)


class _Bound:
    """Marks what `_bind` has seen."""


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
    trip = _SPENDING.trip
    if trip is None:
        return timeout
    trip.stream = stream
    if trip.is_aborted:
        raise ConnectionAbortedError
    return trip.left_s()


def _built(client: Any, request: Request, content: Any, trip: _Trip) -> Any:
    """Build a request of the client's library that carries what `request` says."""
    extensions: dict[str, Any] = {"trace": trip.tracer, "timeout": _Timeouts(trip)}
    asked = {name.lower() for name, _ in request.headers}
    headers = list(request.headers)
    if isinstance(request.body, FileBody) and "content-length" not in asked:
        headers.append(("Content-Length", str(request.size)))
    built = client.build_request(
        request.method, request.url, headers=headers, content=content, extensions=extensions
    )
    for name in _ADDED_BY_HTTPX:
        if name not in asked and name in built.headers:
            del built.headers[name]
    # httpx would escape some characters; with parameters of the client's own it must.
    target = _target_from(request.url)
    if not client.params and built.url.raw_path != target:
        built.extensions["target"] = target
    return built


def _chunks_of(response: Any, prefix: str) -> Any:
    """Give the body's bytes as they come; whole if a mock transport or an event hook that
    logs it has read it before."""
    return getattr(response, f"{prefix}_{'bytes' if response.is_stream_consumed else 'raw'}")()


def _target_from(url: str) -> bytes:
    parts = urlsplit(url)
    return ((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode()


class _Faults:
    """Turns the exceptions of one library, httpx or httpx2, into faults."""

    def __init__(self, client: Any) -> None:
        roots = (base.__module__.partition(".")[0] for base in type(client).__mro__)
        library = importlib.import_module(next(r for r in roots if r in ("httpx", "httpx2")))
        self.known: tuple[type[Exception], ...] = (
            library.HTTPError,
            library.InvalidURL,
            library.StreamError,
            OSError,
            RuntimeError,
        )
        self._timeout = library.TimeoutException
        self._refused = (
            library.LocalProtocolError,
            library.UnsupportedProtocol,
            library.InvalidURL,
        )
        self._remote = library.RemoteProtocolError

    def of(self, error: Exception, trip: _Trip) -> Fault:
        """Tell what `error` means."""
        phase, reason = trip.phase, reason_from(error)
        if trip.upload is not None and trip.upload.fault is not None:
            return trip.upload.fault
        if trip.is_aborted:
            return Fault("closed", phase, "the call was aborted")
        if isinstance(error, (self._timeout, TimeoutError)):
            return Fault("timeout", phase, "the time is over", reused=trip.is_reused)
        if isinstance(error, self._refused):
            return Fault("closed", "prepare", reason)
        if isinstance(error, RuntimeError):
            return Fault("closed", phase, reason)
        if phase == "connect":
            return Fault("connect", phase, reason)
        is_lost = not isinstance(error, self._remote) or reason.lower().startswith(_HUNG_UP)
        return Fault("lost" if is_lost else "protocol", phase, reason, reused=trip.is_reused)


class _Answer:
    """An open answer; see `Answer`."""

    def __init__(self, response: Any, faults: _Faults, trip: _Trip) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = _joined(response.headers)
        self.reused = trip.is_reused
        trip.phase = "body"
        self._response = response
        self._chunks: Iterator[bytes] = _chunks_of(response, "iter")
        self._faults = faults
        self._trip = trip
        self._fault: Fault | None = None
        self._is_reading = False

    def read(self, until: float | None) -> bytes:
        """See `Answer.read`."""
        if self._fault is not None:
            raise self._fault
        self._trip.until = until
        _SPENDING.trip = self._trip
        self._is_reading = True
        try:
            return next(self._chunks, b"")
        except self._faults.known as cause:
            self._fault = self._faults.of(cause, self._trip)
            raise self._fault from cause
        except BaseException:
            # httpx has closed the answer, and would call what follows its end.
            self._fault = Fault("closed", "body", "reading was interrupted")
            raise
        finally:
            self._is_reading = False
            _SPENDING.trip = None

    def close(self) -> None:
        """See `Answer.close`."""
        with contextlib.suppress(*self._faults.known):
            self._response.close()

    def abort(self) -> None:
        """See `Answer.abort`."""
        if self._response.is_closed:
            return  # the connection may serve another call by now
        self._trip.abort()
        if not self._is_reading:
            self._fault = Fault("closed", "body", "the answer was aborted")
            self.close()


class _AsyncAnswer:
    """An open answer; see `AsyncAnswer`."""

    def __init__(self, response: Any, faults: _Faults, trip: _Trip) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = _joined(response.headers)
        self.reused = trip.is_reused
        trip.phase = "body"
        self._response = response
        self._chunks: AsyncIterator[bytes] = _chunks_of(response, "aiter")
        self._faults = faults
        self._trip = trip
        self._fault: Fault | None = None
        self._closing: asyncio.Task[None] | None = None

    async def read(self) -> bytes:
        """See `AsyncAnswer.read`."""
        if self._fault is not None:
            raise self._fault
        try:
            return await anext(self._chunks, b"")
        except self._faults.known as cause:
            self._fault = self._fault or self._faults.of(cause, self._trip)
            raise self._fault from cause
        except BaseException:
            # httpx has closed the answer, and would call what follows its end.
            self._fault = self._fault or Fault("closed", "body", "reading was interrupted")
            raise

    async def close(self) -> None:
        """See `AsyncAnswer.close`."""
        with contextlib.suppress(*self._faults.known):
            await self._response.aclose()

    def abort(self) -> None:
        """See `AsyncAnswer.abort`."""
        if self._fault is None and not self._response.is_closed:
            self._fault = Fault("closed", "body", "the answer was aborted")
            self._trip.abort()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._closing = asyncio.get_running_loop().create_task(self.close())


def _joined(headers: Any) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.multi_items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
