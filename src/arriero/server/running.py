"""Make the server, and run it in the background of a program."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from ..errors import MissingExtra, RequestError
from .app import Application, RequestLine, load_apart, load_within
from .catalogue import catalogue_of
from .durations import InvalidDuration, parse_keep_alive
from .listening import is_loopback, listen, url_of
from .registry.challenge import Credentials
from .registry.credentials import credentials_by_host, credentials_in
from .scheduler import LoadEngine
from .settings import Scheduling
from .store import Store, StoreError

Models: TypeAlias = Mapping[str, str | PathLike[str]] | Iterable[str | PathLike[str]] | None
"""Names and GGUF files, GGUF files alone, or None for the models of this package."""

EngineKind: TypeAlias = Literal["process", "inline"]
"""Where llama.cpp runs: in a process of its own for each model, or within the server's."""

_LOADERS: Mapping[str, LoadEngine] = {"process": load_apart, "inline": load_within}

RegistryAuth: TypeAlias = Mapping[str, tuple[str, str]] | str | PathLike[str] | None
"""Name and password by host (as in model names), or a file of the form Docker keeps them in."""

_START_S = 30.0
_STOP_S = 60.0
_log = logging.getLogger("arriero.server")


def create_app(
    models: Models = None,
    *,
    keep_alive: float | str | None = None,
    max_loaded_models: int = 3,
    num_parallel: int = 4,
    max_queue: int = 512,
    context_length: int = 4096,
    engine: EngineKind = "process",
    check_host: bool = True,
    origins: Sequence[str] = (),
    on_request: Callable[[RequestLine], None] | None = None,
    store: str | PathLike[str] | None = None,
    prune_store: bool = True,
    registry_auth: RegistryAuth = None,
) -> Application:
    """Build the ASGI application, to be served by a server of your own.

    Args:
        models: See `Models`.
        keep_alive: How long an idle model stays loaded: seconds, or a text such as
            ``"10m"``; negative keeps it for good. None means five minutes.
        max_loaded_models: Models loaded at once.
        num_parallel: Requests one model runs at once.
        max_queue: Requests that may wait for a load before others get a 503.
        context_length: Tokens of context where a request names none.
        engine: ``"process"`` runs each model in a process of its own, so that a crash of
            llama.cpp ends the answers of that model and nothing else. ``"inline"`` runs it in
            this process: a model is there 0.2 s sooner, and a crash ends everything.
        check_host: Refuse requests whose Host header does not name this machine.
        origins: Origins of web pages allowed besides those on this machine.
        on_request: Called on the event loop after each request; must not block.
        store: Folder of the models that are created, in Ollama's layout; may be the one Ollama
            uses. None means a private one that goes with the application.
        prune_store: Remove blobs of the store that no model needs and that are older than an
            hour, as Ollama does when it starts, and downloads nobody went on with for a week.
        registry_auth: Who pulls and pushes, see `RegistryAuth`; None asks registries as anybody.

    Raises:
        RequestError: an argument makes no sense, or a model's file cannot be read.
    """
    scheduling = Scheduling(
        keep_alive_s=_keep_alive_s(keep_alive),
        max_loaded_models=max_loaded_models,
        num_parallel=num_parallel,
        max_queue=max_queue,
        context_length=context_length,
    )
    return Application(
        catalogue_of(models),
        scheduling,
        _loader(engine),
        check_host=check_host,
        origins=origins,
        on_request=on_request,
        store=_open_store(store, prune=prune_store),
        credentials=_credentials(registry_auth),
    )


