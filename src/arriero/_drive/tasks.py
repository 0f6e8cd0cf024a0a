"""The async driver: runs operations and reads streams on the running event loop.

A client may be used by many tasks, and by one event loop after another; connections
belong to a loop. Deadlines are by `time.monotonic`, the clock of asyncio's loops and of
uvloop's. A stream is read by one task; `AsyncStream.cancel` may be called by any
task of the same loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import time
import weakref
from collections.abc import Callable
from typing import (
    Any,
    ClassVar,
    NoReturn,
    Self,
    TypeVar,
    assert_never,
    cast,
)

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
from arriero._core.statistics import Connections
from arriero._drive.async_stream import AsyncStream
from arriero._drive.configured import Configured
from arriero._drive.files import hash_file, read_file
from arriero._drive.foreign import recognisable
from arriero._drive.pending import pending
from arriero._drive.watch import Watch
from arriero._transport.interface import AsyncAnswer, AsyncTransport
from arriero.errors import ArrieroError
from arriero.settings import CallPolicy

T = TypeVar("T")


class AsyncBase(Configured):
    """What `AsyncClient` is besides its methods."""

    _httpx_class: ClassVar[str] = "AsyncClient"
    _is_async: ClassVar[bool] = True
    _transports: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncTransport] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, method in vars(cls).copy().items():
            if not name.startswith("_") and inspect.iscoroutinefunction(method):
                setattr(cls, name, pending(method))

    def _prepare(self) -> None:
        # Importing takes a tenth of a second, which would block the event loop if it waited
        # for the first call.
        if self._given_client is None and self._setup.httpx_options is None:
            importlib.import_module("arriero._transport.over_asyncio")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __enter__(self) -> NoReturn:
        raise TypeError("AsyncClient is used with 'async with'; for 'with' take Client")

    def __exit__(self, *exc: object) -> None:
        """Never reached; without it, Python's own message would hide ours."""

    def __del__(self) -> None:
        for transport in list((self._transports or {}).values()):
            transport.discard()
        if "_setup" in self.__dict__:
            self._setup.outside.discard()

    async def close(self) -> None:
        """Close every connection. Calls made later raise `ClientClosed`.

        An `http_client` that was passed in stays open: it belongs to the caller.
        """
        self._closed = True
        transports, self._transports = self._transports, None
        here = asyncio.get_running_loop()
        for loop, transport in list((transports or {}).items()):
            if loop is here:
                await transport.close()
            else:
                transport.discard()
        await self._setup.outside.aclose()
        self._target.governor.close()
        self._wake_sleepers()

    def _connections(self) -> dict[str, Connections]:
        made: dict[str, Connections] = {}
        for transport in list((self._transports or {}).values()):
            for origin, held in transport.connections().items():
                made[origin] = made.get(origin, Connections()) + held
        return made

    def _connected(self) -> AsyncTransport:
        loop = asyncio.get_running_loop()
        transports = self._transports
        transport = None if transports is None else transports.get(loop)
        if transport is None:
            if self._closed:
                raise Fault("closed", "prepare", "the client is closed")
            if transports is None:
                # Not simply assigned: of threads that begin together one wins.
                made = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncTransport]()
                kept = self.__dict__.setdefault("_transports", made)
                if kept is None:  # let go of before, which leaves None
                    kept = self._transports = made
                transports = kept
            # Copied in one step, as loops of other threads may add themselves meanwhile.
            for other in [loop() for loop in transports.keyrefs()]:
                if other is not None and other.is_closed():
                    gone = transports.pop(other, None)
                    if gone is not None:
                        gone.discard()
            from arriero._transport.choose import async_transport_for

            client, owned = self._http_client()
            transport = async_transport_for(client, self._setup.transport, owned=owned)
            transports[loop] = transport
        return transport

    async def _run(self, call: Call[Any], policy: CallPolicy | None = None) -> Any:
        """Make a call: its answer, or a stream that makes it when it is first read."""
        if call.stream:
            return AsyncStream(self, call, policy)
        return await self._drive(whole(call, self._target, policy))

    async def _drive(self, operation: Operation[T]) -> T:
        return (await self._perform(operation))[0]

    async def _perform(self, operation: Operation[T]) -> tuple[T, AsyncAnswer | None]:
        """Run an operation to its end; an answer it left open comes back too."""
        answer: AsyncAnswer | None = None
        result: Any
        try:
            effect = next(operation)
            while True:
                try:
                    match effect:
                        case Send():
                            answer = await self._send(effect)
                            result = Head(answer.status, answer.headers)
                        case ReadBody(until):
                            assert answer is not None
                            result = await _body(answer, until)
                            await answer.close()
                            answer = None
                        case ReadPart(until):
                            assert answer is not None
                            result = await _part(answer, until)
                            if not result:
                                await answer.close()
                                answer = None
                        case Drop():
                            assert answer is not None
                            await answer.close()
                            answer = result = None
                        case Sleep(seconds):
                            await self._sleep(seconds)
                            result = None
                        case Wait():
                            await _wait(effect)
                            result = None
                        case Authorize() | LoadImage() | HashFile() | Consult() | Persist():
                            result = await self._act(effect)
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

    async def _send(self, effect: Send) -> AsyncAnswer:
        opening = self._connected().open(effect.request, connect_s=effect.connect_s)
        if effect.until is None:
            return await opening
        deadline = asyncio.timeout_at(effect.until)
        try:
            async with deadline:
                return await opening
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise Fault("timeout", "head", "no answer in time") from error

    async def _sleep(self, seconds: float) -> None:
        woken, wake = _waker()
        self._sleepers.add(wake)
        try:
            if not self._closed:  # looked at after adding: closing comes before or after
                await _woken(woken, seconds)
        finally:
            self._sleepers.discard(wake)

    async def _act(self, effect: Effect) -> Any:
        match effect:
            case Authorize():
                from arriero._drive import token_tasks

                source = self._setup.sources[effect.origin]
                return await token_tasks.token(source, effect.refused, effect.until)
            case LoadImage(ImagePath(path)):
                return await asyncio.to_thread(_file_bytes, path)
            case LoadImage(ImageFile(file)):
                return await asyncio.to_thread(read_file, file)
            case HashFile(path):
                return await asyncio.to_thread(hash_file, path)
            case Consult(function, arguments):
                made = function(*arguments)
                return await made if inspect.isawaitable(made) else made
            case Persist(function):
                return await asyncio.to_thread(function)
            case _:
                raise AssertionError(effect)


