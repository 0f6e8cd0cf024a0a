"""The sockets a server listens on."""

import socket

from arriero.server.listening import listen


def test_small_records_are_sent_at_once() -> None:
    """A connection has Nagle's algorithm off, else a record waits 40 ms for an ACK."""
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()[:2]),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
