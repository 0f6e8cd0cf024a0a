"""Where a request goes, and its head as bytes: for the transports that talk by themselves."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from arriero._core.http import Fault, Request
from arriero._transport.origin import Origin, Proxy

IDLE_S = 90.0
"""How long an idle connection is kept, as in Go: routers forget silent ones after minutes."""
JOINED_BYTES = 65_536
"""A body up to this size travels in one write with the head."""

READ_BYTES = 65_536
"""Most bytes of one read: what the kernel holds by default, and below the size from which
malloc maps memory for each block anew."""

_UNSENDABLE = re.compile(r"[\0-\x08\x0a-\x1f\x7f]")
_UNSENDABLE_IN_PATH = re.compile(r"[\0-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says."""

    origin: Origin
    path: str
    """With the query."""
    host_header: str


@functools.lru_cache(maxsize=512)
def target_of(url: str) -> Target:
    """Read a URL.

    Raises:
        Fault: ``closed``: it is none for HTTP.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError as cause:
        raise Fault("closed", "prepare", f"not a URL: {cause}") from cause
    if parts.scheme not in ("http", "https") or not host:
        raise Fault("closed", "prepare", "not a URL with http or https and a host")
    is_tls = parts.scheme == "https"
    default = 443 if is_tls else 80
    literal = f"[{host}]" if ":" in host else host
    return Target(
        Origin(is_tls, host.replace("%25", "%"), port or default),
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        literal if port in (None, default) else f"{literal}:{port}",
    )


def head_bytes(request: Request, target: Target, proxy: Proxy | None) -> bytes:
    """Give request line and fields.

    Raises:
        Fault: ``closed``: one of them cannot be sent as it is.
    """
    path, host = target.path, target.host_header
    fields: list[str] = []
    if proxy is not None and not target.origin.is_tls:
        path = f"http://{host}{path}"
        if proxy.authorization is not None:
            fields.append(f"Proxy-Authorization: {proxy.authorization}")
    for name, value in request.headers:
        match name.lower():
            case "host":
                host = value
            case "content-length" | "transfer-encoding":
                pass  # we frame the body, so we say how
            case _:
                fields.append(f"{name}: {value}")
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        fields.append(f"Content-Length: {request.size}")
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}", *fields]
    if _UNSENDABLE_IN_PATH.search(path) or any(map(_UNSENDABLE.search, lines)):
        raise Fault("closed", "prepare", "the URL or a header holds a control character")
    return "\r\n".join((*lines, "", "")).encode()
