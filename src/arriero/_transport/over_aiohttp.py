"""The async transport, over aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import ssl
import weakref
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

import aiohttp
import yarl
from aiohttp.client_proto import ResponseHandler

from arriero._core.host import origin_of
from arriero._core.http import Fault, FileBody, Request
from arriero._core.statistics import Connections
from arriero._transport.burial import bury
from arriero._transport.http1 import MAX_HEAD_BYTES
from arriero._transport.interface import AsyncAnswer, TransportSettings
from arriero._transport.origin import Proxy
from arriero._transport.pins import require_pinned
from arriero._transport.reason import reason_from
from arriero._transport.tls import Contexts
from arriero._transport.upload import AsyncFilePieces, AsyncPieces, AsyncUpload
from arriero.errors import Phase

IDLE_S = 90.0
"""How long an idle connection is kept, as in Go: routers forget silent ones after minutes."""
READ_BYTES = 65_536
"""aiohttp stops reading from the socket at twice this much."""
WHOLE_BYTES = 1_048_576
"""aiohttp warns about bodies longer than this that are given to it in one piece."""

_NOT_ITS_OWN = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class AiohttpTransport:
    """Sends requests over an aiohttp session, made in the loop of the first request."""

    # Here, as `__del__` runs even if `__init__` refused its settings.
    _session: aiohttp.ClientSession | None = None
    _connector: _Connector | None = None

    def __init__(self, settings: TransportSettings) -> None:
        self._pool_settings = settings.pool
        self._contexts = Contexts(settings.tls)
        self._proxy = None if settings.proxy is None else Proxy.from_url(settings.proxy)
        self._answers: weakref.WeakSet[_Answer] = weakref.WeakSet()
        self._is_closed = False

    async def open(self, request: Request, *, connect_s: float | None) -> AsyncAnswer:
        """See `AsyncTransport.open`."""
        if self._is_closed:
            raise Fault("closed", "prepare", "the transport is closed")
        session = self._session or self._start()
        trip = _Trip(request.url)
        _TRIP.set(trip)
        data = _data_of(request)
        if not isinstance(data, bytes | None):
            trip.upload = data
        try:
            response = await session.request(
                request.method,
                yarl.URL(request.url, encoded=True),
                data=data,
                timeout=_timeout_of(connect_s),
                allow_redirects=False,
                **self._route_of(request),
            )
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as cause:
            fault = trip.fault_from(cause)
            trip.end_upload()
            raise fault from cause
        except BaseException:
            trip.end_upload()
            raise
        answer = _Answer(self, response, trip)
        self._answers.add(answer)
        return answer

    async def close(self) -> None:
        """See `AsyncTransport.close`."""
        self._is_closed = True
        session, connector = self._session, self._connector
        self._session = None
        if session is None or connector is None:
            return
        busy = [answer for answer in self._answers if answer.leave_pool()]
        if busy:
            connector.close_idle(0)
            session.detach()
        else:
            await session.close()
        await connector.end_farewells()

    def connections(self) -> Mapping[str, Connections]:
        """See `AsyncTransport.connections`."""
        return self._connector.count() if self._connector is not None else {}

    def discard(self) -> None:
        """See `AsyncTransport.discard`."""
        self._is_closed = True
        session, connector = self._session, self._connector
        self._session = self._connector = None
        if session is not None and connector is not None:
            session.detach()
            connector.bury()

    def __del__(self) -> None:
        # The loop was collected before the client was; aiohttp would blame the user.
        self.discard()

    def trim(self) -> None:
        """Close idle connections beyond `Pool.keep_idle`."""
        if self._connector is not None:
            self._connector.close_idle(self._pool_settings.keep_idle)

    def _start(self) -> aiohttp.ClientSession:
        self._connector = _Connector(
            self._contexts,
            is_proxied=self._proxy is not None,
            per_host=self._pool_settings.max_connections or 0,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NOT_ITS_OWN,
            auto_decompress=False,
            trust_env=False,
            read_bufsize=READ_BYTES,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
        )
        return self._session

    def _route_of(self, request: Request) -> dict[str, Any]:
        is_tls = request.url.startswith("https:")
        headers = [
            (name, value)
            for name, value in request.headers
            if name.lower() not in ("content-length", "transfer-encoding")
        ]
        if not isinstance(request.body, bytes | None) or request.size > WHOLE_BYTES:
            headers.append(("Content-Length", str(request.size)))
        route: dict[str, Any] = {"headers": headers}
        proxy = self._proxy
        if proxy is not None:
            route["proxy"] = proxy.origin.url
            if proxy.authorization is not None:
                credentials = ("Proxy-Authorization", proxy.authorization)
                if is_tls:
                    route["proxy_headers"] = dict([credentials])
                else:
                    headers.append(credentials)
        return route


@functools.lru_cache(maxsize=64)
def _timeout_of(connect_s: float | None) -> aiohttp.ClientTimeout:
    # From `ceil_threshold` on, aiohttp rounds waits up to whole seconds.
    return aiohttp.ClientTimeout(total=None, connect=connect_s, ceil_threshold=math.inf)


class _Trip:
    """How far a request got."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_tls = url.startswith("https:")
        self.phase: Phase = "connect"
        self.is_reused = False
        self.upload: AsyncUpload | None = None
        self.transport: asyncio.Transport | None = None
        """What the upload goes into."""

    def end_upload(self) -> None:
        """Stop what is still being sent; without one that is, do nothing."""
        upload, self.upload = self.upload, None
        if upload is None:
            return
        if not upload.is_done and self.transport is not None:
            # Closing would first send all that waits in buffers.
            self.transport.abort()
        upload.close()

    def fault_from(self, error: Exception) -> Fault:
        """Tell what `error`, raised before the answer began, means."""
        if self.upload is not None and self.upload.fault is not None:
            return self.upload.fault
        if self.upload is not None and self.upload.is_done and self.phase == "send":
            self.phase = "head"
        phase, reason = self.phase, reason_from(error)
        if isinstance(error, UnicodeError) and phase == "connect":  # no name can be so long
            return Fault("connect", phase, reason)
        is_url = isinstance(error, aiohttp.InvalidURL)
        if is_url or (isinstance(error, ValueError) and not isinstance(error, OSError)):
            return Fault("closed", "prepare", reason)
        if isinstance(error, RuntimeError):
            return Fault("closed", phase, reason)
        if isinstance(error, asyncio.TimeoutError):
            return Fault("timeout", phase, "no connection in time")
        if phase == "connect":
            return Fault("connect", phase, reason)
        if isinstance(error, aiohttp.ClientResponseError):
            reason = " ".join(error.message.split())
            return Fault("protocol", "head", reason, reused=self.is_reused)
        return Fault("lost", phase, reason, reused=self.is_reused)


