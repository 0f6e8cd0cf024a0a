"""Causes in a few words that help who reads them."""

from __future__ import annotations

import ssl

from arriero._transport.dial import _awaited
from arriero._transport.names import UnansweredName
from arriero._transport.reason import reason_from


def test_where_python_noticed_it_is_left_out() -> None:
    """Its source file and line are no part of the cause."""
    cause = ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:2427)")
    assert reason_from(cause) == "tls: eof occurred in violation of protocol"


def test_what_connecting_waited_for_is_told_apart() -> None:
    """A name, a handshake, or the connection itself: three things to look at."""
    causes = [
        UnansweredName("no answer to what the address of 'h' is"),
        TimeoutError("_ssl.c:989: The handshake operation timed out"),
        TimeoutError("timed out"),
    ]
    assert [_awaited(cause) for cause in causes] == [
        "no answer to what the address of 'h' is",
        "the TLS handshake did not end in time",
        "no connection in time",
    ]
