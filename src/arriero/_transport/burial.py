"""Closing asyncio connections without their event loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any


def bury(transport: Any, resting: asyncio.AbstractEventLoop | None = None) -> None:
    """Close the socket of an asyncio transport without telling its loop.

    Its loop is closed; or this is a child process, which shares the loop's selector with
    its parent, whose connections the usual way would unregister; or the loop rests and may
    never run again. Afterwards the transport does not warn that it was left open.

    Args:
        transport: What `asyncio` made; anything else is left alone.
        resting: The loop if it may run again: it must forget the socket, whose number the
            system gives to the next one.
    """
    if resting is not None:
        if transport.is_closing():
            return  # the loop does the rest when it runs
        if not hasattr(resting, "_remove_reader"):  # on Windows, and uvloop
            transport.abort()
            return
    layer = transport
    while layer is not None:
        sock = getattr(layer, "_sock", None)
        if sock is not None:
            if resting is not None:
                layer._closing = True  # else the loop refuses the next socket of this number
                _forget(resting, sock.fileno())
            with contextlib.suppress(OSError):
                sock.close()
            layer._sock = None
        elif hasattr(layer, "_closed"):
            layer._closed = True
        # A TLS transport of asyncio lies on top of the one with the socket, or on another.
        layer = getattr(getattr(layer, "_ssl_protocol", None), "_transport", None)


def _forget(loop: Any, number: int) -> None:
    loop._remove_reader(number)
    loop._remove_writer(number)