_TRIP: ContextVar[_Trip] = ContextVar("_TRIP")


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, which also says whether a connection is new, and can be left behind."""

    _used: weakref.WeakKeyDictionary[ResponseHandler, str]
    """Connections that served a request, and where they lead."""
    _transports: weakref.WeakSet[Any]

    def __init__(self, contexts: Contexts, *, is_proxied: bool, per_host: int) -> None:
        self._contexts = contexts
        self._is_proxied = is_proxied
        super().__init__(limit=0, limit_per_host=per_host, keepalive_timeout=IDLE_S)  # pyright: ignore[reportUnknownMemberType]  # aiohttp leaves a tuple open
        self._used = weakref.WeakKeyDictionary()
        self._transports = weakref.WeakSet()

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        """Note in the `_Trip` of this context what kind of connection it got."""
        connection = await super().connect(*arguments, **options)
        trip, protocol = _TRIP.get(), connection.protocol
        assert protocol is not None
        trip.phase = "head"
        if trip.upload is not None:
            trip.phase, trip.transport = "send", connection.transport
        trip.is_reused = protocol in self._used
        if not trip.is_reused:
            self._require_pinned(connection, trip)
            self._used[protocol] = origin_of(trip.url)
            with contextlib.suppress(TypeError):  # other loops' transports may not be watched
                self._transports.add(protocol.transport)
            _read_little(protocol.transport)
        return connection

    def _get_ssl_context(self, req: aiohttp.ClientRequest) -> ssl.SSLContext | None:
        """Choose the context when a connection is made, so that new files count at once.

        One given with the request would be used for a proxy too, and be part of the pool's key.
        """
        if not req.is_ssl():
            return None
        # A request to the proxy itself has none.
        is_to_proxy = self._is_proxied and req.proxy is None
        return self._contexts.to_proxy() if is_to_proxy else self._contexts.to_server()

    def _require_pinned(self, connection: aiohttp.connector.Connection, trip: _Trip) -> None:
        session = None
        if trip.is_tls and connection.transport is not None:
            session = connection.transport.get_extra_info("ssl_object")
        try:
            require_pinned(self._contexts.pins, session)
        except Fault:
            if connection.transport is not None:
                connection.transport.abort()  # nothing is left to be said, so no farewell either
            connection.close()
            raise

    def close_idle(self, keep: int) -> None:
        """Close the idle connections that were used longest ago, beyond `keep` for a host."""
        for key, idle in list(self._conns.items()):
            while len(idle) > keep:
                idle.popleft()[0].close()
            if not idle:
                del self._conns[key]  # else aiohttp warns of connections left open

    def count(self) -> dict[str, Connections]:
        """Give how many connections there are; copied in one step, as other threads may ask."""
        made: dict[str, Connections] = {}
        held = [(protocol, Connections(in_use=1)) for protocol in list(self._acquired)]
        for conns in list(self._conns.values()):
            held += [(protocol, Connections(idle=1)) for protocol, _ in list(conns)]
        for protocol, one in held:
            url = self._used.get(protocol)
            if url is not None and protocol.is_connected():
                made[url] = made.get(url, Connections()) + one
        return made

    async def end_farewells(self) -> None:
        """Abort connections that are closing: a peer may take its time to part by TLS.

        The loop may end right after us, and would warn of a transport left open.
        """
        closing = [transport for transport in self._transports if transport.is_closing()]
        for transport in closing:
            transport.abort()
        if closing:
            await asyncio.sleep(0)  # each is told of its end by the loop

    def bury(self) -> None:
        """Close all sockets without the event loop, and leave nothing that would warn."""
        idle = [protocol for conns in self._conns.values() for protocol, _ in conns]
        protocols: Iterable[ResponseHandler] = (*idle, *self._acquired)
        for protocol in protocols:
            transport, protocol.transport = protocol.transport, None
            bury(transport)
        self._conns.clear()
        self._acquired.clear()
        self._closed = True


def _read_little(transport: Any) -> None:
    """Have asyncio read at most READ_BYTES at a time.

    Its own 256 KiB make malloc map and unmap memory for each read: 17 µs for every token.
    """
    if hasattr(transport, "max_size"):  # not in uvloop's, nor in those of TLS
        transport.max_size = READ_BYTES


def _data_of(request: Request) -> bytes | AsyncUpload | None:
    body = request.body
    if isinstance(body, FileBody):
        return AsyncFilePieces(body)
    if body is not None and len(body) > WHOLE_BYTES:
        return AsyncPieces(body)
    return body


class _Answer:
    """An open answer; see `AsyncAnswer`."""

    def __init__(
        self, transport: AiohttpTransport, response: aiohttp.ClientResponse, trip: _Trip
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = _joined(response.headers)
        self.reused = trip.is_reused
        self._trip = trip
        self._transport = transport
        self._response = response
        self._content = response.content
        self._is_aborted = False

    async def read(self) -> bytes:
        """See `AsyncAnswer.read`."""
        if self._is_aborted:
            raise Fault("closed", "body", "the answer was aborted")
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as cause:
            if self._is_aborted:
                raise Fault("closed", "body", "the answer was aborted") from cause
            arrived = self._arrived_before_failure()
            if arrived:
                return arrived
            raise self._fault_from(cause) from cause

    def _arrived_before_failure(self) -> bytes:
        # aiohttp would hide it behind the error.
        content: Any = self._content
        if getattr(content, "_buffer", None):
            arrived: bytes = content._read_nowait(-1)
            return arrived
        return b""

    def _fault_from(self, error: BaseException) -> Fault:
        return Fault("lost", "body", reason_from(error), reused=self.reused)

    async def close(self) -> None:
        """See `AsyncAnswer.close`."""
        self._trip.end_upload()
        if self._content.at_eof():
            self._response.release()
            self._transport.trim()
        else:
            self.abort()

    def abort(self) -> None:
        """See `AsyncAnswer.abort`."""
        self._is_aborted = True
        self._trip.end_upload()
        connection = self._response.connection
        if connection is None:
            return
        transport = connection.transport
        with contextlib.suppress(RuntimeError):  # the loop is closed
            if transport is not None:
                # `close` alone would first send what an upload has left.
                transport.abort()
            self._response.close()

    def leave_pool(self) -> bool:
        """Close the connection when the body ends; False if it has ended."""
        connection = self._response.connection
        if connection is None or connection.protocol is None:
            return False
        connection.protocol.force_close()
        return True


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
