"""The sync driver: runs operations and reads streams on the caller's thread.

A client may be shared between threads. A stream is read by one thread; `Stream.cancel`
may be called from any.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, assert_never, cast

from arriero._core.calls import Call
from arriero._core.effects import (
    Authorize,
    Consult,
    Drop,
    Effect,
    HashFile,
    LoadImage,
    Operation,
    Persist,
    ReadBody,
    ReadPart,
    Send,
    Sleep,
    Wait,
)
from arriero._core.governed import streamed, whole
from arriero._core.http import Fault, Head
from arriero._core.images import ImageFile, ImagePath
from arriero._core.progress import begun, earliest
from arriero._core.reading import Reading
from arriero._core.statistics import Connections
from arriero._drive.configured import Configured
from arriero._drive.foreign import recognisable
from arriero._drive.view import StreamView
from arriero._transport.interface import AbortHandle, Answer, Transport
from arriero.errors import ArrieroError, AuditFailed, CallCancelled, ClientClosed
from arriero.settings import CallPolicy
from arriero.types.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")
R = TypeVar("R", bound=Record)

_CHUNK_BYTES = 1 << 20


class SyncBase(Configured):
    """What `Client` is besides its methods."""

    _transport: Transport | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> NoReturn:
        raise TypeError("Client is used with 'with'; for 'async with' take AsyncClient")

    async def __aexit__(self, *exc: object) -> None:
        """Never reached; without it, Python's own message would hide ours."""

    def close(self) -> None:
        """Close every connection. Calls made later raise `ClientClosed`.

        An `http_client` that was passed in stays open: it belongs to the caller.
        """
        self._closed = True
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        self._setup.outside.close()
        self._target.governor.close()
        self._wake_sleepers()

    def _connections(self) -> Mapping[str, Connections]:
        transport = self._transport
        return {} if transport is None else transport.connections()

    def _connected(self) -> Transport:
        return self._transport or self._made()

    def _made(self) -> Transport:
        if self._closed:
            raise _closed()
        from arriero._transport.choose import transport_for

        client, owned = self._http_client()
        transport = transport_for(client, self._setup.transport, owned=owned)
        # No lock: a fork could leave it held. Of threads that begin together one wins.
        kept: Transport | None = self.__dict__.setdefault("_transport", transport)
        if kept is not transport:
            transport.close()
        if kept is None:
            raise _closed()
        return kept

    def _run(self, call: Call[Any], policy: CallPolicy | None = None) -> Any:
        """Make a call: its answer, or a stream that makes it when it is first read."""
        if "asyncio" in sys.modules:
            _warn_if_in_loop()
        if call.stream:
            return Stream(self, call, policy)
        return self._finish(whole(call, self._target, policy))

    def _drive(self, operation: Operation[T]) -> T:
        """Make the requests of an operation."""
        if "asyncio" in sys.modules:
            _warn_if_in_loop()
        return self._finish(operation)

    def _finish(self, operation: Operation[T]) -> T:
        return self._perform(operation, None)[0]

    def _perform(
        self, operation: Operation[T], handle: AbortHandle | None
    ) -> tuple[T, Answer | None]:
        """Run an operation to its end; an answer it left open comes back too."""
        answer: Answer | None = None
        result: Any
        try:
            effect = next(operation)
            while True:
                try:
                    match effect:
                        case Send():
                            answer = self._send(effect, handle)
                            result = Head(answer.status, answer.headers)
                        case ReadBody(until):
                            assert answer is not None
                            result = _body(answer, until)
                            answer.close()
                            answer = None
                        case ReadPart(until):
                            assert answer is not None
                            result = answer.read(until)
                            if not result:
                                answer.close()
                                answer = None
                        case Drop():
                            assert answer is not None
                            answer.close()
                            answer = result = None
                        case Sleep(seconds):
                            self._sleep(seconds, handle)
                            result = None
                        case Wait():
                            _wait(effect, handle)
                            result = None
                        case Authorize() | LoadImage() | HashFile() | Consult() | Persist():
                            result = self._act(effect)
                        case _:
                            assert_never(effect)
                except Exception as error:  # the operation knows what it means
                    if answer is not None:
                        answer.abort()
                        answer = None
                    effect = operation.throw(error)
                else:
                    effect = operation.send(result)
        except StopIteration as done:
            return cast("T", done.value), answer
        except ArrieroError as error:
            _abandon(answer)
            raise recognisable(error) from error.__cause__
        except BaseException:
            _abandon(answer)
            operation.close()  # now, not when the traceback is let go of: it holds a permit
            raise

    def _send(self, effect: Send, handle: AbortHandle | None) -> Answer:
        connect_until = earliest(time.monotonic(), effect.connect_s, 0.0, None)
        if effect.until is not None and connect_until is not None:
            connect_until = min(connect_until, effect.until)
        return self._connected().open(
            effect.request,
            connect_until=connect_until if connect_until is not None else effect.until,
            until=effect.until,
            handle=handle,
        )

    def _sleep(self, seconds: float, handle: AbortHandle | None) -> None:
        woken = threading.Event()
        self._sleepers.add(woken.set)
        try:
            if not self._closed:  # looked at after adding: closing comes before or after
                _pause(seconds, handle, woken)
        finally:
            self._sleepers.discard(woken.set)

    def _act(self, effect: Effect) -> Any:
        match effect:
            case Authorize():
                return self._setup.sources[effect.origin].token(effect.refused, effect.until)
            case LoadImage(ImagePath(path)):
                with open(path, "rb") as file:
                    return file.read()
            case LoadImage(ImageFile(file)):
                return read_file(file)
            case HashFile(path):
                return hash_file(path)
            case Consult(function, arguments):
                return function(*arguments)
            case Persist(function):
                return function()
            case _:
                raise AssertionError(effect)


