"""What jobs need to know of time: when measuring begins, and when parts are there."""

from __future__ import annotations

import asyncio
import time

from benchmarks import wire

_SETTLED = 6
"""Turns of an event loop after which what was ready has been dealt with."""

_began_s = 0.0


def start() -> None:
    """Begin to measure; a job calls this again once it has prepared what does not count."""
    global _began_s
    _began_s = time.process_time()


def spent_s() -> float:
    """Give user and system time since then, of all threads of this process."""
    return time.process_time() - _began_s


def sleep_past_write(model: str) -> None:
    """Sleep until every stream of `model` has been written its next part.

    Server and clients share a clock: writes begin at multiples of the interval.
    """
    interval_s, now = wire.interval_s_of(model), time.perf_counter()
    time.sleep(((now / interval_s + 0.5) // 1 + 0.5) * interval_s - now)


async def brake(model: str) -> None:
    """Hold up the event loop before each write, until cancelled.

    A read then finds its part, and every part is a read of its own. Otherwise the loop
    would wake up for each part or find many, as the scheduler of the system likes.
    """
    while True:
        sleep_past_write(model)
        for _ in range(_SETTLED):
            await asyncio.sleep(0)
