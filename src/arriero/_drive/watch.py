"""The deadline of an async stream's waits."""

from __future__ import annotations

import asyncio
import math
import weakref

from arriero._core.http import Fault
from arriero._transport.interface import AsyncAnswer


class Watch:
    """Ends a wait that takes too long. One timer serves a whole stream: it looks at the
    deadline when it fires and sets itself anew, so that a record costs an assignment."""

    __slots__ = (
        "__weakref__",
        "_answer",
        "_fires_at",
        "_handle",
        "_loop",
        "fault",
        "is_on",
        "until",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: AsyncAnswer) -> None:
        self._loop = loop
        self._answer: AsyncAnswer | None = answer
        self._handle: asyncio.TimerHandle | None = None
        self._fires_at = math.inf
        self.until = math.inf
        self.fault: Fault | None = None
        self.is_on = False

    def start(self, until: float | None) -> None:
        self.is_on = True
        if until is None:
            return
        self.until = until
        if until < self._fires_at:
            self._set(until)

    def stop(self) -> None:
        self.until = math.inf
        self._answer = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._fires_at = at
        watch: weakref.ref[Watch] = weakref.ref(self)
        self._handle = self._loop.call_at(at, _fire, watch)

    def _fired(self) -> None:
        self._handle, self._fires_at = None, math.inf
        if self._answer is None:
            return
        if self._loop.time() >= self.until:
            self.fault = Fault("timeout", "body", "no record in time")
            self._answer.abort()
        elif self.until != math.inf:
            self._set(self.until)


def _fire(watch: weakref.ref[Watch]) -> None:
    alive = watch()
    if alive is not None:
        alive._fired()
