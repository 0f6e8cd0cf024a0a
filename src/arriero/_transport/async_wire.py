"""`AsyncWire`: one connection in an event loop, as `arriero._transport.wire` is one in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections import deque
from typing import Any

from arriero._transport.burial import bury
from arriero._transport.outgoing import READ_BYTES
from arriero._transport.readiness import is_ready

HELD_BYTES = 4 * READ_BYTES
"""What arrives is held up to here, then the peer has to wait until somebody reads."""


class AsyncWire(asyncio.Protocol):
    """See the module. Deadlines are its user's, who cancels or calls `abort`."""

    # No slots: asyncio.Protocol has a dictionary for each, so they would save nothing.

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._pid = os.getpid()
        self.transport: Any = None
        self.served = 0
        """Requests answered in full."""
        self.idle_since = 0.0
        self.is_aborted = False
        self.was_cut = False
        """True if TLS ended without a word: anybody can close a TCP connection."""
        self.is_idle = False
        """True while nobody expects it to speak: if it does, it is of no use any more."""
        self._arrived: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_held = False
        self._is_over = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[bytes] | None = None
        self._is_full = False
        self._writer: asyncio.Future[None] | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.use(transport)

    def use(self, transport: Any) -> None:
        """Take the transport: the first one, or that of TLS over it."""
        self.transport = transport
        if hasattr(transport, "max_size"):  # not in uvloop's, nor in those of TLS
            # Its own 256 KiB make malloc map and unmap memory for each read: 17 µs for every
            # token.
            transport.max_size = READ_BYTES

    def data_received(self, data: bytes) -> None:
        """Keep what arrived for whoever reads."""
        reader = self._reader
        if reader is not None and not reader.done():  # then nothing lies here before it
            reader.set_result(data)
            return
        if self.is_idle:
            self.abort()
            return
        self._arrived.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES and not self._is_held:
            self._is_held = True
            self.transport.pause_reading()
        if self._writer is not None:
            self._wake_writer()

    def eof_received(self) -> None:
        """Take in that the peer says no more; asyncio then closes the connection."""
        self._is_over = True
        self.was_cut = _is_cut(self.transport.get_extra_info("ssl_object"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take in that the connection is gone."""
        if not self._is_over:  # else the peer had said all
            self._is_over = True
            self._error = exc
            self.was_cut = exc is None  # how uvloop tells, where asyncio reports an end
        self._wake()

    def pause_writing(self) -> None:
        """Take in that what is to be sent piles up."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Take in that there is room again."""
        self._is_full = False
        self._wake_writer()

    def _wake(self) -> None:
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(b"")
        if self._writer is not None:
            self._wake_writer()

    def _wake_writer(self) -> None:
        writer = self._writer
        if writer is not None and not writer.done():
            writer.set_result(None)

    # What its user calls

    @property
    def stands(self) -> bool:
        """True if it can still be used, as far as the loop has noticed."""
        return not (self._is_over or self.is_aborted or self.transport.is_closing())

    @property
    def is_even(self) -> bool:
        """True if all that was sent is with the system, and all that arrived was taken."""
        return not (self._arrived or self.transport.get_write_buffer_size())

    @property
    def is_quiet(self) -> bool:
        """True if nothing lies with the system that the loop has not noticed yet.

        A loop that was busy does not know that the peer hung up, or spoke unasked.
        """
        return not is_ready(self.transport.get_extra_info("socket").fileno(), 0)

    def take(self) -> bytes:
        """Give what has arrived, maybe nothing."""
        arrived = self._arrived
        if not arrived:
            return b""
        data = arrived.popleft() if len(arrived) == 1 else b"".join(arrived)
        arrived.clear()
        self._held_bytes = 0
        if self._is_held:
            self._is_held = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
        return data

    def soon(self) -> asyncio.Future[bytes]:
        """Give what comes next, when nothing that arrived is left: ``b""`` if nothing will.

        Then `end` says why.
        """
        # No coroutine, as each costs every token half a microsecond.
        reader = self._reader = self.loop.create_future()
        if self._is_over or self.is_aborted:
            reader.set_result(b"")
        return reader

    def end(self) -> None:
        """Look at why nothing comes any more.

        Raises:
            OSError: the connection broke.
        """
        if self._error is not None:
            raise _as_os_error(self._error)

    async def receive(self) -> bytes:
        """Give what is there, waiting for it if nothing is; ``b""`` if the peer is done.

        Raises:
            OSError: the connection broke.
        """
        data = self.take() or await self.soon()
        if not data:
            self.end()
        return data

    def write(self, data: bytes) -> None:
        """Send `data` as the system takes it.

        Raises:
            OSError: the connection is gone.
        """
        if not self.stands:
            raise _as_os_error(self._error)
        self.transport.write(data)

    async def drained(self) -> None:
        """Wait until there is room for more, or the peer speaks.

        Raises:
            OSError: the connection broke.
        """
        while self._is_full and not self._arrived:
            if not self.stands:
                raise _as_os_error(self._error)
            self._writer = self.loop.create_future()
            try:
                await self._writer
            finally:
                self._writer = None

    def abort(self) -> None:
        """Close the socket at once, and let whoever waits for it find that out."""
        self.is_aborted = True
        # A forked child shares the selector: the loop's way would take the parent's socket out.
        if self.loop.is_closed() or self._pid != os.getpid():
            self.bury()
        else:
            self.transport.abort()
            self._wake()

    def bury(self) -> None:
        """Close the socket without the loop, which does not run, and leave nothing that warns."""
        self.is_aborted = True
        transport, self.transport = self.transport, _GONE
        is_foreign = self.loop.is_closed() or self._pid != os.getpid()
        bury(transport, None if is_foreign else self.loop)
        with contextlib.suppress(RuntimeError):  # who waits may do so in a loop that is closed
            self._wake()


def _is_cut(session: ssl.SSLObject | None) -> bool:
    # asyncio reports a connection that was closed below TLS as it does the end of TLS.
    if session is None:
        return False
    try:
        return bool(session.read(1))
    except ssl.SSLZeroReturnError:
        return False
    except ssl.SSLError:
        return True


class _Gone:
    """Stands for the transport of a connection that was buried."""

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None: ...

    def get_extra_info(self, _: str) -> None: ...  # a last word of the peer may still come

    def get_write_buffer_size(self) -> int:
        return 0


_GONE = _Gone()


def _as_os_error(error: Exception | None) -> OSError:
    if isinstance(error, OSError):
        return error
    return ConnectionResetError("the connection is closed" if error is None else str(error))
