"""`Stream`: what the sync client gives for an answer that arrives in pieces."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, cast

from arriero._core.calls import Call
from arriero._core.governed import streamed
from arriero._core.http import Fault
from arriero._core.progress import begun
from arriero._core.reading import Reading
from arriero._drive.foreign import recognisable
from arriero._drive.view import StreamView
from arriero._transport.interface import AbortHandle, Answer
from arriero.errors import ArrieroError, AuditFailed, CallCancelled, ClientClosed
from arriero.settings import CallPolicy
from arriero.types.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arriero._drive.threads import SyncBase

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Stream(StreamView[R]):
    """Records of one answer as they arrive; also what they add up to.

    Nothing is sent before the first record is asked for, or ``with`` is entered. Leaving
    ``with``, `close`, or dropping the last reference closes the socket, which stops the
    server's work.

    Raises, while iterating: `StreamFailed` for an error the server reports inside the
    stream, `StreamIncomplete` if it ends early, `DeadlineExceeded`, `ConnectionLost`; each
    with what arrived as ``error.partial``.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_client",
        "_handle",
        "_ready",
    )

    def __init__(self, client: SyncBase, call: Call[R], policy: CallPolicy | None = None) -> None:
        self._client = client
        super().__init__(call, client._target, policy)
        self._handle = AbortHandle()
        self._answer: Answer | None = None
        self._ready: Any = ()

    def __iter__(self) -> Iterator[R]:
        return self

    def __next__(self) -> R:
        ready = self._ready
        if not ready:
            ready = self._wait()
        return cast("R", ready.popleft())

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._answer is not None:
            self._answer.abort()
        self._dropped()

    def __aiter__(self) -> NoReturn:
        raise TypeError("this stream is sync: write 'for', or take it from AsyncClient")

    async def __aenter__(self) -> NoReturn:
        raise TypeError("this stream is sync: write 'with', or take it from AsyncClient")

    async def __aexit__(self, *exc: object) -> None:
        """Never reached; without it, Python's own message would hide ours."""

    def open(self) -> Self:
        """Send the request now, and wait for the head of the answer.

        Raises:
            ArrieroError: as the call without stream would.
        """
        if self._reading is None and not self._closed:
            if self._handle.aborted:
                raise self._cancelled()
            call, client, target = self._call, self._client, self._target
            self._progress = progress = begun(call, target, self._policy)
            try:
                head, answer = client._perform(streamed(call, target, progress), self._handle)
            except ClientClosed as error:
                if self._handle.aborted:
                    raise self._cancelled() from error
                raise
            finally:
                self._handle.detach()
            self._hold(answer)
            self._reading = reading = Reading(call, target, progress, head)
            self._ready = reading.ready
        return self

    def _hold(self, answer: Answer | None) -> None:
        assert answer is not None
        self._answer = answer
        self._handle.attach(answer.abort)

    def _cancelled(self) -> CallCancelled:
        error = CallCancelled("cancelled while waiting for the answer")
        error.call, error.host, error.phase = (
            self._call.name,
            self._target.base.origin,
            "head",
        )
        return error

    def _wait(self) -> Any:
        """Give the queue of records, not empty; raise what ends the stream."""
        reading = self._reading
        if reading is None:
            if self._closed:
                raise StopIteration
            self.open()
            reading = cast("Reading[R]", self._reading)
        ready, answer = reading.ready, self._answer
        while answer is not None and not reading.ended:
            try:
                self._read(answer, reading)
                if reading.ended or reading.must_judge:
                    self._settle(answer, reading)
            except BaseException:  # Ctrl-C in the middle: the rest of this answer is lost
                self._answer = None
                answer.abort()
                self._dropped()
                raise
            if ready:
                return ready
            answer = self._answer
        if ready:
            return ready
        failure, reading.failure = reading.failure, None
        if failure is not None:
            raise recognisable(failure) from failure.__cause__
        raise StopIteration

    def _read(self, answer: Answer, reading: Reading[R]) -> None:
        until = reading.until()
        try:
            while data := answer.read(until):
                if reading.feed(data):
                    break
            else:
                reading.end()
        except Fault as fault:
            if self._handle.aborted:
                reading.cancelled()
            else:
                reading.fault(fault)

    def _settle(self, answer: Answer, reading: Reading[R]) -> None:
        """Do what arrived records, or the end, ask for."""
        if reading.must_judge:
            self._client._perform(reading.judged(), None)
        if reading.failure is not None:
            self._answer = None
            answer.abort()
            self._try_again(reading)
        elif reading.ended:
            self._answer = None
            answer.close()
            self._over()
            self._keep()

    def _try_again(self, reading: Reading[R]) -> None:
        """Open the failed stream once more if the policies allow it."""
        operation = reading.again()
        if operation is not None:
            try:
                head, answer = self._client._perform(operation, self._handle)
                self._hold(answer)
                reading.reopened(head)
            except ArrieroError as error:
                reading.gave_up(self._cancelled() if self._handle.aborted else error)
        if reading.failure is not None:
            self._over()
            self._keep()

    def _keep(self) -> None:
        """Wait until the record of the call is safe."""
        operation = self._kept()
        if operation is not None:
            try:
                self._client._perform(operation, None)
            except AuditFailed as error:
                self._unkept(error)

    def close(self) -> None:
        """Stop here: the socket is closed unless the answer was read to its end."""
        self._closed = True
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()
        self._over()
        self._keep()
        if self._reading is not None:
            self._reading.ended = True
            self._reading.ready.clear()

    def cancel(self) -> None:
        """Stop now, from any thread: the socket is closed at once.

        A thread that waits for the next record gets `CallCancelled`.
        """
        self._handle.abort()
