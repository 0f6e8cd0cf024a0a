"""A line between a server and a registry that breaks where a test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from arriero.server.listening import stop_listening

Budget: TypeAlias = Callable[[], int | None]
"""Gives, for each new connection, after how many bytes it breaks; None is never."""

_READ_BYTES = 16 * 1024


@dataclass
class BadLine:
    """What goes through, and how much of it.

    Attributes:
        upstream: Host and port of the registry.
        down: When answers break off; may be changed while it runs.
        up: When requests break off; may be changed while it runs.
        pace_s: Pause after each 16 KiB of an answer.
        silent: Swallow answers while it is set.
        stop_at: When so many bytes of answers have gone through in all, none follow.
        stopped: Called then, once for each value of `stop_at`.
        host: Where it listens.
        carried: Bytes of answers that went through.
        cuts: Connections it broke.
        heads: First lines of requests, as far as they were seen whole.
    """

    upstream: str
    down: Budget = lambda: None
    up: Budget = lambda: None
    pace_s: float = 0.0
    silent: bool = False
    stop_at: int | None = None
    stopped: Callable[[], object] = lambda: None
    host: str = ""
    carried: int = 0
    cuts: int = 0
    heads: list[str] = field(default_factory=list)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        name, port = self.upstream.split(":")
        try:
            their_reader, their_writer = await asyncio.open_connection(name, int(port))
            try:
                await self._both(reader, writer, their_reader, their_writer)
            finally:
                their_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            # Cancelled when the line goes; asyncio would log that.
            return
        finally:
            writer.transport.abort()

    async def _both(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        their_reader: asyncio.StreamReader,
        their_writer: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.ensure_future(self._carry(reader, their_writer, self.up(), is_answer=False)),
            asyncio.ensure_future(self._carry(their_reader, writer, self.down(), is_answer=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left: int | None,
        *,
        is_answer: bool,
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_READ_BYTES):
                if not is_answer and b" HTTP/1.1\r\n" in data[:1000]:
                    self.heads.append(data.split(b"\r\n", 1)[0].decode())
                if is_answer and self.silent:
                    continue
                if is_answer and self.stop_at is not None:
                    data = data[: max(0, self.stop_at - self.carried)]
                if left is not None:
                    data, left = data[:left], left - len(data[:left])
                writer.write(data)
                self.carried += len(data) * is_answer
                await writer.drain()
                if data and is_answer and self.carried == self.stop_at:
                    self.stopped()
                if left == 0:
                    self.cuts += 1
                    return
                if is_answer and self.pace_s:
                    await asyncio.sleep(self.pace_s)


@contextmanager
def bad_line(upstream: str) -> Generator[BadLine]:
    """Run a line while the block runs."""
    line = BadLine(upstream)
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(line.connected, "127.0.0.1", 0)
        line.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        await stop_listening([server])
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="bad-line")
    thread.start()
    try:
        assert ready.wait(60)
        yield line
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
