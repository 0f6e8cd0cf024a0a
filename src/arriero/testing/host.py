"""A thread with an event loop and a listening socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from arriero.errors import RequestError
from arriero.server.listening import listen, stop_listening, url_of

from .connection import Choose, Connection

T = TypeVar("T")

_START_S = 30.0
_TICK_S = 0.5
_LAST_WORD_S = 0.25
"""How long an answer that is broken off may take to say so."""


class App(Protocol):
    """An ASGI application that can be closed."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        ...

    async def close(self) -> None:
        """End every request and give everything back."""
        ...


class Host:
    """Serves an application on a thread of its own, from when it is made to `close`.

    Attributes:
        host: Address it listens on.
        port: Port it listens on.
        url: The two as a URL.
    """

    def __init__(self, make_app: Callable[[], App], choose: Choose, host: str, port: int) -> None:
        self._listener = listen(host, port)
        self.host: str = self._listener.getsockname()[0]
        self.port: int = self._listener.getsockname()[1]
        self.url = url_of(self.host, self.port)
        self._make_app = make_app
        self._choose = choose
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._thread = threading.Thread(target=self._run, name="arriero-testing")
        self._thread.start()
        if not self._started.wait(_START_S) or self._failure is not None:
            raise RequestError(f"the server did not start: {self._failure}") from self._failure

    def close(self) -> None:
        """Break everything off and end the thread. Harmless when closed already."""
        if self._loop is not None and self._thread.is_alive():
            # The loop may end between the two lines; the thread is about to, then.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def refuse(self) -> None:
        """Stop listening and break every connection: from now on connecting fails."""
        self._do(self._refuse())

    def accept(self) -> None:
        """Listen again, on the same port. Raises `RequestError` if somebody took it."""
        listener = listen(self.host, self.port)
        self._do(self._accept(listener))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or not self._thread.is_alive():
            work.close()
            raise RequestError("the server is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._listener.close()
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app = self._app = self._make_app()
        try:
            await self._accept(self._listener)
            self._started.set()
            # Whoever forgets to close the server must still be able to end the program.
            while not self._stop.is_set() and threading.main_thread().is_alive():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _TICK_S)
        finally:
            await self._stop_listening()
            closing = asyncio.ensure_future(app.close())
            await asyncio.wait([closing], timeout=_LAST_WORD_S)
            await self._break_off()
            await closing

    async def _accept(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._connected, sock=listener)

    async def _refuse(self) -> None:
        await self._stop_listening()
        await self._break_off()

    async def _stop_listening(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await stop_listening([server])

    async def _break_off(self) -> None:
        for task in self._connections:
            task.cancel()
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections, return_exceptions=True)
        # Closed transports still have to tell the loop.
        await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._connections[task] = writer
        try:
            # What cancels it wants the connection to end; streams would log it as an error.
            with suppress(asyncio.CancelledError):
                await Connection(self._app, self._choose, reader, writer).serve()
        finally:
            del self._connections[task]