def serve(
    models: Models = None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    keep_alive: float | str | None = None,
    max_loaded_models: int = 3,
    num_parallel: int = 4,
    max_queue: int = 512,
    context_length: int = 4096,
    engine: EngineKind = "process",
    origins: Sequence[str] = (),
    on_request: Callable[[RequestLine], None] | None = None,
    store: str | PathLike[str] | None = None,
    prune_store: bool = True,
    registry_auth: RegistryAuth = None,
) -> Server:
    """Start a server in the background of this program; it is ready when this returns.

    Use it as a context manager, or call `Server.close`::

        with arriero.serve() as server:
            client = arriero.Client(server.url)

    Args:
        models: See `Models`.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one, see `Server.port`.
        keep_alive: See `create_app`, as the arguments after it.
        max_loaded_models: Models loaded at once.
        num_parallel: Requests one model runs at once.
        max_queue: Requests that may wait for a load before others get a 503.
        context_length: Tokens of context where a request names none.
        engine: See `create_app`.
        origins: Origins of web pages allowed besides those on this machine.
        on_request: Called on the server's thread after each request; must not block.
        store: Folder of the models that are created, in Ollama's layout; may be the one Ollama
            uses. None means a private one that goes with the server.
        prune_store: Remove old blobs of the store that no model needs; see `create_app`.
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
        on_request=on_request,
        store=store,
        prune_store=prune_store,
        registry_auth=registry_auth,
    )
    return Server(app, listen(host, port))


class Server:
    """A server running on a thread of its own. Made by `serve`.

    Attributes:
        url: Where it listens, such as ``http://127.0.0.1:40213``.
        host: Address it listens on.
        port: Port it listens on.
    """

    def __init__(self, app: Application, listener: socket.socket) -> None:
        self._app = app
        self.host, self.port = listener.getsockname()[:2]
        self.url = url_of(self.host, self.port)
        self._listener = listener
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._drain_s = 0.0
        # Not a daemon: killed in the middle of a token, llama.cpp could crash the process.
        self._thread = threading.Thread(target=self._run, name="arriero-server")
        self._thread.start()
        if not self._started.wait(_START_S) or self._failure is not None:
            raise RequestError(f"the server did not start: {self._failure}") from self._failure

    def close(self, *, drain_s: float = 0.0) -> None:
        """Stop listening, end every request, unload every model, end the thread.

        Harmless when closed already. Streams still open end with an error line.

        Args:
            drain_s: How long running requests may go on before they are broken off.
        """
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and self._thread.is_alive():
            self._drain_s = drain_s
            # The loop may end between the two lines; the thread is about to, then.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
        self._thread.join(drain_s + _STOP_S)

    def __enter__(self) -> Self:
        """Give the running server."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            _log.exception("the server broke")
        finally:
            self._listener.close()
            self._started.set()

    async def _serve(self) -> None:
        from .http_server import HttpServer

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = HttpServer(self._app)
        await server.start(self._listener)
        self._started.set()
        await server.wait(self._stop)
        await server.stop(drain_s=self._drain_s)


def require_extra() -> None:
    """Fail early and clearly if the extra is not installed.

    Raises:
        MissingExtra: naming what to install.
    """
    for package in ("aiohttp", "uvicorn", "xllamacpp"):
        if find_spec(package) is None:
            raise MissingExtra(
                f"the embedded server needs {package}: pip install 'arriero[server]'"
            )


def _loader(engine: str) -> LoadEngine:
    if engine not in _LOADERS:
        raise RequestError(f'engine must be "process" or "inline", not {engine!r}')
    return _LOADERS[engine]


def _open_store(path: str | PathLike[str] | None, *, prune: bool) -> Store | None:
    if path is None:
        return None
    folder = Path(path).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"store: {folder} is not a folder")
    store = Store(folder)
    try:
        store.clean(prune=prune)
    except StoreError as cause:
        raise RequestError(f"store: {folder} cannot be used: {cause}") from cause
    return store


def _credentials(given: RegistryAuth) -> Mapping[str, Credentials]:
    if given is None:
        return {}
    try:
        if isinstance(given, Mapping):
            return credentials_by_host(given)
        return credentials_in(Path(given).expanduser().read_bytes())
    except OSError as cause:
        raise RequestError(f"registry_auth: {given}: {cause.strerror}") from cause
    except ValueError as cause:
        where = "" if isinstance(given, Mapping) else f"{given}: "
        raise RequestError(f"registry_auth: {where}{cause}") from cause


def _keep_alive_s(value: float | str | None) -> float:
    try:
        seconds = parse_keep_alive(value)
    except InvalidDuration as cause:
        raise RequestError(f"keep_alive: {cause}") from cause
    return Scheduling().keep_alive_s if seconds is None else seconds
