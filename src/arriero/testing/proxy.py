"""A server that passes everything on to a real one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import h11

from arriero._core.host import parse_host

from .controlled import ControlledServer

if TYPE_CHECKING:
    from .host import App

_READ_BYTES = 65536
_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
    b"upgrade", b"expect", b"host", b"content-length", b"date",
})  # fmt: skip
"""Headers of one connection alone; the others are passed on."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class FaultProxy(ControlledServer):
    """A real server, with faults between it and its clients.

    Args:
        upstream: Its URL or address, read as a client reads its `host`.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.

    Raises:
        MissingExtra: the extra ``testing`` is not installed.
        RequestError: `upstream` is no address of an HTTP server.
    """

    def __init__(self, upstream: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self._upstream = Upstream(upstream)

    def _make_app(self) -> App:
        return self._upstream


class Upstream:
    """An ASGI application that lets another server answer.

    Args:
        host: The other server, as a client's `host`.

    Raises:
        RequestError: it is no address of an HTTP server.
    """

    def __init__(self, host: str) -> None:
        self._parts: SplitResult = urlsplit(parse_host(host).url)
        self._host: str = self._parts.hostname or ""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back as it comes."""
        body = (await receive())["body"]
        is_tls = self._parts.scheme == "https"
        try:
            reader, writer = await asyncio.open_connection(
                self._host,
                self._parts.port,
                ssl=ssl.create_default_context() if is_tls else None,
            )
        except OSError as error:
            await _reply(send, 502, f"{self._host}: {error}")
            return
        exchange = asyncio.ensure_future(self._exchange(reader, writer, scope, body, send))
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((exchange, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (exchange, gone):
                task.cancel()
            writer.close()
            await asyncio.wait((exchange, gone))
            with suppress(OSError):
                await writer.wait_closed()
        if not exchange.cancelled():
            exchange.result()

    async def close(self) -> None:
        """Nothing is kept between requests."""

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        scope: MutableMapping[str, Any],
        body: bytes,
        send: Send,
    ) -> None:
        http = h11.Connection(h11.CLIENT)
        started = False
        try:
            for outgoing in self._request(scope, body):
                writer.write(http.send(outgoing) or b"")
            await writer.drain()
            while not isinstance(event := await _next(http, reader), h11.EndOfMessage):
                if isinstance(event, h11.Response):
                    started = True
                    await send(_start(event.status_code, _kept(event, scope["method"])))
                elif isinstance(event, h11.Data):
                    await send(_body(bytes(event.data), is_last=False))
        except (OSError, h11.RemoteProtocolError) as error:
            if started:
                raise ConnectionResetError("the server behind broke off") from error
            await _reply(send, 502, f"{self._host}: {error}")
            return
        await send(_body(b"", is_last=True))

    def _request(
        self, scope: MutableMapping[str, Any], body: bytes
    ) -> tuple[h11.Request, h11.Data, h11.EndOfMessage]:
        headers = [pair for pair in scope["headers"] if pair[0].lower() not in _HOP]
        headers.append((b"host", self._parts.netloc.encode()))
        headers.append((b"connection", b"close"))
        if body or scope["method"] in ("POST", "PUT"):
            headers.append((b"content-length", str(len(body)).encode()))
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        target = self._parts.path.encode() + scope["raw_path"] + query
        request = h11.Request(method=scope["method"], target=target, headers=headers)
        return request, h11.Data(data=body), h11.EndOfMessage()


async def _next(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
    """Give the next event. Raises `h11.RemoteProtocolError` if there can be none."""
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(_READ_BYTES))
    if isinstance(event, h11.Event):
        return event
    raise h11.RemoteProtocolError("the server behind closed the connection")


def _start(status: int, headers: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _body(data: bytes, *, is_last: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": not is_last}


def _kept(response: h11.Response, method: str) -> list[tuple[bytes, bytes]]:
    """An answer keeps its length, so that it is chunked only if it was."""
    dropped = _HOP if method == "HEAD" else _HOP - {b"content-length"}
    return [(name, value) for name, value in response.headers if name.lower() not in dropped]


async def _reply(send: Send, status: int, text: str) -> None:
    await send(_start(status, [(b"content-type", b"text/plain; charset=utf-8")]))
    await send(_body(text.encode(), is_last=True))
