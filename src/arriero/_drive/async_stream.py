"""`AsyncStream`: what the async client gives for an answer that arrives in pieces."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    NoReturn,
    Self,
    TypeVar,
    cast,
)

from arriero._core.calls import Call
from arriero._core.governed import streamed
from arriero._core.http import Fault
from arriero._core.progress import begun
from arriero._core.reading import Reading
from arriero._drive.foreign import recognisable
from arriero._drive.view import StreamView
from arriero._drive.watch import Watch
from arriero._transport.interface import AsyncAnswer
from arriero.errors import ArrieroError, AuditFailed, CallCancelled, RequestError
from arriero.settings import CallPolicy
from arriero.types.record import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from arriero._drive.tasks import AsyncBase

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class AsyncStream(StreamView[R]):
    """Records of one answer as they arrive; also what they add up to.

    Nothing is sent before the first record is asked for, or ``async with`` is entered.
    Leaving ``async with``, `close`, cancelling the task, or dropping the last reference
    closes the socket, which stops the server's work.

    Raises, while iterating: as `Stream`.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_cancelled",
        "_client",
        "_opening",
        "_ready",
        "_watch",
    )

    def __init__(self, client: AsyncBase, call: Call[R], policy: CallPolicy | None = None) -> None:
        self._client = client
        super().__init__(call, client._target, policy)
        self._answer: AsyncAnswer | None = None
        self._ready: Any = ()
        self._watch: Watch | None = None
        self._opening: asyncio.Task[Any] | None = None
        self._cancelled = False

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    def __anext__(self) -> Coroutine[Any, Any, R]:
        # Whoever finds a record here need not walk through all that waiting takes.
        ready = self._ready
        return _given(ready) if ready else self._next()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        self._let_go()
        self._dropped()

    def __iter__(self) -> NoReturn:
        raise TypeError("this stream is async: write 'async for', or take it from Client")

    def __enter__(self) -> NoReturn:
        raise TypeError("this stream is async: write 'async with', or take it from Client")

    def __exit__(self, *exc: object) -> None:
        """Never reached; without it, Python's own message would hide ours."""

    async def open(self) -> Self:
        """Send the request now, and wait for the head of the answer.

        Raises:
            ArrieroError: as the call without stream would.
        """
        if self._reading is None and not self._closed:
            call, client, target = self._call, self._client, self._target
            self._progress = progress = begun(call, target, self._policy)
            head, answer = await self._interruptible(
                client._perform(streamed(call, target, progress))
            )
            self._hold(answer)
            self._reading = reading = Reading(call, target, progress, head)
            self._ready = reading.ready
        return self

    def _hold(self, answer: AsyncAnswer | None) -> None:
        assert answer is not None
        self._answer = answer
        self._watch = Watch(asyncio.get_running_loop(), answer)

    async def _interruptible(self, opening: Coroutine[Any, Any, T]) -> T:
        """Await `opening` so that `cancel` can end it without cancelling the task for good."""
        if self._cancelled:
            opening.close()
            raise self._error()
        task = self._opening = asyncio.current_task()
        cancels = task.cancelling() if task is not None else 0
        try:
            return await opening
        except asyncio.CancelledError as error:
            was_ours = cast("bool", self._cancelled)  # set meanwhile, by `cancel`
            if was_ours and task is not None and task.uncancel() <= cancels:
                raise self._error() from error
            raise
        finally:
            self._opening = None

    def _error(self) -> CallCancelled:
        error = CallCancelled("cancelled while waiting for the answer")
        error.call, error.host, error.phase = (
            self._call.name,
            self._target.base.origin,
            "head",
        )
        return error

    async def _next(self) -> R:
        """Wait for a record; raise what ends the stream."""
        reading = self._reading
        if reading is None:
            if self._closed:
                raise StopAsyncIteration
            await self.open()
            reading = cast("Reading[R]", self._reading)
        ready = reading.ready
        while not ready and self._answer is not None and not reading.ended:
            watch = cast("Watch", self._watch)
            if watch.is_on:
                raise RequestError("this stream is being read already: one task reads a stream")
            try:
                await self._read(self._answer, reading, watch)
                if reading.ended or reading.must_judge:
                    await self._settle(reading)
            except BaseException:  # cancelled in the middle: the rest of this answer is lost
                self._let_go()
                self._dropped()
                raise
        if ready:
            return ready.popleft()
        failure, reading.failure = reading.failure, None
        if failure is not None:
            raise recognisable(failure) from failure.__cause__
        raise StopAsyncIteration

    async def _read(self, answer: AsyncAnswer, reading: Reading[R], watch: Watch) -> None:
        watch.start(reading.until())
        try:
            while data := await answer.read():
                if reading.feed(data):
                    break
            else:
                reading.end()
        except Fault as fault:
            if self._cancelled:
                reading.cancelled()
            else:
                reading.fault(watch.fault or fault)
        finally:
            watch.until, watch.is_on = math.inf, False

    async def _settle(self, reading: Reading[R]) -> None:
        """Do what arrived records, or the end, ask for."""
        if reading.must_judge:
            await self._client._perform(reading.judged())
        if reading.failure is not None:
            self._let_go()
            await self._try_again(reading)
        elif reading.ended:
            answer, self._answer = self._answer, None
            cast("Watch", self._watch).stop()
            self._over()
            if answer is not None:
                await answer.close()
            await self._keep()

    async def _try_again(self, reading: Reading[R]) -> None:
        """Open the failed stream once more if the policies allow it."""
        operation = reading.again()
        if operation is not None:
            try:
                head, answer = await self._interruptible(self._client._perform(operation))
                self._hold(answer)
                reading.reopened(head)
            except ArrieroError as error:
                reading.gave_up(error)
        if reading.failure is not None:
            self._over()
            await self._keep()

    async def _keep(self) -> None:
        """Wait until the record of the call is safe."""
        operation = self._kept()
        if operation is not None:
            try:
                await self._client._perform(operation)
            except AuditFailed as error:
                self._unkept(error)

    def _let_go(self) -> None:
        answer, self._answer = self._answer, None
        if self._watch is not None:
            self._watch.stop()
        if answer is not None:
            answer.abort()

    async def close(self) -> None:
        """Stop here: the socket is closed unless the answer was read to its end."""
        self._closed = True
        self._let_go()
        self._over()
        await self._keep()
        if self._reading is not None:
            self._reading.ended = True
            self._reading.ready.clear()

    aclose = close

    def cancel(self) -> None:
        """Stop now, from any task of the loop: the socket is closed at once.

        A task that waits for the next record gets `CallCancelled`.
        """
        self._cancelled = True
        if self._opening is not None:
            self._opening.cancel()
        elif self._answer is not None:
            self._answer.abort()


async def _given(ready: deque[R]) -> R:
    return ready.popleft()
