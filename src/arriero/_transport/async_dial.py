"""Connections made by asyncio: TCP, TLS and proxies."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator

from arriero._core.http import Fault
from arriero._transport.async_wire import AsyncWire
from arriero._transport.http1 import HeadReader, Malformed
from arriero._transport.interface import TransportSettings
from arriero._transport.names import (
    Addresses,
    answer_to,
    asked,
    is_known,
    looked_up,
    unanswered,
)
from arriero._transport.origin import Origin, Proxy
from arriero._transport.pins import require_pinned
from arriero._transport.reason import reason_from
from arriero._transport.tls import Contexts

_UNSHAKEN = "the TLS handshake did not end in time"


class AsyncDialer:
    """Makes connections, with the TLS settings and the proxy of one client."""

    def __init__(self, settings: TransportSettings) -> None:
        self._contexts = Contexts(settings.tls)
        self.proxy = None if settings.proxy is None else Proxy.from_url(settings.proxy)

    async def dial(self, origin: Origin, until: float | None) -> AsyncWire:
        """Connect to `origin` before `until`, by the clock of the loop.

        Raises:
            Fault: ``timeout``, ``connect`` or ``pin``, in phase ``connect``. Nothing stays
                open.
        """
        try:
            wire = await self._dialled(origin, until)
        except TimeoutError as cause:
            raise Fault("timeout", "connect", _awaited(cause)) from cause
        except (OSError, ValueError, Malformed, RuntimeError) as cause:
            raise Fault("connect", "connect", reason_from(cause)) from cause
        try:
            session = wire.transport.get_extra_info("ssl_object") if origin.is_tls else None
            require_pinned(self._contexts.pins, session)
        except Fault:
            wire.abort()
            raise
        return wire

    async def _dialled(self, origin: Origin, until: float | None) -> AsyncWire:
        context = self._contexts.to_server() if origin.is_tls else None
        proxy = self.proxy
        if proxy is None:
            wire = await _connected(origin, until)
            return wire if context is None else await _secured(wire, context, origin, until)
        hop = proxy.origin
        outer = self._contexts.to_proxy() if hop.is_tls else None  # may fail: nothing is open yet
        wire = await _connected(hop, until)
        if outer is not None:
            wire = await _secured(wire, outer, hop, until)
        if context is None:
            return wire
        try:
            async with _within(until, "the proxy did not connect in time"):
                await _through(wire, proxy, origin)
        except BaseException:
            wire.abort()
            raise
        return await _secured(wire, context, origin, until)


def _awaited(cause: TimeoutError) -> str:
    # What the system itself calls a timeout has a number.
    return "no connection in time" if cause.errno or not str(cause) else str(cause)


async def _through(wire: AsyncWire, proxy: Proxy, origin: Origin) -> None:
    """Have a proxy connect to `origin`."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    wire.write("\r\n".join((*lines, "", "")).encode())
    reader = HeadReader()
    while True:
        data = await wire.receive()
        if not data:
            raise ConnectionResetError("the proxy closed the connection")
        head = reader.feed(data)
        if head is not None:
            break
    if not 200 <= head.status < 300:
        raise ConnectionRefusedError(f"the proxy answered {head.status} to CONNECT")
    if reader.rest:
        raise Malformed("the proxy speaks before it connected")


async def _connected(origin: Origin, until: float | None) -> AsyncWire:
    """Connect to the first address of a host that answers."""
    loop = asyncio.get_running_loop()
    async with _within(until, unanswered(origin.host)):
        addresses = await _addresses(origin.host, origin.port)
    failure: OSError = OSError("the name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            one = socket.socket(family, kind, protocol)
        except OSError as error:  # a family this machine does not have
            failure = error
            continue
        try:
            one.setblocking(False)  # noqa: FBT003  # its signature
            # A model may think for minutes: keep routers from forgetting the connection.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # A silent address must leave time for the next one.
            left_s = None if until is None else (until - loop.time()) / (len(addresses) - tried)
            async with asyncio.timeout(left_s):
                await loop.sock_connect(one, address)
        except OSError as error:
            one.close()
            failure = error
            continue
        except BaseException:
            one.close()
            raise
        return await _wired(loop, one)
    raise failure


async def _wired(loop: asyncio.AbstractEventLoop, one: socket.socket) -> AsyncWire:
    wire = AsyncWire(loop)
    try:
        await loop.create_connection(lambda: wire, sock=one)
    except BaseException:
        # Once asyncio has it, only asyncio may close it: it would look for its number
        # among sockets that are not ours any more.
        if wire.transport is None:
            one.close()
        else:
            wire.abort()
        raise
    return wire


async def _secured(
    wire: AsyncWire, context: ssl.SSLContext, origin: Origin, until: float | None
) -> AsyncWire:
    """Put TLS over a connection. It is closed if that fails."""
    loop = wire.loop
    # Ours comes first; asyncio's own, after a minute, is not for those who have more time.
    limit_s = None if until is None else max(1.0, until - loop.time() + 1.0)
    try:
        async with _within(until, _UNSHAKEN):
            # Not at once with connecting: then a handshake that is cancelled leaves a socket
            # nobody has.
            secured = await loop.start_tls(
                wire.transport,
                wire,
                context,
                server_hostname=origin.host,
                ssl_handshake_timeout=limit_s,
            )
    except BaseException:
        wire.abort()
        raise
    wire.use(secured)
    return wire


async def _addresses(host: str, port: int) -> Addresses:
    if is_known(host):
        return looked_up(host, port)
    # Not with the loop's `getaddrinfo`: its threads hold up the end of the loop.
    question = asked(host, port)
    waiting = [asyncio.get_running_loop().create_future()]

    def tell(_: object) -> None:
        for future in list(waiting):
            with contextlib.suppress(RuntimeError):  # its loop was closed in this moment
                future.get_loop().call_soon_threadsafe(_wake, future)

    question.add_done_callback(tell)
    try:
        await waiting[0]
    finally:
        waiting.clear()  # the question may outlive the loop, and must not hold it
    return answer_to(question)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@contextlib.asynccontextmanager
async def _within(until: float | None, reason: str) -> AsyncGenerator[None]:
    """Bound what one step takes. Raises TimeoutError, with the reason."""
    deadline = asyncio.timeout_at(until)
    try:
        async with deadline:
            yield
    except TimeoutError as cause:
        if not deadline.expired():
            raise
        raise TimeoutError(reason) from cause
