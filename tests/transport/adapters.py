"""Every adapter behind one blocking interface, so that one suite fits all."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Awaitable, Mapping
from time import monotonic
from typing import Any, Protocol, TypeVar

import pytest

from arriero._core.http import Fault, FileBody, Request
from arriero._transport.interface import (
    AsyncAnswer,
    AsyncTransport,
    TransportSettings,
)
from arriero._transport.tls import context_from

T = TypeVar("T")

NAMES = ("socket", "httpx", "httpx2", "asyncio", "httpx-async", "httpx2-async")
LIMIT_S = 30.0


def get(url: str, *headers: tuple[str, str]) -> Request:
    """A request without body."""
    return Request("GET", url, headers)


def post(url: str, body: bytes | FileBody = b"{}") -> Request:
    """A request with a body."""
    return Request("POST", url, (("Content-Type", "application/json"),), body)


class Got(Protocol):
    """An open answer."""

    status: int
    headers: Mapping[str, str]
    reused: bool

    def read(self, wait_s: float | None = LIMIT_S) -> bytes: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def abort_later(self, wait_s: float) -> None: ...


class Adapter(Protocol):
    """A transport, driven from the test's thread."""

    is_async: bool

    def open(
        self, request: Request, *, connect_s: float | None = LIMIT_S, wait_s: float | None = LIMIT_S
    ) -> Got: ...
    def close(self) -> None: ...


def fetch(adapter: Adapter, request: Request) -> bytes:
    """Make a call and give the whole body."""
    answer = adapter.open(request)
    try:
        return rest_of(answer)
    finally:
        answer.close()


def rest_of(answer: Got) -> bytes:
    """Read an answer to its end."""
    parts: list[bytes] = []
    while data := answer.read():
        parts.append(data)
    return b"".join(parts)


def fault_of(adapter: Adapter, request: Request) -> Fault:
    """Make a call that fails, at its head or later, and give the fault."""
    try:
        answer = adapter.open(request)
    except Fault as fault:
        return fault
    with pytest.raises(Fault) as caught:
        rest_of(answer)
    answer.close()
    return caught.value


def made(name: str, settings: TransportSettings | None = None) -> Adapter:
    """Make the adapter called `name`."""
    settings = settings or TransportSettings()
    if name == "socket":
        from arriero._transport.over_sockets import SocketTransport

        return SyncAdapter(SocketTransport(settings))
    if name == "asyncio":
        from arriero._transport.over_asyncio import AsyncioTransport

        return AsyncAdapter(AsyncioTransport(settings))
    from arriero._transport.over_httpx import AsyncHttpxTransport, HttpxTransport

    library = importlib.import_module(name.partition("-")[0])
    options = _httpx_options(library, settings)
    if name.endswith("-async"):
        return AsyncAdapter(AsyncHttpxTransport(library.AsyncClient(**options), owned=True))
    return SyncAdapter(HttpxTransport(library.Client(**options), owned=True))


def _httpx_options(library: Any, settings: TransportSettings) -> dict[str, Any]:
    pool = settings.pool
    return {
        # Without TLS in the test, reading the system's authorities would only cost time.
        "verify": False if settings.tls is None else context_from(settings.tls),
        "proxy": settings.proxy,
        "trust_env": False,
        "limits": library.Limits(
            max_connections=pool.max_connections, max_keepalive_connections=pool.keep_idle
        ),
    }


class SyncAdapter:
    """A sync transport as it is."""

    is_async = False

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    def open(
        self, request: Request, *, connect_s: float | None = LIMIT_S, wait_s: float | None = LIMIT_S
    ) -> Got:
        now = monotonic()
        answer = self.transport.open(
            request,
            connect_until=None if connect_s is None else now + connect_s,
            until=None if wait_s is None else now + wait_s,
        )
        return SyncGot(answer)

    def close(self) -> None:
        self.transport.close()


class SyncGot:
    """An answer of a sync transport."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._aborting: threading.Timer | None = None
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.reused: bool = answer.reused

    def read(self, wait_s: float | None = LIMIT_S) -> bytes:
        data: bytes = self._answer.read(None if wait_s is None else monotonic() + wait_s)
        return data

    def close(self) -> None:
        self._answer.close()
        if self._aborting is not None:
            self._aborting.join()

    def abort(self) -> None:
        self._answer.abort()

    def abort_later(self, wait_s: float) -> None:
        self._aborting = threading.Timer(wait_s, self.abort)
        self._aborting.start()


class AsyncAdapter:
    """An async transport with an event loop of its own. Keeps deadlines as the driver does."""

    is_async = True

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport
        self.loop = asyncio.new_event_loop()

    def run(self, work: Awaitable[T], wait_s: float | None = LIMIT_S) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(wait_s):
                return await work

        return self.loop.run_until_complete(bounded())

    def open(
        self, request: Request, *, connect_s: float | None = LIMIT_S, wait_s: float | None = LIMIT_S
    ) -> Got:
        opening = self.transport.open(request, connect_s=connect_s)
        try:
            return AsyncGot(self, self.run(opening, wait_s))
        except TimeoutError as cause:
            raise Fault("timeout", "head", "cancelled") from cause

    def close(self) -> None:
        if self.loop.is_closed():
            return
        with contextlib.closing(self.loop):
            self.run(self.transport.close())
            left = asyncio.all_tasks(self.loop)
            if left:
                self.run(asyncio.wait(left))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())


class AsyncGot:
    """An answer of an async transport."""

    def __init__(self, adapter: AsyncAdapter, answer: AsyncAnswer) -> None:
        self._adapter = adapter
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self.reused = answer.reused

    def read(self, wait_s: float | None = LIMIT_S) -> bytes:
        try:
            return self._adapter.run(self._answer.read(), wait_s)
        except TimeoutError as cause:
            raise Fault("timeout", "body", "cancelled") from cause

    def close(self) -> None:
        self._adapter.run(self._answer.close())
        self._adapter.run(asyncio.sleep(0))

    def abort(self) -> None:
        async def abort() -> None:
            self._answer.abort()

        self._adapter.run(abort())
        self._adapter.run(asyncio.sleep(0))

    def abort_later(self, wait_s: float) -> None:
        self._adapter.loop.call_later(wait_s, self._answer.abort)
