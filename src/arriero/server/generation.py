"""Carry a generation from an engine's thread to the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

from .engines.engine import Delta, Emit, Finish
from .scheduler import Lease

_MAX_WAITING = 256
"""Deltas that may wait for a slow reader before the engine's thread is held up. llama.cpp
itself goes on meanwhile and keeps the rest, so other streams of the model do not suffer."""

Generate: TypeAlias = Callable[[Emit], Finish]


class Generation:
    """A running generation. Read its `deltas` once; `stop` it in any case."""

    def __init__(self, lease: Lease, generate: Generate) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Delta] = deque()
        self._wake = asyncio.Event()
        self._room = threading.Semaphore(_MAX_WAITING)
        self._stopped = False
        self._finish: Finish | None = None
        self._call = lease.submit(lambda: generate(self._emit))
        self._call.add_done_callback(lambda _: self._wake.set())

    @property
    def finish(self) -> Finish:
        """How the generation ended; only after its last delta."""
        assert self._finish is not None, "read before the generation ended"
        return self._finish

    def stop(self) -> None:
        """Make the engine stop at its next token. Harmless if it has ended."""
        self._stopped = True
        self._room.release()

    async def deltas(self) -> AsyncGenerator[Delta]:
        """Give every delta that carries something, in order.

        Raises:
            EngineError: the engine refused or broke.
        """
        while True:
            while self._waiting:
                yield self._waiting.popleft()
                self._room.release()
            if self._call.done():
                break
            self._wake.clear()
            await self._wake.wait()
        self._finish = self._call.result()

    def _emit(self, delta: Delta) -> bool:
        """Runs on the engine's thread."""
        if self._stopped:
            return True
        if delta.text or delta.thinking or delta.logprobs:
            self._room.acquire()
            if not self._stopped:
                self._loop.call_soon_threadsafe(self._take, delta)
        return self._stopped

    def _take(self, delta: Delta) -> None:
        self._waiting.append(delta)
        self._wake.set()
