"""Who may talk to the server: the Host check and CORS.

Source: Ollama v0.33.0-rc2, server/routes.go allowedHostsMiddleware; gin-contrib/cors 1.7.2.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence

_DEFAULT_NAMES = ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104  # an origin, not a bind
_APP_ORIGINS = ("app://*", "file://*", "tauri://*", "vscode-webview://*", "vscode-file://*")
_LOCAL_ENDINGS = (".localhost", ".local", ".internal")

ALLOWED_HEADERS = ",".join((
    "Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "Openai-Beta",
    *(f"X-Stainless-{name}" for name in (
        "Arch", "Async", "Custom-Poll-Interval", "Helper-Method", "Lang", "Os",
        "Package-Version", "Poll-Helper", "Retry-Count", "Runtime", "Runtime-Version", "Timeout",
    )),
))  # fmt: skip
ALLOWED_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
PREFLIGHT_S = 43200

PREFLIGHT_HEADERS: Sequence[tuple[str, str]] = (
    ("Access-Control-Allow-Headers", ALLOWED_HEADERS),
    ("Access-Control-Allow-Methods", ALLOWED_METHODS),
    ("Access-Control-Max-Age", str(PREFLIGHT_S)),
    ("Vary", "Origin"),
    ("Vary", "Access-Control-Request-Method"),
    ("Vary", "Access-Control-Request-Headers"),
)


def default_origins() -> list[str]:
    """Origins allowed without being named."""
    plain = [f"{scheme}://{name}" for name in _DEFAULT_NAMES for scheme in ("http", "https")]
    return [*plain, *(f"{origin}:*" for origin in plain), *_APP_ORIGINS]


def is_local_host(header: str) -> bool:
    """Whether a Host header names this machine, so that no web page can smuggle in another."""
    host = host_of(header)
    if is_address(host):
        return _is_local_address(host)
    if host in ("", "localhost") or host.endswith(_LOCAL_ENDINGS):
        return True
    return host == socket.gethostname().lower()


def host_of(header: str) -> str:
    """The host part of a Host header, lower case, without port and brackets."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def is_address(host: str) -> bool:
    """Whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_allowed_origin(origin: str, allowed: Iterable[str]) -> bool:
    """Whether an Origin header matches one of the patterns; each may hold one ``*``."""
    for pattern in allowed:
        start, star, end = pattern.partition("*")
        if not star and origin == pattern:
            return True
        fits = len(origin) >= len(start) + len(end)
        if star and fits and origin.startswith(start) and origin.endswith(end):
            return True
    return False


def _is_local_address(host: str) -> bool:
    address = ipaddress.ip_address(host)
    return address.is_loopback or address.is_private or address.is_unspecified
