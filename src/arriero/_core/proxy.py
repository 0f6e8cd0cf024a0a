"""Which proxy a server is reached through, by the environment's rules."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from arriero._core.host import is_near
from arriero.errors import RequestError


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Give the proxy to take to `url`; None to connect directly.

    Loopback, private addresses and names without a dot never go through a proxy of the
    environment; name one explicitly if they must.

    Raises:
        RequestError: the environment names a SOCKS proxy for a server outside.
    """
    return None if is_near(url) else proxy_named(url, environ)


def proxy_named(url: str, environ: Mapping[str, str]) -> str | None:
    """Give the proxy that `environ` names for `url`, be it near or not.

    Raises:
        RequestError: it is a SOCKS proxy.
    """
    parts = urlsplit(url)
    names = [f"{parts.scheme}_proxy", "all_proxy"]
    proxy = next((found for name in names if (found := _variable(environ, name))), None)
    if proxy is None or _is_excepted(parts.hostname or "", parts.port, environ):
        return None
    scheme = proxy.partition("://")[0].lower() if "://" in proxy else "http"
    if scheme not in ("http", "https"):
        raise RequestError(
            f"the environment names a {scheme} proxy for {parts.hostname}, which the default"
            " transports do not speak: pass http_client= with an httpx client that does,"
            " or trust_env=False to connect directly"
        )
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    # HTTP_PROXY in capitals is what a request header "Proxy:" becomes under CGI.
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return environ.get(name)
    return environ.get(name) or environ.get(name.upper()) or None


def _is_excepted(host: str, port: int | None, environ: Mapping[str, str]) -> bool:
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    for entry in (item.strip().lower() for item in listed.split(",")):
        if entry == "*":
            return True
        name, _, wanted = entry.rpartition(":") if _has_port(entry) else (entry, "", "")
        name = name.lstrip(".").strip("[]")
        if not name or (wanted and wanted != str(port or "")):
            continue
        if host == name or host.endswith(f".{name}"):
            return True
    return False


def _has_port(entry: str) -> bool:
    head, colon, tail = entry.rpartition(":")
    return bool(colon) and tail.isdigit() and ":" not in head.strip("[]")
