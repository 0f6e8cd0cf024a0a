"""`Source` for tasks: the waiting and the fetching without a thread."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import cast

from arriero._core.policy.credentials import Refresh, Use
from arriero._drive.credentials import ABANDONED, Flight, Source, failure_of, late

_fetching: set[asyncio.Task[None]] = set()
"""A loop keeps no task alive."""


async def token(source: Source, refused: str | None, until: float | None) -> str:
    """Give a token to the running task.

    Raises: as `Source.token`.
    """
    deadline = asyncio.timeout_at(until)
    try:
        async with deadline:
            return await _token(source, refused)
    except TimeoutError as cause:
        if not deadline.expired():
            raise
        raise late() from cause


async def _token(source: Source, refused: str | None) -> str:
    while source.is_shared is not False:
        decision, flight = source.next(refused)
        if isinstance(decision, Use):
            if flight is not None:
                _fetch_beside(source, flight)
            return decision.token
        assert flight is not None
        if isinstance(decision, Refresh):
            if source.is_shared:
                _fetch_beside(source, flight)
            else:
                await _fetch(source, flight)
        found = source.landed(await asyncio.wrap_future(flight), refused, decision)
        if found is not None:
            return found
    return source.alone(await _asked(source))


async def _asked(source: Source) -> object:
    is_here = source.is_async or source.provider.is_quick
    given = source.asked() if is_here else await _in_thread(source.asked)
    if not inspect.isawaitable(given):
        return given
    source.is_async = True  # a lambda around a coroutine function does not look it
    try:
        return await cast("Awaitable[object]", given)
    except Exception as cause:
        return failure_of(cause)


async def _in_thread(ask: Callable[[], object]) -> object:
    """Ask in a thread of its own, with the caller's context variables.

    Before a loop ends, asyncio waits for its own threads: for ever, if one hangs.
    """
    asked: Future[object] = Future()
    asked.set_running_or_notify_cancel()  # who waits for it cannot cancel it
    context = contextvars.copy_context()

    def run() -> None:
        try:
            asked.set_result(context.run(ask))
        except BaseException as error:  # even one that would only end the thread
            asked.set_exception(error)

    try:
        threading.Thread(target=run, name="arriero-token", daemon=True).start()
    except RuntimeError:  # there are no more, or the interpreter is ending
        return ask()
    return await asyncio.wrap_future(asked)


async def _fetch(source: Source, flight: Flight) -> None:
    given: object = ABANDONED
    try:
        given = await _asked(source)
    finally:  # cancelled too: others wait for this
        source.land(flight, given)


def _fetch_beside(source: Source, flight: Flight) -> None:
    if not source.is_async:
        source.fetch_behind(flight)
        return
    task = asyncio.get_running_loop().create_task(_fetch(source, flight))
    _fetching.add(task)
    task.add_done_callback(_fetching.discard)
