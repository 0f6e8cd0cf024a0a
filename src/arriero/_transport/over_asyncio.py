"""The async transport: asyncio makes the connections, we talk over them.

What is said is what the sync transport says, by the same code: `outgoing` and `http1`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping

from arriero._core.http import Fault, FaultKind, FileBody, Request
from arriero._core.statistics import Connections
from arriero._transport.async_dial import AsyncDialer
from arriero._transport.async_pool import AsyncPool
from arriero._transport.async_wire import AsyncWire
from arriero._transport.http1 import Body, Head, HeadReader, Malformed, body_of
from arriero._transport.interface import AsyncAnswer, TransportSettings
from arriero._transport.origin import Origin
from arriero._transport.outgoing import JOINED_BYTES, head_bytes, target_of
from arriero._transport.reason import reason_from
from arriero._transport.upload import PIECE_BYTES, AsyncFilePieces
from arriero.errors import Phase


class AsyncioTransport:
    """Sends requests over connections of one event loop, that of the first request."""

    def __init__(self, settings: TransportSettings) -> None:
        self._pools: dict[Origin, AsyncPool] = {}  # first, as `__del__` runs whatever is refused
        self._is_closed = False
        self._settings = settings.pool
        self._dialer = AsyncDialer(settings)

    async def open(self, request: Request, *, connect_s: float | None) -> AsyncAnswer:
        """See `AsyncTransport.open`."""
        if self._is_closed:
            raise Fault("closed", "prepare", "the transport is closed")
        target = target_of(request.url)
        head = head_bytes(request, target, self._dialer.proxy)
        pool = self._pools.get(target.origin)
        if pool is None:
            settings = self._settings
            loop = asyncio.get_running_loop()
            pool = AsyncPool(loop, settings.max_connections, settings.keep_idle)
            self._pools[target.origin] = pool
        wire = pool.idle_wire() if pool.has_room else None
        if wire is None:
            wire = await self._new(pool, target.origin, connect_s)
        try:
            return await _Exchange(wire, request).answer(head, pool)
        except BaseException:
            wire.abort()
            pool.release(wire)
            raise

    async def _new(self, pool: AsyncPool, origin: Origin, connect_s: float | None) -> AsyncWire:
        loop = asyncio.get_running_loop()
        until = None if connect_s is None else loop.time() + connect_s
        try:
            async with asyncio.timeout_at(until):
                await pool.room()
        except TimeoutError as cause:
            full = f"all {self._settings.max_connections} connections of the pool are in use"
            raise Fault("timeout", "connect", full) from cause
        try:
            wire = pool.idle_wire()  # one that became so in the meantime
            if wire is None:
                wire = await self._dialer.dial(origin, until)
                pool.in_use.add(wire)
            return wire
        finally:
            pool.end_promise()

    async def close(self) -> None:
        """See `AsyncTransport.close`."""
        self._is_closed = True
        closed = [pool.close() for pool in list(self._pools.values())]
        if any(closed):
            await asyncio.sleep(0)  # each is told of its end by the loop, which may end after us

    def connections(self) -> Mapping[str, Connections]:
        """See `AsyncTransport.connections`."""
        return {origin.url: pool.count() for origin, pool in list(self._pools.items())}

    def discard(self) -> None:
        """See `AsyncTransport.discard`."""
        self._is_closed = True
        for pool in list(self._pools.values()):
            pool.discard(in_use=True)

    def __del__(self) -> None:
        for pool in list(self._pools.values()):
            pool.discard(in_use=False)  # an answer that is still read outlives its client


class _Exchange:
    """One request on its way out, and the head of its answer on its way in."""

    def __init__(self, wire: AsyncWire, request: Request) -> None:
        self._wire = wire
        self._request = request
        self._phase: Phase = "send"
        self._reader = HeadReader()
        self._is_sent = False

    async def answer(self, head: bytes, pool: AsyncPool) -> AsyncAnswer:
        """Send all, and read the head of the answer.

        Raises:
            Fault: in phase ``send`` or ``head``.
        """
        try:
            answer_head = await self._answer_head(head)
            body = body_of(self._request.method, answer_head)
        except OSError as cause:
            raise self._fault("lost", reason_from(cause)) from cause
        except Malformed as cause:
            raise self._fault("protocol", str(cause)) from cause
        is_reusable = self._is_sent and answer_head.keeps_alive
        return _Answer(pool, self._wire, answer_head, body, self._reader.rest, is_reusable)

    async def _answer_head(self, head: bytes) -> Head:
        try:
            early = await self._send(head)
        except OSError as broken:
            # A server that refuses an upload may answer and hang up: often the answer can
            # still be read.
            try:
                return await self._read_head()
            except (OSError, Malformed):
                raise broken from None
        return early or await self._read_head()

    async def _send(self, head: bytes) -> Head | None:
        """Send until all is sent or the peer answers; give its answer's head if it is whole."""
        wire, body = self._wire, self._request.body
        if body is None or (isinstance(body, bytes) and len(body) <= JOINED_BYTES):
            wire.write(head + (body or b""))
        else:
            async with contextlib.aclosing(_pieces(head, body)) as pieces:
                async for piece in pieces:
                    wire.write(piece)
                    await wire.drained()
                    heard = wire.take()
                    if heard:
                        answer_head = self._reader.feed(heard)
                        if answer_head is not None or self._reader.may_be_final:
                            return answer_head
        self._is_sent = True
        self._phase = "head"
        return None

    async def _read_head(self) -> Head:
        wire, reader = self._wire, self._reader
        while True:
            data = await wire.receive()
            if not data:
                raise ConnectionResetError(reader.loss)
            head = reader.feed(data)
            if head is not None:
                return head

    def _fault(self, kind: FaultKind, reason: str) -> Fault:
        if self._wire.is_aborted:
            kind, reason = "closed", "the call was aborted"
        return Fault(kind, self._phase, reason, reused=self._wire.served > 0)


