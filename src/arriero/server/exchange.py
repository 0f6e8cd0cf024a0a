"""One request and its answer, over ASGI.

An endpoint runs as a task of its own beside a watch on the connection: the client's going
away cancels it, and so does the end of the server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from . import gojson

_log = logging.getLogger("arriero.server")

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = "application/json; charset=utf-8"
JSON_STREAM_ERROR = "application/json"
"""For an error on a streaming route before its first record: no charset, no length."""
NDJSON = "application/x-ndjson"

_FIXED_BYTES = 2048
"""Go's server sends longer bodies chunked, without a length."""


_MAX_BODY_BYTES = 256 * 1024 * 1024
"""Ollama has no limit. This one leaves room for a few hundred pictures; files go to the route for
blobs, which keeps none of them in memory."""

_BODY_S = 120.0
"""How long a client may be silent within a body; Ollama would wait for ever."""

_STOPPING = "the server is shutting down"
_LAST_WORD_S = 0.25


class Refused(Exception):
    """The request is answered with an error.

    Attributes:
        status: HTTP status.
        text: Value of the key `error`.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


class _Gone(Exception):
    """The client went away while it sent its body."""


@dataclass(slots=True)
class Exchange:
    """A request whose body has arrived, and the way to answer it.

    Attributes:
        scope: What ASGI says about the request.
        body: The whole body; empty on routes that take it piece by piece.
        pieces: The body on such a route; read it once. Raises an error only the server's own
            code sees when the client goes away.
        parts: Named parts of the path.
        started: Whether the head of the answer has gone out.
        finished: Whether the last byte has.
        speaker: Who answers in place of this exchange, in the words of another API.
    """

    scope: Scope
    body: bytes
    send: Send
    started: bool = False
    finished: bool = False
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: AsyncIterator[bytes] | None = None
    speaker: Exchange | None = None

    async def reply(self, value: Any, status: int = 200, content_type: str = JSON) -> None:
        """Answer with one JSON value."""
        await self.reply_bytes(gojson.encode(value), status, content_type)

    async def reply_bytes(
        self,
        data: bytes,
        status: int = 200,
        content_type: str = "",
        more_headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer with one body. Long ones go out chunked, as from Ollama."""
        headers = [("content-type", content_type)] if content_type else []
        headers.extend(more_headers)
        # RFC 9110, 8.6: an answer without content has no length either.
        is_fixed = len(data) <= _FIXED_BYTES and content_type != JSON_STREAM_ERROR
        if is_fixed and status != 204:
            headers.append(("content-length", str(len(data))))
        await self._start(status, headers)
        await self._body(data, last=True)

    async def write(self, value: Any) -> None:
        """Send one record of a stream, at once."""
        if not self.started:
            await self._start(200, [("content-type", NDJSON)])
        await self._body(gojson.encode(value) + b"\n", last=False)

    async def end(self) -> None:
        """End a stream."""
        await self._body(b"", last=True)

    async def fail(self, status: int, text: str) -> None:
        """Answer with an error, or end a stream with an error line."""
        if self.speaker is not None:
            await self.speaker.fail(status, text)
            return
        if self.finished:
            return
        if self.started:
            await self.write({"error": text})
            await self.end()
        else:
            await self.reply({"error": text}, status)

    async def refuse_rest(self, error: Refused) -> None:
        """Answer with an error before the body has arrived; the connection ends with it."""
        data = gojson.encode({"error": error.text})
        await self.reply_bytes(data, error.status, JSON, (("Connection", "close"),))

    async def _start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        self.started = True
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def _body(self, data: bytes, *, last: bool) -> None:
        self.finished = last
        await self.send({"type": "http.response.body", "body": data, "more_body": not last})


Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]


class Work:
    """The requests being answered; ends them all when the server stops."""

    def __init__(self) -> None:
        self._aborted: asyncio.Event = asyncio.Event()
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, drain_s: float) -> None:
        """Let requests finish for `drain_s` seconds, then break off the rest."""
        if drain_s > 0 and self._count:
            ended = asyncio.ensure_future(self._idle.wait())
            hurried = asyncio.ensure_future(self._aborted.wait())
            both = (ended, hurried)
            await asyncio.wait(both, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
        self._aborted.set()
        await self._idle.wait()

    def break_off(self) -> None:
        """End every request now, with an error."""
        self._aborted.set()

    async def run(
        self,
        handler: Handler,
        scope: Scope,
        receive: Receive,
        send: Send,
        parts: Mapping[str, str],
        *,
        in_pieces: bool = False,
    ) -> None:
        """Answer one request; `in_pieces` leaves its body to the handler."""
        incoming = _Incoming(receive)
        exchange = Exchange(scope, b"", send, parts=parts, pieces=incoming.pieces())
        if not in_pieces:
            try:
                exchange.body = await incoming.whole()
            except _Gone:
                return
            except Refused as error:
                await exchange.refuse_rest(error)
                return
        self._count += 1
        self._idle.clear()
        try:
            await self._watched(handler, exchange, incoming)
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def _watched(self, handler: Handler, exchange: Exchange, incoming: _Incoming) -> None:
        work = asyncio.ensure_future(_answer(handler, exchange))
        gone = asyncio.ensure_future(incoming.disconnected())
        aborted = asyncio.ensure_future(self._aborted.wait())
        everything = (work, gone, aborted)
        try:
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            broken_off = not work.done() and not gone.done()
        finally:
            for task in everything:
                task.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
        if broken_off:
            with suppress(TimeoutError):
                # A client that does not read must not keep the server from stopping.
                await asyncio.wait_for(exchange.fail(503, _STOPPING), _LAST_WORD_S)


async def _answer(handler: Handler, exchange: Exchange) -> None:
    try:
        await handler(exchange)
    except Refused as error:
        if error.status == 408:
            await exchange.refuse_rest(error)
        else:
            await exchange.fail(error.status, error.text)
    except _Gone:
        # Nobody is there to be told.
        return
    except Exception:
        # A fault of ours: the caller learns that much, the log the rest.
        _log.exception("%s failed", exchange.scope["path"])
        await exchange.fail(500, "internal server error")


class _Incoming:
    """What a client sends: its body first, then at most that it goes away."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = asyncio.Event()

    async def whole(self) -> bytes:
        """Give the whole body. Raises `_Gone`, or `Refused` if it is too long or too slow."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > _MAX_BODY_BYTES:
                raise Refused(413, "http: request body too large")
        return bytes(body)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the body as it comes; the client waits while nobody reads.

        Raises:
            _Gone: the client went away.
            Refused: it sent nothing for a long time.
        """
        more = True
        while more:
            try:
                message = await asyncio.wait_for(self._receive(), _BODY_S)
            except TimeoutError:
                raise Refused(408, f"no more of the body came for {_BODY_S:g} seconds") from None
            if message["type"] == "http.disconnect":
                raise _Gone
            more = bool(message.get("more_body", False))
            yield message.get("body", b"")
        self._ended.set()

    async def disconnected(self) -> None:
        """Return when the client goes away after its body."""
        # Two readers would take the body's pieces from each other.
        await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


__all__ = ["JSON", "JSON_STREAM_ERROR", "NDJSON", "Exchange", "Handler", "Refused", "Work"]
