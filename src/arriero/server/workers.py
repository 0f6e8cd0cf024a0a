"""Threads for blocking calls.

`concurrent.futures` has such threads too, but the interpreter waits for them to finish before
it says that the main thread has ended. A program that forgets to close its server would then
wait for the last token of every answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    call: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Workers:
    """A fixed number of threads, started at the first call.

    Args:
        count: How many calls run at once; the rest wait in order of arrival.
        name: Names the threads.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Run a call on a thread; from an event loop only.

        Cancelling the future does not stop the call.
        """
        if not self._threads:
            self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(call, loop, future))
        return future

    def close(self) -> None:
        """End the threads after the calls they have. Blocks until then."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start(self) -> None:
        for number in range(self._count):
            thread = threading.Thread(target=self._work, name=f"{self._name}-{number}")
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                result, error = job.call(), None
            except BaseException as caught:
                result, error = None, caught
            job.loop.call_soon_threadsafe(_settle, job.future, result, error)
            # Held until the next job, these would keep a closed model in memory.
            del job, result, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
