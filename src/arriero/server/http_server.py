"""uvicorn, bent to start and stop inside another program.

uvicorn's own `serve` installs signal handlers, logs, and sleeps while it stops; its parts
below are used one by one instead.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import Application
from .listening import stop_listening

_MAX_HEAD_BYTES = 1 << 20
"""Go's default for request headers, so Ollama's."""

_KEEP_ALIVE_S = 24 * 3600
"""Ollama never closes an idle connection; uvicorn's five seconds would race with clients
that take a connection from their pool just then."""

_TICK_S = 0.5
"""How often the `Date` header is renewed, and how long a program that forgets to close the
server takes longer to end."""

_HEAD_S = 60.0
"""How long the head of a request may take from its first byte on, or a new connection to begin
one. Ollama would wait for ever, and so could be kept busy by whoever sends a byte a minute."""

_FLUSH_S = 0.25
"""How long a closed connection may take to send what is left; a client that does not read
would otherwise keep the server from stopping."""


class _Quiet:
    """An asyncio transport that forgets what is written after the client has gone.

    A generation writes several records before it hears of that; asyncio would print a
    warning from the fifth on.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Protocol(H11Protocol):
    """uvicorn's protocol, with a time limit for heads."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(cast("asyncio.Transport", _Quiet(transport)))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_arrived()
        elif self._head_timer is None:
            self._await_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # What came meanwhile may be the beginning of the next head.
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_arrived()
        self._head_timer = self.loop.call_later(_HEAD_S, self.transport.close)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class HttpServer:
    """One listening server. Use from one event loop."""

    def __init__(self, app: Application) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._app = app

    async def start(self, listener: socket.socket) -> None:
        """Accept connections; `listener` is closed with the server."""
        await self._server.on_tick(0)
        await self._server.startup(sockets=[listener])

    async def wait(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, or until the main thread has ended.

        The interpreter waits for engine threads before it ends, so whoever forgets to close
        the server would wait for the last token of every answer.
        """
        main = threading.main_thread()
        while not stop.is_set() and main.is_alive():
            try:
                await asyncio.wait_for(stop.wait(), _TICK_S)
            except TimeoutError:
                await self._server.on_tick(0)

    async def stop(self, *, drain_s: float) -> None:
        """Accept nothing more, let requests finish for `drain_s`, close everything."""
        await stop_listening(self._server.servers)
        await self._app.close(drain_s=drain_s)
        connections: set[Any] = self._server.server_state.connections
        for connection in list(connections):
            connection.shutdown()
        await _empty(connections, _FLUSH_S)
        for connection in list(connections):
            connection.transport.abort()
        await _empty(connections, _FLUSH_S)


async def _empty(connections: set[Any], limit_s: float) -> None:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + limit_s
    while connections and loop.time() < until_s:  # noqa: ASYNC110  # uvicorn signals nothing
        await asyncio.sleep(0.001)
