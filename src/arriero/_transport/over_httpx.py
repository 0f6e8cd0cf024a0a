"""Transports over a client of httpx, or of httpx2, which has the same interface.

The client is the user's: its TLS, proxies, pool, auth and event hooks stay in force. What
it would add by itself (its own ``User-Agent``, ``Accept``, ``Accept-Encoding``, redirects)
stays out.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from arriero._core.http import Fault, FileBody, Request
from arriero._core.statistics import Connections
from arriero._transport.burial import bury
from arriero._transport.fork import forget_after_fork
from arriero._transport.httpx_trip import SPENDING, Timeouts, Trip, bind
from arriero._transport.interface import AbortHandle, Answer, AsyncAnswer
from arriero._transport.reason import reason_from
from arriero._transport.upload import AsyncFilePieces, FilePieces

_ADDED_BY_HTTPX = ("accept", "accept-encoding", "connection", "user-agent")
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
        trip = Trip(self._streams, connect_until=connect_until, until=until)
        if handle is not None:
            handle.attach(trip.abort)
        content: Any = request.body
        if isinstance(content, FileBody):
            content = trip.upload = FilePieces(content)
        SPENDING.trip = trip
        try:
            built = _built(self._client, request, content, trip)
            response = self._client.send(built, stream=True, follow_redirects=False)
        except self._faults.known as cause:
            raise self._faults.of(cause, trip) from cause
        finally:
            SPENDING.trip = None
            trip.end_upload()
        trip.stream = response.extensions.get("network_stream")
        bind(trip.stream)
        return _Answer(response, self._faults, trip)

    def close(self) -> None:
        """See `Transport.close`. A client that is the user's stays open."""
        self._is_closed = True
        if self._is_owned:
            self._client.close()

    def connections(self) -> Mapping[str, Connections]:
        """See `Transport.connections`: httpx does not tell."""
        return {}

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
        trip = Trip(self._streams, connect_until=connect_until, until=None)
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

    def connections(self) -> Mapping[str, Connections]:
        """See `AsyncTransport.connections`: httpx does not tell."""
        return {}

    def discard(self) -> None:
        """See `AsyncTransport.discard`."""
        self._is_closed = True
        for stream in list(self._streams):
            layer = getattr(stream, "_stream", None)
            layer = getattr(layer, "transport_stream", layer)
            bury(getattr(layer, "_transport", None))


def _built(client: Any, request: Request, content: Any, trip: Trip) -> Any:
    """Build a request of the client's library that carries what `request` says."""
    extensions: dict[str, Any] = {"trace": trip.tracer, "timeout": Timeouts(trip)}
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
            UnicodeError,  # a host name that cannot be one
        )
        self._timeout = library.TimeoutException
        self._refused = (
            library.LocalProtocolError,
            library.UnsupportedProtocol,
            library.InvalidURL,
        )
        self._remote = library.RemoteProtocolError

    def of(self, error: Exception, trip: Trip) -> Fault:
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

    def __init__(self, response: Any, faults: _Faults, trip: Trip) -> None:
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
        SPENDING.trip = self._trip
        self._is_reading = True
        try:
            data = next(self._chunks, b"")
        except self._faults.known as cause:
            self._fault = self._faults.of(cause, self._trip)
            raise self._fault from cause
        except BaseException:
            # httpx has closed the answer, and would call what follows its end.
            self._fault = Fault("closed", "body", "reading was interrupted")
            raise
        finally:
            self._is_reading = False
            SPENDING.trip = None
        if not data and self._trip.is_aborted:  # the end of the connection was our own doing
            self._fault = Fault("closed", "body", "the answer was aborted")
            raise self._fault
        return data

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

    def __init__(self, response: Any, faults: _Faults, trip: Trip) -> None:
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
