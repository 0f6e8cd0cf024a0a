"""The ASGI application: routes behind the guard, engines behind the routes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from .account import me, recommendations, sign_out, web_fetch, web_search
from .catalogue import Catalogue, Model
from .chat import chat
from .embed import embed, embeddings
from .engines.engine import Engine, LoadPlan
from .exchange import Exchange, Receive, Scope, Send, Work
from .generate import generate
from .guard import (
    PREFLIGHT_HEADERS,
    default_origins,
    host_of,
    is_address,
    is_allowed_origin,
    is_local_host,
)
from .inference import House
from .keeping import blobs, copy, create, delete
from .listing import ps, root, show, status, tags, version
from .moving import pull, push
from .registry.challenge import Credentials
from .router import Route, Router
from .scheduler import LoadEngine, Scheduler
from .settings import Scheduling
from .store import Store
from .stored_models import StoreCatalogue
from .transfer.models import RegistryTransfers
from .transfers import Transfers
from .v1 import ROUTES

VERSION = "0.33.0"
"""The version of Ollama whose protocol this server speaks; clients compare it."""


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One answered request, for a log.

    Attributes:
        method: HTTP method.
        path: Path asked for.
        status: Status sent; 0 if the client went away before.
        seconds: From the request's arrival to its last byte.
        client: Address of the client.
    """

    method: str
    path: str
    status: int
    seconds: float
    client: str


_Endpoint: TypeAlias = Callable[[House, Exchange], Awaitable[None]]

_READ = ("HEAD", "GET")
_POST = ("POST",)


class Application:
    """Ollama's protocol as an ASGI application. Serve it from one event loop.

    Await `close` on that loop before it ends; the lifespan protocol does so by itself.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        scheduling: Scheduling,
        load: LoadEngine,
        *,
        check_host: bool = True,
        origins: Sequence[str] = (),
        on_request: Callable[[RequestLine], None] | None = None,
        store: Store | None = None,
        transfers: Transfers | None = None,
        credentials: Mapping[str, Credentials] | None = None,
    ) -> None:
        store = Store() if store is None else store
        models = StoreCatalogue(store, catalogue)
        transfers = transfers or RegistryTransfers(store, VERSION, credentials)
        self._house = House(models, Scheduler(scheduling, load), VERSION, store, transfers)
        self._work = Work()
        self._router = Router(self._work)
        self._router.add(self._routes())
        self._check_host = check_host
        self._origins = (*origins, *default_origins())
        self._on_request = on_request
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: a request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def close(self, *, drain_s: float = 0.0) -> None:
        """End every request and unload every model.

        Args:
            drain_s: How long running requests may go on before they are broken off.
        """
        if self._closed:
            return
        self._closed = True
        await self._work.drain(drain_s)
        await self._house.scheduler.close()
        await self._house.transfers.close()
        self._house.builds.close()
        self._house.files.close()
        self._house.store.close()

    def break_off(self) -> None:
        """End every running request now; for use while `close` drains."""
        self._work.break_off()

    def _routes(self) -> Iterable[Route]:
        table: tuple[tuple[tuple[str, ...], str, _Endpoint], ...] = (
            (_READ, "/", root),
            (_READ, "/api/version", version),
            (_READ, "/api/tags", tags),
            (("GET",), "/api/ps", ps),
            (("GET",), "/api/status", status),
            (_POST, "/api/show", show),
            (_POST, "/api/chat", chat),
            (_POST, "/api/generate", generate),
            (_POST, "/api/embed", embed),
            (_POST, "/api/embeddings", embeddings),
            (_POST, "/api/create", create),
            (_POST, "/api/copy", copy),
            (("DELETE",), "/api/delete", delete),
            (_POST, "/api/pull", pull),
            (_POST, "/api/push", push),
            (_POST, "/api/me", me),
            (_POST, "/api/signout", sign_out),
            (("DELETE",), "/api/user/keys/{key}", sign_out),
            (_POST, "/api/experimental/web_search", web_search),
            (_POST, "/api/experimental/web_fetch", web_fetch),
            (("GET",), "/api/experimental/model-recommendations", recommendations),
        )
        for methods, path, endpoint in (*table, *ROUTES):
            yield Route(methods, path, partial(endpoint, self._house))
        yield Route(
            ("HEAD", "POST"), "/api/blobs/{digest}", partial(blobs, self._house), in_pieces=True
        )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = time.perf_counter()
        sent: list[int] = []

        async def watched(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                sent.append(message["status"])
            await send(message)

        try:
            await self._guarded(scope, receive, watched if self._on_request else send)
        finally:
            if self._on_request is not None:
                self._on_request(
                    RequestLine(
                        method=scope["method"],
                        path=scope["path"],
                        status=sent[0] if sent else 0,
                        seconds=time.perf_counter() - started_s,
                        client=str((scope.get("client") or ("",))[0]),
                    )
                )

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, origin = headers.get("host", ""), headers.get("origin", "")
        answer = Exchange(scope, b"", send)
        if self._check_host and not is_local_host(host):
            await answer.reply_bytes(b"", 403)
            return
        is_options = scope["method"] == "OPTIONS"
        if not origin or origin in (f"http://{host}", f"https://{host}"):
            if is_options and self._check_host and not is_address(host_of(host)):
                await answer.reply_bytes(b"", 204, "", self._allow(scope))
                return
            await self._router.serve(scope, receive, send)
            return
        await self._from_origin(origin, scope, receive, send)

    async def _from_origin(self, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer = Exchange(scope, b"", send)
        is_options = scope["method"] == "OPTIONS"
        if not is_allowed_origin(origin, self._origins):
            await answer.reply_bytes(b"", 403, "", self._allow(scope) if is_options else ())
            return
        allowed = "*" if "*" in self._origins else origin
        if is_options:
            headers = (("Access-Control-Allow-Origin", allowed), *PREFLIGHT_HEADERS)
            await answer.reply_bytes(b"", 204, "", (*self._allow(scope), *headers))
            return

        async def marked(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [(b"access-control-allow-origin", allowed.encode())]
                if allowed != "*":
                    extra.append((b"vary", b"Origin"))
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._router.serve(scope, receive, marked)

    def _allow(self, scope: Scope) -> Sequence[tuple[str, str]]:
        found = self._router.find(scope["path"])
        return (("Allow", ", ".join(found[0].methods)),) if found else ()


def load_apart(model: Model, plan: LoadPlan) -> Engine:
    """Load a model with llama.cpp in a process of its own. Blocks. Raises `EngineError`."""
    from .engines.process import start_llama

    return start_llama(model.path, plan, **_llama_arguments(model))


def load_within(model: Model, plan: LoadPlan) -> Engine:
    """Load a model with llama.cpp in this process. Blocks. Raises `EngineError`."""
    # llama.cpp is 100 MB of code: only read when a model is wanted.
    from .engines.llama import load_llama

    return load_llama(model.path, plan, **_llama_arguments(model))


def _llama_arguments(model: Model) -> dict[str, Any]:
    return {
        "template": model.template,
        "embedding": model.is_embedding,
        "mean_pooling": model.mean_pooling,
        "adapters": model.recipe.adapters,
        "projector": model.recipe.projector,
    }
