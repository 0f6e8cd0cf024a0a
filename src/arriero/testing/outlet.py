"""The way back to one client: what an answer goes through, and where it can be spoiled."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, TypeAlias

import h11

if TYPE_CHECKING:
    from .faults import Fault
    from .received import Received

Headers: TypeAlias = Sequence[tuple[str, str]]

_STREAMS = ("application/x-ndjson", "text/event-stream")
_RESET = struct.pack("ii", 1, 0)
"""A linger of zero seconds: closing then sends a reset."""


class Outlet:
    """One answer on one connection.

    Attributes:
        request: What it answers.
        gone: Set when nobody takes the answer any more.
    """

    def __init__(
        self,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
        fault: Fault | None,
        request: Received,
    ) -> None:
        self.request = request
        self._connection = connection
        self._writer = writer
        self._fault = fault
        self._head: tuple[int, Headers] | None = None
        self._rest = b""
        self._lines = 0
        self._struck = False
        self._ended = False
        self._is_stream = False
        self.gone = asyncio.Event()

    # -- what the application says

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take an ASGI message of the application."""
        if message["type"] == "http.response.start":
            headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
            ]
            await self._start(message["status"], headers)
            return
        data, is_last = message.get("body", b""), not message.get("more_body", False)
        if self._fault is None or self._struck:
            await self.write(data)
        else:
            await self._spoil(self._fault, data, is_last=is_last)
        if is_last:
            await self.end()

    async def _start(self, status: int, headers: Headers) -> None:
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        self._is_stream = kind.startswith(_STREAMS)
        if self._fault is not None:
            headers = self._fault.headers(headers)
        await self.start(status, headers)

    async def _spoil(self, fault: Fault, data: bytes, *, is_last: bool) -> None:
        """Pass whole lines on until the one where it happens."""
        self._rest += data
        while not self._struck and (end := self._rest.find(b"\n") + 1):
            line, self._rest = self._rest[:end], self._rest[end:]
            await self._line(fault, line)
        if self._struck or is_last:
            rest, self._rest = self._rest, b""
            if rest and not self._struck:
                await self._line(fault, rest)
            else:
                await self.write(rest)
        if is_last and not self._struck and fault.strikes_after is not None:
            self._struck = True
            await fault.strike(self, b"")

    async def _line(self, fault: Fault, line: bytes) -> None:
        # An answer in one piece has no records to count.
        after = fault.strikes_after
        counted = after is not None and (not self._is_stream or self._lines >= after)
        due = counted or fault.strikes_at(line)
        self._lines += bool(line.strip())
        if due:
            self._struck = True
            await fault.strike(self, line)
        else:
            await self.write(line)

    # -- what goes out

    @property
    def is_stream(self) -> bool:
        """Whether the answer is one record after the other."""
        return self._is_stream

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the answer."""
        if self._ended:
            return
        named = [(name, value) for name, value in headers if value]
        await self._put(
            h11.Response(status_code=status, headers=[("Date", formatdate(usegmt=True)), *named])
        )

    async def write(self, data: bytes) -> None:
        """Send a part of the body; nothing once the answer has ended."""
        if data and not self._ended:
            await self._put(h11.Data(data=data))

    async def end(self) -> None:
        """End the answer as it should end. Harmless when it has ended."""
        if not self._ended:
            self._ended = True
            await self._put(h11.EndOfMessage())

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer of one's own."""
        await self.start(status, [*headers, ("content-length", str(len(body)))])
        await self.write(body)
        await self.end()

    def drop(self) -> None:
        """Let nothing more of the application out, and let it know."""
        self._ended = True
        self.gone.set()

    def close(self) -> None:
        """Close the connection, as a server does that ends in the middle of an answer."""
        self.drop()
        self._writer.close()

    def reset(self) -> None:
        """Break the connection off, as a machine does that falls over."""
        self.drop()
        found: Any = self._writer.get_extra_info("socket")
        if found is not None:
            with suppress(OSError):  # the other side may have been first
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()

    async def pause(self, seconds: float | None) -> None:
        """Wait, no longer than the client does; None waits as long as the client."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.gone.wait(), seconds)

    async def stop(self) -> None:
        """End the answer and never come back: what the application does is broken off here."""
        await self.end()
        self.drop()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def _put(self, event: h11.Event) -> None:
        data = self._connection.send(event)
        if not data or self._writer.is_closing():
            return
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError:
            self.drop()
