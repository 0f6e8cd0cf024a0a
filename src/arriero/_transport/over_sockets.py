"""The sync transport: connections as `dial` makes them, over which we talk.

What is said is what the async transport says, by the same code: `outgoing` and `http1`.
"""

from __future__ import annotations

import contextlib
import queue
import weakref
from collections.abc import Iterator, Mapping
from time import monotonic

from arriero._core.http import Fault, FaultKind, FileBody, Request
from arriero._core.statistics import Connections
from arriero._transport.dial import Dialer
from arriero._transport.fork import forget_after_fork
from arriero._transport.http1 import Body, Head, HeadReader, Malformed, body_of
from arriero._transport.interface import AbortHandle, Answer, TransportSettings
from arriero._transport.origin import Origin, Proxy
from arriero._transport.outgoing import IDLE_S, JOINED_BYTES, head_bytes, target_of
from arriero._transport.reason import reason_from
from arriero._transport.upload import PIECE_BYTES, FilePieces
from arriero._transport.wire import Wire
from arriero.errors import Phase


class SocketTransport:
    """Sends requests over connections of its own. Safe to share between threads."""

    def __init__(self, settings: TransportSettings) -> None:
        self._pool_settings = settings.pool
        self._proxy = None if settings.proxy is None else Proxy.from_url(settings.proxy)
        self._dialer = Dialer(settings.tls, self._proxy)
        self._pools: dict[Origin, _Pool] = {}
        self._is_closed = False
        forget_after_fork(self)
        # Most programs never close their client; they are not to blame for our sockets.
        weakref.finalize(self, _close, self._pools)

    def open(
        self,
        request: Request,
        *,
        connect_until: float | None,
        until: float | None,
        handle: AbortHandle | None = None,
    ) -> Answer:
        """See `Transport.open`."""
        if self._is_closed:
            raise Fault("closed", "prepare", "the transport is closed")
        target = target_of(request.url)
        head = head_bytes(request, target, self._proxy)
        if connect_until is None or (until is not None and until < connect_until):
            connect_until = until
        pool = self._pool_of(target.origin)
        pool.acquire(connect_until)
        wire: Wire | None = None
        try:
            wire = pool.idle_wire() or self._dialer.dial(target.origin, connect_until)
            if handle is not None:
                handle.attach(wire.abort)
            return _Exchange(wire, request, until).answer(head, pool)
        except BaseException:
            if wire is not None:
                wire.close()
            pool.release(None)
            raise

    def close(self) -> None:
        """See `Transport.close`."""
        self._is_closed = True
        _close(self._pools)

    def connections(self) -> Mapping[str, Connections]:
        """See `Transport.connections`."""
        return {origin.url: pool.count() for origin, pool in list(self._pools.items())}

    def forget(self) -> None:
        """In a child after a fork: drop the connections, which belong to the parent."""
        _close(self._pools)
        self._pools.clear()

    def _pool_of(self, origin: Origin) -> _Pool:
        pool = self._pools.get(origin)
        if pool is None:
            settings = self._pool_settings
            fresh = _Pool(settings.max_connections, settings.keep_idle)
            pool = self._pools.setdefault(origin, fresh)
        return pool


def _close(pools: Mapping[Origin, _Pool]) -> None:
    for pool in list(pools.values()):
        pool.close()


