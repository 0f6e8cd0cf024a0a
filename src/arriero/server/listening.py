"""Sockets that servers listen on."""

from __future__ import annotations

import errno
import ipaddress
import socket

from ..errors import RequestError

_BACKLOG = 2048


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
