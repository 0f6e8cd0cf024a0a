"""The sync driver: runs operations and reads streams on the caller's thread.

A client may be shared between threads. A stream is read by one thread; `Stream.cancel`
may be called from any.
"""

from __future__ import annotations

import sys
import threading
import time
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
from arriero._core.governed import whole
from arriero._core.http import Fault, Head
from arriero._core.images import ImageFile, ImagePath
from arriero._core.progress import earliest
from arriero._core.statistics import Connections
from arriero._drive.blocking import warn_if_in_loop
from arriero._drive.configured import Configured
from arriero._drive.files import hash_file, read_file
from arriero._drive.foreign import recognisable
from arriero._drive.stream import Stream
from arriero._transport.interface import AbortHandle, Answer, Transport
from arriero.errors import ArrieroError, CallCancelled
from arriero.settings import CallPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


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
            warn_if_in_loop()
        if call.stream:
            return Stream(self, call, policy)
        return self._finish(whole(call, self._target, policy))

    def _drive(self, operation: Operation[T]) -> T:
        """Make the requests of an operation."""
        if "asyncio" in sys.modules:
            warn_if_in_loop()
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