class _Pool:
    """Connections to one origin. Lock-free: a dropped answer may give its connection back
    in the middle of anything, where a lock could be held by the same thread."""

    def __init__(self, max_connections: int | None, keep_idle: int) -> None:
        self._max = max_connections
        self._keep_idle = keep_idle
        self._idle: list[Wire] = []
        self._in_use: list[None] = []
        """One for each use: a list may grow and shrink in the middle of anything, as above."""
        self._is_closed = False
        # SimpleQueue.put is reentrant by contract; no other bounded wait is.
        self._permits: queue.SimpleQueue[None] | None = None
        if max_connections is not None:
            self._permits = queue.SimpleQueue()
            for _ in range(max_connections):
                self._permits.put(None)

    def acquire(self, until: float | None) -> None:
        """Wait until one more connection may be used.

        Raises:
            Fault: ``timeout``; or ``closed``: the pool was closed meanwhile.
        """
        if self._permits is not None:
            try:
                left_s = None if until is None else max(0.0, until - monotonic())
                self._permits.get(timeout=left_s)
            except queue.Empty:
                raise Fault(
                    "timeout", "connect", f"all {self._max} connections of the pool are in use"
                ) from None
            if self._is_closed:
                self._permits.put(None)  # for who waits besides
                raise Fault("closed", "connect", "the transport was closed meanwhile")
        self._in_use.append(None)

    def idle_wire(self) -> Wire | None:
        """Take the connection used last that still stands."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread was faster
                wire = self._idle.pop()
                if monotonic() - wire.idle_since < IDLE_S and wire.is_quiet:
                    return wire
                wire.close()
        return None

    def release(self, wire: Wire | None) -> None:
        """End one use; keep its connection, if it is given, for the next."""
        self._in_use.pop()
        if wire is not None:
            wire.idle_since = monotonic()
            self._idle.append(wire)
            self._trim(0 if self._is_closed else self._keep_idle)
        if self._permits is not None:
            self._permits.put(None)

    def count(self) -> Connections:
        """Give how many connections there are at this moment."""
        return Connections(in_use=len(self._in_use), idle=len(self._idle))

    def close(self) -> None:
        """Close what is idle now, and what becomes so later. Who waits for a place is told."""
        self._is_closed = True
        self._trim(0)
        if self._permits is not None:
            self._permits.put(None)

    def _trim(self, size: int) -> None:
        while len(self._idle) > size:
            with contextlib.suppress(IndexError):
                self._idle.pop(0).close()


class _Exchange:
    """One request on its way out, and the head of its answer on its way in."""

    def __init__(self, wire: Wire, request: Request, until: float | None) -> None:
        self._wire = wire
        self._request = request
        self._until = until
        self._phase: Phase = "send"
        self._reader = HeadReader()
        self._is_sent = False

    def answer(self, head: bytes, pool: _Pool) -> Answer:
        """Send all, and read the head of the answer.

        Raises:
            Fault: in phase ``send`` or ``head``.
        """
        try:
            answer_head = self._answer_head(head)
            body = body_of(self._request.method, answer_head)
        except TimeoutError as cause:
            raise self._fault("timeout", "the time is over") from cause
        except OSError as cause:
            raise self._fault("lost", reason_from(cause)) from cause
        except Malformed as cause:
            raise self._fault("protocol", str(cause)) from cause
        is_reusable = self._is_sent and answer_head.keeps_alive
        return _Answer(pool, self._wire, answer_head, body, self._reader.rest, is_reusable)

    def _answer_head(self, head: bytes) -> Head:
        try:
            early = self._send(head)
        except TimeoutError:
            raise
        except OSError as broken:
            # A server that refuses an upload may answer and hang up: often the answer can
            # still be read.
            try:
                return self._read_head()
            except (OSError, Malformed):
                raise broken from None
        return early or self._read_head()

    def _send(self, head: bytes) -> Head | None:
        """Send until all is sent or the peer answers; give its answer's head if it is whole."""
        wire = self._wire
        for piece in _pieces(head, self._request.body):
            left = wire.send(piece, self._until)
            # Between the pieces of a file, look whether the server refuses the rest.
            while left or (len(piece) == PIECE_BYTES and wire.hears()):
                answer_head = self._reader.feed(wire.take_heard())
                if answer_head is not None or self._reader.may_be_final:
                    return answer_head
                left = wire.send(left, self._until)
        self._is_sent = True
        self._phase = "head"
        return None

    def _read_head(self) -> Head:
        while True:
            data = self._wire.take_heard() or self._wire.receive(self._until)
            if not data:
                raise ConnectionResetError(self._reader.loss)
            head = self._reader.feed(data)
            if head is not None:
                return head

    def _fault(self, kind: FaultKind, reason: str) -> Fault:
        if self._wire.is_aborted:
            kind, reason = "closed", "the call was aborted"
        return Fault(kind, self._phase, reason, reused=self._wire.served > 0)


def _pieces(head: bytes, body: bytes | FileBody | None) -> Iterator[bytes]:
    """Cut a request into what is sent at once. Raises Fault if a file cannot be read."""
    if isinstance(body, FileBody):
        with contextlib.closing(FilePieces(body)) as pieces:
            first = next(pieces, b"")  # opens the file before anything is sent
            yield head
            yield first
            while piece := next(pieces, b""):
                yield piece
    elif body and len(body) <= JOINED_BYTES:
        yield head + body
    else:
        yield head
        if body:
            yield body


class _Answer:
    """An open answer; see `Answer`."""

    def __init__(
        self, pool: _Pool, wire: Wire, head: Head, body: Body, rest: bytes, is_reusable: bool
    ) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = head.headers
        self.reused = wire.served > 0
        self._wire = wire
        self._body = body
        self._rest = rest
        self._is_reusable = is_reusable
        # Whoever takes the pool out ends the lease: `close` and `abort` may race.
        self._lease = [pool]

    def read(self, until: float | None) -> bytes:
        """See `Answer.read`."""
        body = self._body
        try:
            while not body.is_done:
                data = self._rest
                if data:
                    self._rest = b""
                elif not body.is_wrong:
                    data = self._wire.receive(until)
                    if not data:
                        return self._end()
                content = body.feed(data)
                if content:
                    return content
            return b""
        except TimeoutError as cause:
            raise self._fault("timeout", "the time is over") from cause
        except OSError as cause:
            self.close()
            raise self._fault("lost", reason_from(cause)) from cause
        except Malformed as cause:
            self.close()
            raise self._fault("protocol", str(cause)) from cause

    def _end(self) -> bytes:
        wire = self._wire
        if wire.is_aborted or wire.was_cut or not self._body.end():
            raise ConnectionResetError("the server closed the connection inside the answer")
        return b""

    def _fault(self, kind: FaultKind, reason: str) -> Fault:
        if self._wire.is_aborted:
            kind, reason = "closed", "the answer was aborted"
        return Fault(kind, "body", reason, reused=self.reused)

    def close(self) -> None:
        """See `Answer.close`."""
        pool = self._end_lease()
        if pool is None:
            return
        body = self._body
        if self._is_reusable and body.is_done and not body.has_surplus:
            self._wire.served += 1
            pool.release(self._wire)
        else:
            self._wire.close()
            pool.release(None)

    def abort(self) -> None:
        """See `Answer.abort`."""
        pool = self._end_lease()
        if pool is not None:
            self._wire.abort()
            pool.release(None)

    def _end_lease(self) -> _Pool | None:
        try:
            return self._lease.pop()
        except IndexError:
            return None

    def __del__(self) -> None:
        self.close()
