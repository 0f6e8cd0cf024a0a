"""Connections made by urllib3: TCP, TLS and proxies, within an absolute deadline."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.url import parse_url

from arriero._core.http import Fault
from arriero._transport.names import UnansweredName, addresses_of
from arriero._transport.origin import Origin, Proxy
from arriero._transport.pins import require_pinned
from arriero._transport.reason import reason_from
from arriero._transport.tls import Contexts
from arriero._transport.wire import Wire
from arriero.settings import Tls

_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    # A model may think for minutes: keep routers from forgetting the connection.
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
)


class Dialer:
    """Makes connections, with the TLS settings and the proxy of one client."""

    def __init__(self, tls: Tls | None, proxy: Proxy | None) -> None:
        self._contexts = Contexts(tls)
        self._proxy = proxy

    def dial(self, origin: Origin, until: float | None) -> Wire:
        """Connect to `origin`.

        Raises:
            Fault: ``timeout``, ``connect`` or ``pin``, in phase ``connect``. Nothing stays
                open.
        """
        connection = self._connection_to(origin)
        connection.until = until
        try:
            connection.connect()
            require_pinned(self._contexts.pins, connection.sock if origin.is_tls else None)
        except Fault:
            connection.close()
            raise
        except TimeoutError as cause:
            connection.close()
            raise Fault("timeout", "connect", _awaited(cause)) from cause
        except Exception as cause:
            connection.close()
            raise Fault("connect", "connect", reason_from(cause)) from cause
        except BaseException:
            connection.close()
            raise
        # TLS inside TLS is no socket, yet offers what `Wire` uses of one.
        return Wire(cast(socket.socket, connection.sock))

    def _connection_to(self, origin: Origin) -> _Plain | _Encrypted:
        proxy = self._proxy
        if proxy is None:
            if origin.is_tls:
                return _Encrypted(origin.host, origin.port, ssl_context=self._contexts.to_server())
            return _Plain(origin.host, origin.port)
        # Here, as the urllib3 that niquests installs over the real one does not have it.
        from urllib3.connection import ProxyConfig

        hop = proxy.origin
        context = self._contexts.to_proxy() if hop.is_tls else None
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
        through = _Encrypted(hop.host, hop.port, ssl_context=self._contexts.to_server(), **how)
        headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        through.set_tunnel(origin.host, origin.port, headers, "https" if hop.is_tls else "http")
        return through


def _awaited(cause: TimeoutError) -> str:
    if isinstance(cause, UnansweredName):
        return str(cause)
    if "handshake" in str(cause):
        return "the TLS handshake did not end in time"
    return "no connection in time"


class _Plain(HTTPConnection):
    until: float | None = None

    def _new_conn(self) -> socket.socket:
        return _connected(self._dns_host, self.port, self.until)


class _Encrypted(HTTPSConnection):
    until: float | None = None

    def _new_conn(self) -> socket.socket:
        return _connected(self._dns_host, self.port, self.until)


class _Bounded(socket.socket):
    """A socket for talking to a proxy and shaking hands, where each wait is what is left."""

    until: float | None = None

    def gettimeout(self) -> float | None:  # the TLS socket made from this one asks
        if self.until is None:
            return None
        left_s = self.until - monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(self.gettimeout())
        return super().recv_into(*args, **options)

    def sendall(self, *args: Any) -> None:
        self.settimeout(self.gettimeout())
        super().sendall(*args)


def _connected(host: str, port: int, until: float | None) -> socket.socket:
    """Connect to the first address of `host` that answers."""
    addresses = addresses_of(host, port, until)
    failure: OSError = OSError("the name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            one = _Bounded(family, kind, protocol)
        except OSError as error:  # a family this machine does not have
            failure = error
            continue
        one.until = until
        try:
            for option in _SOCKET_OPTIONS:
                one.setsockopt(*option)
            left_s = one.gettimeout()
            # A silent address must leave time for the next one.
            one.settimeout(None if left_s is None else left_s / (len(addresses) - tried))
            one.connect(address)
            one.settimeout(one.gettimeout())
        except OSError as error:
            one.close()
            failure = error
        except BaseException:
            one.close()
            raise
        else:
            return one
    raise failure
