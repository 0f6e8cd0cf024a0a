"""Ports that nobody else gets while a test needs them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


def hold_port() -> socket.socket:
    """Hold a free port of loopback until the socket is closed: connections to it are refused.

    A port that was free a moment ago is anybody's, also as the near end of a connection. One that
    is bound and not listened on is given to nobody, but to who asks for its number and says that
    addresses may be shared, as servers do.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a port on which nobody listens as long as the block runs."""
    with hold_port() as holder:
        yield holder.getsockname()[1]
