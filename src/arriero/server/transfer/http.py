"""Carry out the operations of `arriero.server.registry` over aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..registry.messages import Answer, FilePart, Lost, Operation, Request, Stalled, TransferFailed
from ..workers import Workers
from .proxies import proxy_for
from .words import cause_of

if TYPE_CHECKING:
    import aiohttp

    from .sending import Sending

T = TypeVar("T")

_CONNECT_S = 30.0
"""As in Go's client."""

_MAX_BODY = 16 * 1024 * 1024
"""Bytes of a manifest; whatever else is read whole is far smaller."""

_BUFFER_BYTES = 512 * 1024
"""Of a blob, for each part, while the disk is busy; twice that at most."""

_READ_BYTES = 1024 * 1024

_SENT_BYTES = 64 * 1024
"""Of what is read, given to the connection at once: no more is waited for than asyncio buffers."""

Sent = Callable[[int], object]
"""Told how many bytes of a file have gone out."""


class Http:
    """A client for registries. Use from one event loop; await `close` on it.

    Args:
        workers: Read files.
        stall_s: Silence that ends a request which names no other.
    """

    def __init__(self, workers: Workers, stall_s: float) -> None:
        self._workers = workers
        self._stall_s = stall_s
        self._session: aiohttp.ClientSession | None = None

    async def run(self, operation: Operation[T], sent: Sent | None = None) -> T:
        """Run an operation to its end; the stream of its last answer stays open.

        Args:
            operation: What to do.
            sent: Told of bytes of files as they go out.

        Raises:
            TransferFailed: as the operation says.
        """
        answer: Answer | None = None
        try:
            request = next(operation)
            while True:
                try:
                    answer = await self._send(request, sent)
                except Lost as error:
                    request = operation.throw(error)
                else:
                    request = operation.send(answer)
                    _close(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        except BaseException:
            _close(answer)
            raise

    async def close(self) -> None:
        """Close every connection. Harmless when done already."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, request: Request, sent: Sent | None) -> Answer:
        import aiohttp

        from .sending import Sending

        patience_s = self._stall_s if request.patience_s is None else request.patience_s
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=patience_s)
        headers = dict(request.headers)
        data: Any = request.body or None
        sending = Sending(patience_s)
        if isinstance(request.body, FilePart):
            headers["Content-Length"] = str(request.body.size_bytes)
            data = self._pieces_of(request.body, sending, sent)
        try:
            async with sending:
                response = await self._opened().request(
                    request.method,
                    request.url,
                    headers=headers,
                    data=data,
                    allow_redirects=False,
                    timeout=timeout,
                    ssl=request.verify,
                    proxy=proxy_for(request.url),
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if sending.is_stalled:
                raise Stalled(f"{request.told}: nothing taken for {patience_s:g} s") from error
            raise _failure(request, error, patience_s) from error
        return await _answer(request, response, patience_s)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Takes a tenth of a second to import, and most servers never pull.
            import aiohttp

            from .sending import Connector

            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=Connector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=_BUFFER_BYTES,
                skip_auto_headers=("Content-Type",),
            )
        return self._session

    async def _pieces_of(
        self, part: FilePart, sending: Sending, sent: Sent | None
    ) -> AsyncIterator[bytes]:
        at, end = part.offset, part.offset + part.size_bytes
        while at < end:
            # Opened anew each time: of a request that breaks off, nobody would close it.
            size = min(end - at, _READ_BYTES)
            piece = await self._workers.submit(partial(_read_at, part.path, at, size))
            if not piece:
                raise TransferFailed(f"{part.path} is shorter than it was")
            for start in range(0, len(piece), _SENT_BYTES):
                sending.offered()
                yield (one := piece[start : start + _SENT_BYTES])
                sending.taken()
                if sent is not None:
                    sent(len(one))
            at += len(piece)


def _read_at(path: Path, at: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(size)


class _Stream:
    """See `arriero.server.registry.messages.Stream`."""

    def __init__(
        self, request: Request, response: aiohttp.ClientResponse, patience_s: float
    ) -> None:
        self._request = request
        self._response = response
        self._patience_s = patience_s

    async def pieces(self) -> AsyncIterator[bytes]:
        import aiohttp

        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(self._request, error, self._patience_s) from error

    def close(self) -> None:
        self._response.close()


async def _answer(request: Request, response: aiohttp.ClientResponse, patience_s: float) -> Answer:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    stream = _Stream(request, response, patience_s)
    if request.streams and response.status in (200, 206):
        return Answer(response.status, headers, stream=stream)
    body = bytearray()
    try:
        async for piece in stream.pieces():
            body += piece
            if len(body) > _MAX_BODY:
                raise TransferFailed(f"{request.told}: more than {_MAX_BODY} bytes")
    except BaseException:
        response.close()
        raise
    response.release()
    return Answer(response.status, headers, bytes(body))


def _failure(request: Request, error: Exception, patience_s: float) -> TransferFailed:
    cause = cause_of(error)
    if cause is None:
        return TransferFailed(f"{request.told}: not a URL that can be asked")
    if isinstance(error, asyncio.TimeoutError) and not cause:
        return Stalled(f"{request.told}: no data for {patience_s:g} s")
    return Lost(f"{request.told}: {cause}")


def _close(answer: Answer | None) -> None:
    if answer is not None and answer.stream is not None:
        answer.stream.close()
