"""Connections of threads: TCP by ourselves, TLS and proxies by urllib3."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from arriero._core.http import Fault
from arriero._transport.names import UnansweredName
from arriero._transport.origin import Origin, Proxy
from arriero._transport.pins import require_pinned
from arriero._transport.reason import reason_from
from arriero._transport.tcp import connected
from arriero._transport.tls import Contexts
from arriero._transport.wire import Wire
from arriero.errors import RequestError
from arriero.settings import Tls


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
            RequestError: a file of the TLS settings has become unusable.
        """
        with _as_fault():
            if origin.is_tls or self._proxy is not None:
                from arriero._transport.by_urllib3 import dialled

                return dialled(origin, until, self._contexts, self._proxy)
            wire = Wire(connected(origin.host, origin.port, until))
            try:
                require_pinned(self._contexts.pins, None)
            except Fault:
                wire.close()
                raise
            return wire


@contextlib.contextmanager
def _as_fault() -> Generator[None]:
    try:
        yield
    except (Fault, RequestError):
        raise
    except TimeoutError as cause:
        raise Fault("timeout", "connect", _awaited(cause)) from cause
    except Exception as cause:
        raise Fault("connect", "connect", reason_from(cause)) from cause


def _awaited(cause: TimeoutError) -> str:
    if isinstance(cause, UnansweredName):
        return str(cause)
    if "handshake" in str(cause):
        return "the TLS handshake did not end in time"
    return "no connection in time"
