"""Connections made by urllib3: TLS and proxies, within an absolute deadline.

urllib3 knows names in certificates, and how to have proxies connect. Apart from `dial`, as
importing it costs a fifth of a first call that needs neither.
"""

from __future__ import annotations

import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.url import parse_url

from arriero._transport.origin import Origin, Proxy
from arriero._transport.pins import require_pinned
from arriero._transport.tcp import connected
from arriero._transport.tls import Contexts
from arriero._transport.tls_wire import TlsWire
from arriero._transport.wire import Wire


def dialled(origin: Origin, until: float | None, contexts: Contexts, proxy: Proxy | None) -> Wire:
    """Connect to `origin`. Nothing stays open if that raises, which may be anything."""
    connection = _connection_to(origin, contexts, proxy)
    connection.until = until
    try:
        connection.connect()
        require_pinned(contexts.pins, connection.sock if origin.is_tls else None)
    except BaseException:
        connection.close()
        raise
    link: Any = connection.sock
    return TlsWire(link) if isinstance(connection, _Encrypted) else Wire(link)


def _connection_to(origin: Origin, contexts: Contexts, proxy: Proxy | None) -> _Plain | _Encrypted:
    if proxy is None:
        return _Encrypted(origin.host, origin.port, ssl_context=contexts.to_server())
    # Here, as the urllib3 that niquests installs over the real one does not have it.
    from urllib3.connection import ProxyConfig

    hop = proxy.origin
    context = contexts.to_proxy() if hop.is_tls else None
    how: dict[str, Any] = {
        "proxy": parse_url(hop.url),
        "proxy_config": ProxyConfig(
            context,
            use_forwarding_for_https=False,
            assert_hostname=None,
            assert_fingerprint=None,
        ),
    }
    if not origin.is_tls:
        if hop.is_tls:
            return _Encrypted(hop.host, hop.port, ssl_context=context, **how)
        return _Plain(hop.host, hop.port, **how)
    through = _Encrypted(hop.host, hop.port, ssl_context=contexts.to_server(), **how)
    headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    through.set_tunnel(origin.host, origin.port, headers, "https" if hop.is_tls else "http")
    return through


class _Plain(HTTPConnection):
    """To a proxy, for plain requests."""

    until: float | None = None

    def _new_conn(self) -> socket.socket:
        return connected(self._dns_host, self.port, self.until)


class _Encrypted(HTTPSConnection):
    """To a server or a proxy that has TLS, or to such a server through a proxy."""

    until: float | None = None

    def _new_conn(self) -> socket.socket:
        return connected(self._dns_host, self.port, self.until)
