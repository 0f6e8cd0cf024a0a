"""Writing to a client that has gone is no event."""

from __future__ import annotations

import asyncio
from typing import cast

from arriero.server.http_server import _Quiet


class Transport:
    """Notes what is written."""

    def __init__(self, *, closing: bool) -> None:
        self.closing = closing
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_extra_info(self, name: str) -> str:
        return name


def test_what_is_written_reaches_a_client_that_is_there() -> None:
    """And everything else of the transport is as it was."""
    transport = Transport(closing=False)
    quiet = _Quiet(cast("asyncio.Transport", transport))

    quiet.write(b"record")

    assert transport.written == [b"record"]
    assert quiet.get_extra_info("peername") == "peername"


def test_what_is_written_to_a_client_that_has_gone_is_forgotten() -> None:
    """asyncio would warn on stderr from the fifth write on."""
    transport = Transport(closing=True)
    quiet = _Quiet(cast("asyncio.Transport", transport))

    for _ in range(10):
        quiet.write(b"record")

    assert transport.written == []