def _wait(effect: Wait, handle: AbortHandle | None) -> None:
    woken = threading.Event()
    effect.ticket.listen(woken.set)
    _pause(
        None if effect.until is None else max(0.0, effect.until - time.monotonic()), handle, woken
    )


def _pause(seconds: float | None, handle: AbortHandle | None, woken: threading.Event) -> None:
    """Wait for some time, or until it is `woken`; `handle` ends it at once.

    Raises:
        CallCancelled: by the handle.
    """
    if handle is not None:
        handle.attach(woken.set)
    woken.wait(seconds)
    if handle is not None:
        handle.detach()
        if handle.aborted:
            raise CallCancelled("cancelled while waiting")


def _closed() -> Fault:
    return Fault("closed", "prepare", "the client is closed")


def _abandon(answer: Answer | None) -> None:
    if answer is not None:
        answer.abort()


def _body(answer: Answer, until: float | None) -> bytes:
    data = answer.read(until)
    more = answer.read(until) if data else b""
    if not more:
        return data
    parts = [data]
    while more:
        parts.append(more)
        more = answer.read(until)
    return b"".join(parts)


def read_file(file: Any) -> Any:
    """Read what the caller opened.

    Raises:
        OSError: it cannot be read, or is closed.
    """
    try:
        return file.read()
    except ValueError as cause:
        raise OSError(str(cause)) from cause


def hash_file(path: str) -> tuple[str, int]:
    """Give a file's digest and size, reading it once."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size


class BlockingCallWarning(RuntimeWarning):
    """A sync call was made inside a running event loop, which it blocks."""


_warned = False


def _warn_if_in_loop() -> None:
    """Warn once, at the caller's line, if this thread runs an event loop.

    Notebooks always run one and block it on purpose.
    """
    global _warned
    if _warned or "ipykernel" in sys.modules:
        return
    import asyncio

    # `get_running_loop` would raise at every call that is made where it should be.
    if asyncio._get_running_loop() is None:
        return
    _warned = True
    frame = sys._getframe(2)
    warnings.warn(
        f"Client.{frame.f_code.co_name}() blocks the running event loop; write"
        f" 'await AsyncClient().{frame.f_code.co_name}(...)' instead",
        BlockingCallWarning,
        stacklevel=4,
    )


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
        self._over()

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
            except BaseException:  # Ctrl-C in the middle: the rest of this answer is lost
                self._answer = None
                answer.abort()
                self._over()
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
