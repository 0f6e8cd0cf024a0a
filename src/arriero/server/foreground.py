"""Run the server in the foreground of a process."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from os import PathLike
from types import FrameType

from .app import Application, RequestLine
from .listening import is_loopback, listen, url_of
from .running import EngineKind, Models, RegistryAuth, create_app, require_extra

_log = logging.getLogger("arriero.server")


def run(
    host: str = "127.0.0.1",
    port: int = 11434,
    models: Models = None,
    *,
    keep_alive: float | str | None = None,
    max_loaded_models: int = 3,
    num_parallel: int = 4,
    max_queue: int = 512,
    context_length: int = 4096,
    engine: EngineKind = "process",
    origins: Sequence[str] = (),
    drain_s: float = 10.0,
    on_ready: Callable[[str], None] | None = None,
    on_request: Callable[[RequestLine], None] | None = None,
    store: str | PathLike[str] | None = None,
    prune_store: bool = True,
    registry_auth: RegistryAuth = None,
) -> None:
    """Serve in the foreground until Ctrl-C or SIGTERM.

    The first signal lets running requests finish for `drain_s` seconds; a second one ends
    them at once. Call from the main thread.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        models: See `Models`.
        keep_alive: See `create_app`, as the four after it.
        max_loaded_models: Models loaded at once.
        num_parallel: Requests one model runs at once.
        max_queue: Requests that may wait for a load before others get a 503.
        context_length: Tokens of context where a request names none.
        engine: See `create_app`.
        origins: Origins of web pages allowed besides those on this machine.
        drain_s: How long running requests may go on after the first signal.
        on_ready: Called with the URL once the server listens.
        on_request: Called after each request; None writes a line to the log
            ``arriero.server``.
        store: See `create_app`, as the one after it.
        prune_store: Remove old blobs of the store that no model needs.
        registry_auth: Who pulls and pushes, see `RegistryAuth`.

    Raises:
        MissingExtra: the extra ``server`` is not installed.
        RequestError: an argument makes no sense, a file cannot be read, or the address
            is taken.
    """
    require_extra()
    app = create_app(
        models,
        keep_alive=keep_alive,
        max_loaded_models=max_loaded_models,
        num_parallel=num_parallel,
        max_queue=max_queue,
        context_length=context_length,
        engine=engine,
        check_host=is_loopback(host),
        origins=origins,
        on_request=on_request or log_request,
        store=store,
        prune_store=prune_store,
        registry_auth=registry_auth,
    )
    listener = listen(host, port)
    with listener:
        asyncio.run(_run_until_signal(app, listener, drain_s, on_ready))


async def _run_until_signal(
    app: Application,
    listener: socket.socket,
    drain_s: float,
    on_ready: Callable[[str], None] | None,
) -> None:
    from .http_server import HttpServer

    server, stop, hurry = HttpServer(app), asyncio.Event(), asyncio.Event()
    with _signals(asyncio.get_running_loop(), stop, hurry):
        host, port = listener.getsockname()[:2]
        await server.start(listener)
        if on_ready is not None:
            on_ready(url_of(host, port))
        await server.wait(stop)
        stopping = asyncio.create_task(server.stop(drain_s=drain_s))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait((stopping, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        app.break_off()
        await stopping


@contextmanager
def _signals(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event, hurry: asyncio.Event
) -> Generator[None]:
    """Set `stop` at the first signal and `hurry` at the second; put handlers back after."""

    # Counted here: the loop may hear of the first only after the second has come.
    meaning = chain((stop,), repeat(hurry))

    def arrived(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(next(meaning).set)

    before = {one: signal.signal(one, arrived) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def log_request(line: RequestLine) -> None:
    """Write one line about a request to the log ``arriero.server``."""
    answer = str(line.status) if line.status else "client gone"
    _log.info("%s %s %s %s %.3fs", line.client, line.method, line.path, answer, line.seconds)