async def _wait(effect: Wait) -> None:
    left_s = None if effect.until is None else max(0.0, effect.until - time.monotonic())
    woken, wake = _waker()
    effect.ticket.listen(wake)
    await _woken(woken, left_s)


def _waker() -> tuple[asyncio.Event, Callable[[], None]]:
    """Give an event, and what sets it from any thread; its loop may be gone by then."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(woken.set)

    return woken, wake


async def _woken(woken: asyncio.Event, seconds: float | None) -> None:
    """Wait until an event is set, or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()


def _abandon(answer: AsyncAnswer | None) -> None:
    if answer is not None:
        answer.abort()


def _file_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


async def _body(answer: AsyncAnswer, until: float | None) -> bytes:
    watch = Watch(asyncio.get_running_loop(), answer)
    watch.start(until)
    try:
        data = await answer.read()
        more = await answer.read() if data else b""
        if not more:
            return data
        parts = [data]
        while more:
            parts.append(more)
            more = await answer.read()
        return b"".join(parts)
    except Fault as fault:
        raise watch.fault or fault from fault.__cause__
    finally:
        watch.stop()


async def _part(answer: AsyncAnswer, until: float | None) -> bytes:
    watch = Watch(asyncio.get_running_loop(), answer)
    watch.start(until)
    try:
        return await answer.read()
    except Fault as fault:
        raise watch.fault or fault from fault.__cause__
    finally:
        watch.stop()