async def _pieces(head: bytes, body: bytes | FileBody) -> AsyncGenerator[bytes]:
    """Cut a request into what is sent at once. Raises Fault if a file cannot be read."""
    if isinstance(body, bytes):
        yield head
        for at in range(0, len(body), PIECE_BYTES):
            yield body[at : at + PIECE_BYTES]
        return
    pieces = AsyncFilePieces(body)
    try:
        first = await anext(pieces, b"")  # opens the file before anything is sent
        yield head
        piece = first
        while piece:  # no `async for`, which begins anew
            yield piece
            piece = await anext(pieces, b"")
    finally:
        pieces.close()


class _Answer:
    """An open answer; see `AsyncAnswer`."""

    def __init__(
        self,
        pool: AsyncPool,
        wire: AsyncWire,
        head: Head,
        body: Body,
        rest: bytes,
        is_reusable: bool,
    ) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = head.headers
        self.reused = wire.served > 0
        self._pool: AsyncPool | None = pool
        self._wire = wire
        self._body = body
        self._rest = rest
        self._is_reusable = is_reusable
        self._is_aborted = False

    async def read(self) -> bytes:
        """See `AsyncAnswer.read`."""
        if self._is_aborted:
            raise Fault("closed", "body", "the answer was aborted")
        body, wire = self._body, self._wire
        try:
            while not body.is_done:
                data = self._rest
                if data:
                    self._rest = b""
                elif not body.is_wrong:
                    data = wire.take() or await wire.soon()
                    if not data:
                        return self._end()
                content = body.feed(data)
                if content:
                    return content
        except OSError as cause:
            raise self._fault("lost", reason_from(cause)) from cause
        except Malformed as cause:
            raise self._fault("protocol", str(cause)) from cause
        return b""

    def _end(self) -> bytes:
        wire = self._wire
        wire.end()
        if wire.is_aborted or wire.was_cut or not self._body.end():
            raise ConnectionResetError("the server closed the connection inside the answer")
        return b""

    def _fault(self, kind: FaultKind, reason: str) -> Fault:
        if self._wire.is_aborted:
            kind, reason = "closed", "the answer was aborted"
        self.abort()
        return Fault(kind, "body", reason, reused=self.reused)

    async def close(self) -> None:
        """See `AsyncAnswer.close`."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        body, wire = self._body, self._wire
        is_clean = body.is_done and not body.has_surplus and not self._rest and wire.is_even
        if self._is_reusable and is_clean:
            wire.served += 1
        else:
            wire.abort()
        pool.release(wire)

    def abort(self) -> None:
        """See `AsyncAnswer.abort`."""
        pool, self._pool = self._pool, None
        if pool is not None:  # else the connection may serve another call by now
            self._is_aborted = True
            self._wire.abort()
            pool.release(self._wire)

    def __del__(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.drop(self._wire)
