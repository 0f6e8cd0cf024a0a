"""Closing asyncio connections without their event loop."""

from __future__ import annotations

import contextlib
from typing import Any


def bury(transport: Any) -> None:
    """Close the socket of an asyncio transport without telling its loop.

    Its loop is closed; or this is a child process, which shares the loop's selector with
    its parent, whose connections the usual way would unregister. Afterwards the transport
    does not warn that it was left open.
    """
    # A TLS transport of asyncio lies on top of the one with the socket.
    inner = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    layers: tuple[Any, ...] = (transport, inner)
    for layer in layers:
        sock = getattr(layer, "_sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()
            layer._sock = None
        elif hasattr(layer, "_closed"):
            layer._closed = True
