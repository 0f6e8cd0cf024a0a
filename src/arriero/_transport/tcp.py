"""TCP connections of threads, made within an absolute deadline."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any

from arriero._transport.names import addresses_of

_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    # A model may think for minutes: keep routers from forgetting the connection.
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
)


def connected(host: str, port: int, until: float | None) -> socket.socket:
    """Connect to the first address of `host` that answers.

    Raises:
        TimeoutError: `until` passed.
        OSError: none of them answers, or there is no such name.
        UnicodeError: there can be no such name.
    """
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
