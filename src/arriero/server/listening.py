"""Sockets that servers listen on."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress

from ..errors import RequestError

_BACKLOG = 2048

_TURNS = 3
"""Of the loop, until a connection is known to who serves it: asyncio makes its transport, tells
its protocol, and that may begin a task."""


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address. Raises `RequestError` if that cannot be done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as cause:
        reason = str(cause)
        if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
            reason = "another server listens there; end it, or take another port"
        raise RequestError(f"cannot listen on {host}:{port}: {reason}") from cause
    # Connections inherit it. asyncio sets it only where the socket names its protocol, which
    # this one does not; without it the second record of a stream waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def stop_listening(servers: Iterable[asyncio.Server]) -> None:
    """Close servers, but none under a connection that it has just accepted.

    asyncio makes a connection's transport a turn after it was accepted. If its server is closed
    by then, it drops the socket without closing it, with a ResourceWarning as its last word.
    """
    servers = list(servers)
    loop = asyncio.get_running_loop()
    for server in servers:
        for listener in server.sockets:
            with suppress(NotImplementedError):  # of the loop that Windows has
                loop.remove_reader(listener.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    for server in servers:
        server.close()


def url_of(host: str, port: int) -> str:
    """Give the URL at which a client of this machine reaches an address listened on."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # not a bind
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, as far as its name says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
