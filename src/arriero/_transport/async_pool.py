"""`AsyncPool`: who gets which connection to one origin, within one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from arriero._core.http import Fault
from arriero._core.statistics import Connections
from arriero._transport.async_wire import AsyncWire
from arriero._transport.outgoing import IDLE_S

T = TypeVar("T")


class AsyncPool:
    """Connections to one origin.

    Attributes:
        in_use: Those that serve a request.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_connections: int | None, keep_idle: int
    ) -> None:
        self._loop = loop
        self._pid = os.getpid()
        self._max = max_connections
        self._keep_idle = keep_idle
        self._idle: list[AsyncWire] = []
        self.in_use: set[AsyncWire] = set()
        self._promised = 0
        """Places that somebody was given who has no connection yet."""
        self._waiting: deque[asyncio.Future[bool]] = deque()
        """Those are told False if there will be no place any more."""
        self._is_closed = False

    @property
    def has_room(self) -> bool:
        """True if one more connection may be used. Then nobody waits."""
        return self._max is None or len(self.in_use) + self._promised < self._max

    async def room(self) -> None:
        """Wait until one more connection may be used; `end_promise` is then to be called.

        Raises:
            Fault: ``closed``: the pool was closed meanwhile.
        """
        if self.has_room:
            self._promised += 1
            return
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            is_ours = await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.result():
                self.end_promise()  # it was ours, and we do not take it
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)
            raise
        if not is_ours:
            raise Fault("closed", "connect", "the transport was closed meanwhile")

    def end_promise(self) -> None:
        """Take in that a connection was made, or could not be."""
        self._promised -= 1
        self._next()

    def _next(self) -> None:
        # The place is given now, not when its new owner runs: who comes in between would
        # take it, and a task that calls again and again would keep it for itself.
        while self._waiting and self.has_room:
            turn = self._waiting.popleft()
            if not turn.done():
                self._promised += 1
                turn.set_result(True)

    def idle_wire(self) -> AsyncWire | None:
        """Take the connection used last that still stands."""
        idle = self._idle
        while idle:
            wire = idle.pop()
            if wire.stands and wire.loop.time() - wire.idle_since < IDLE_S and wire.is_quiet:
                wire.is_idle = False
                self.in_use.add(wire)
                return wire
            wire.abort()
        return None

    def release(self, wire: AsyncWire) -> None:
        """End one use; keep the connection for the next if it stands."""
        self.in_use.discard(wire)
        if wire.stands:
            wire.idle_since = wire.loop.time()
            wire.is_idle = True
            self._idle.append(wire)
            self._trim(0 if self._is_closed else self._keep_idle)
        self._next()

    def count(self) -> Connections:
        """Give how many connections there are at this moment."""
        idle = sum(wire.stands for wire in list(self._idle))
        return Connections(in_use=len(self.in_use), idle=idle)

    def drop(self, wire: AsyncWire) -> None:
        """End a use that nobody ended, from wherever the garbage collector runs."""
        if not self._calls(self._dropped, wire):
            wire.bury()
            with contextlib.suppress(RuntimeError):  # of who waits, in a loop that is closed
                self.release(wire)

    def _dropped(self, wire: AsyncWire) -> None:
        wire.abort()
        self.release(wire)

    def close(self) -> int:
        """Close what is idle now, and what becomes so later; gives how many are closed.

        Who waits for a place is told.
        """
        self._is_closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(False)
        return self._trim(0)

    def _trim(self, size: int) -> int:
        closed = 0
        while len(self._idle) > size:
            self._idle.pop(0).abort()
            closed += 1
        return closed

    def discard(self, *, in_use: bool) -> None:
        """As `close`, and if `in_use` says so for all connections, from anywhere.

        The loop may be closed, at rest, or run in another thread; this may be another process.
        """
        if self._calls(self._end, in_use):
            return
        wires = list(self._idle) + (list(self.in_use) if in_use else [])
        self._idle.clear()
        for wire in wires:
            wire.bury()
            self.in_use.discard(wire)
        with contextlib.suppress(RuntimeError):  # as above
            self.close()

    def _end(self, in_use: bool) -> None:  # for `_calls`
        self.close()
        for wire in list(self.in_use) if in_use else ():
            wire.abort()

    def _calls(self, function: Callable[[T], None], argument: T) -> bool:
        """Have the loop call a function soon, if it runs at all, and in this process."""
        if not self._loop.is_running() or self._pid != os.getpid():
            return False
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:  # closed in this moment
            return False
        return True
