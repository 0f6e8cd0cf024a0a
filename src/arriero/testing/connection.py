"""HTTP/1.1 for one connection, with a hand on the socket.

An ordinary HTTP server will not break its own protocol; this one does when told to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import unquote

import h11

from .faults import Fault
from .outlet import Outlet
from .received import Received, received

Message: TypeAlias = MutableMapping[str, Any]
Asgi: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
Choose: TypeAlias = Callable[[Received], Fault | None]
"""Takes a request as it has arrived; gives what is done to its answer."""

_READ_BYTES = 65536
_MAX_HEAD_BYTES = 1 << 20


class Connection:
    """One client. Await `serve` once."""

    def __init__(
        self,
        app: Asgi,
        choose: Choose,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._app = app
        self._choose = choose
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)

    async def serve(self) -> None:
        """Answer request after request until the connection ends."""
        try:
            while await self._exchange():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._refuse(error)
        except ConnectionError:
            # The client is gone: nobody is left to be told.
            return
        finally:
            self._writer.close()

    async def _exchange(self) -> bool:
        """Answer one request; tell whether another may follow."""
        head = await self._next()
        if not isinstance(head, h11.Request):
            return False
        body = await self._body()
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers
        ]
        target = head.target.decode("latin-1")
        arrived = received(head.method.decode(), target, headers, body, time.monotonic())
        fault = self._choose(arrived)
        outlet = Outlet(self._http, self._writer, fault, arrived)
        watch = asyncio.ensure_future(self._watch(outlet))
        try:
            if fault is None or await fault.before(outlet):
                await self._run(head, body, outlet)
        finally:
            watch.cancel()
            await asyncio.wait([watch])
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        return done and not self._writer.is_closing()

    async def _run(self, head: h11.Request, body: bytes, outlet: Outlet) -> None:
        given = False

        async def receive() -> Message:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            await outlet.gone.wait()
            return {"type": "http.disconnect"}

        await self._app(self._scope(head), receive, outlet.send)

    def _scope(self, head: h11.Request) -> Message:
        path, _, query = head.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.http_version.decode(),
            "method": head.method.decode(),
            "scheme": "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(head.headers),
            "client": self._writer.get_extra_info("peername"),
            "server": self._writer.get_extra_info("sockname"),
        }

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        if self._http.they_are_waiting_for_100_continue:
            go_on = self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
            self._writer.write(go_on or b"")
        while isinstance(event := await self._next(), h11.Data):
            parts.append(bytes(event.data))
        return b"".join(parts)

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

    async def _watch(self, outlet: Outlet) -> None:
        """See whether the client goes away; keep what it sends ahead of time."""
        with suppress(ConnectionError):
            while data := await self._reader.read(_READ_BYTES):
                self._http.receive_data(data)
        outlet.drop()

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            outlet = Outlet(self._http, self._writer, None, Received("", ""))
            await outlet.reply(error.error_status_hint, [], b"")
