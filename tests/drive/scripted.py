"""Transports that answer from a script, in memory, in both colours.

An answer is a `Reply`, or a `Fault` to be raised; a piece of its body is bytes, a `Fault`,
or `HANG`, which gives nothing until it is ended from outside.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from arriero._core.http import Fault, FileBody, Request
from arriero._core.statistics import Connections
from arriero._transport.interface import AbortHandle
from arriero.errors import Phase
from arriero.settings import Retry


class Hang:
    """Type of `HANG`."""

    def __repr__(self) -> str:
        return "HANG"


HANG: Final = Hang()

Piece: TypeAlias = "bytes | BaseException | Hang"


@dataclass(frozen=True)
class Reply:
    """One answer: a head, and what each reading of the body gives."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Sequence[Piece] = ()
    reused: bool = False


Answer: TypeAlias = "Reply | BaseException | Hang"


def reply(*pieces: Piece, status: int = 200, **headers: str) -> Reply:
    """Give an answer; ``retry_after`` is written ``retry-after``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, pieces)


def lost(phase: Phase = "head", *, reused: bool = False) -> Fault:
    """Give the fault of a connection that broke."""
    return Fault("lost", phase, "connection reset", reused=reused)


PART: Final = b'{"response":"a"}\n'
LAST: Final = b'{"response":"","done":true,"done_reason":"stop"}\n'
VERSION: Final = reply(b'{"version":"1"}')


@dataclass(frozen=True)
class Sent:
    """A request that was made."""

    request: Request
    body: bytes | None
    """What a file held when it was sent."""

    @property
    def line(self) -> str:
        """Method and URL."""
        return f"{self.request.method} {self.request.url}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers as a dict."""
        return dict(self.request.headers)


class Script:
    """What a server will answer, and all that was done with it.

    Attributes:
        sent: Requests in order.
        events: What happened to the answers: open, read, close, abort, shut, discard.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = list(answers)
        self.sent: list[Sent] = []
        self.events: list[str] = []
        self.hanging = threading.Event()

    def begin(self, request: Request) -> Answer:
        """Take down a request and give its answer."""
        body = request.body
        if isinstance(body, FileBody):
            with open(body.path, "rb") as file:
                body = file.read()
        self.sent.append(Sent(request, body))
        self.events.append("open")
        if not self.answers:
            raise AssertionError(f"no answer for {request.method} {request.url}")
        return self.answers.pop(0)


class ScriptedAnswer:
    """An answer read by a thread."""

    def __init__(self, script: Script, made: Reply) -> None:
        self.status, self.headers, self.reused = made.status, made.headers, made.reused
        self._script = script
        self._pieces = list(made.pieces)
        self._aborted = threading.Event()
        self._is_over = False

    def read(self, until: float | None) -> bytes:
        """See `arriero._transport.interface.Answer.read`."""
        self._script.events.append("read")
        if self._aborted.is_set():
            raise Fault("closed", "body", "aborted")
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Hang):
            self._script.hanging.set()
            if self._aborted.wait(None if until is None else max(until - time.monotonic(), 0)):
                raise Fault("closed", "body", "aborted")
            raise Fault("timeout", "body", "no bytes in time")
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        """See `arriero._transport.interface.Answer.close`."""
        self._end("close")

    def abort(self) -> None:
        """See `arriero._transport.interface.Answer.abort`."""
        self._end("abort")
        self._aborted.set()

    def _end(self, how: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._script.events.append(how)


class ScriptedTransport:
    """A transport for threads."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def open(
        self,
        request: Request,
        *,
        connect_until: float | None,
        until: float | None,
        handle: AbortHandle | None = None,
    ) -> ScriptedAnswer:
        """See `arriero._transport.interface.Transport.open`."""
        made = self._script.begin(request)
        if isinstance(made, Hang):
            aborted = threading.Event()
            if handle is not None:
                handle.attach(aborted.set)
            self._script.hanging.set()
            if aborted.wait(None if until is None else max(until - time.monotonic(), 0)):
                self._script.events.append("abort")
                raise Fault("closed", "head", "aborted")
            raise Fault("timeout", "head", "no answer in time")
        if isinstance(made, BaseException):
            raise made
        return ScriptedAnswer(self._script, made)

    def connections(self) -> dict[str, Connections]:
        """See `arriero._transport.interface.Transport.connections`."""
        return {}

    def close(self) -> None:
        """See `arriero._transport.interface.Transport.close`."""
        self._script.events.append("shut")


class AsyncScriptedAnswer:
    """An answer read by a task."""

    def __init__(self, script: Script, made: Reply) -> None:
        self.status, self.headers, self.reused = made.status, made.headers, made.reused
        self._script = script
        self._pieces = list(made.pieces)
        self._waiting: asyncio.Future[None] | None = None
        self._is_aborted = self._is_over = False

    async def read(self) -> bytes:
        """See `arriero._transport.interface.AsyncAnswer.read`."""
        self._script.events.append("read")
        if self._is_aborted:
            raise Fault("closed", "body", "aborted")
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Hang):
            self._waiting = asyncio.get_running_loop().create_future()
            self._script.hanging.set()
            await self._waiting
            raise Fault("closed", "body", "aborted")
        if isinstance(piece, BaseException):
            raise piece
        await asyncio.sleep(0)
        return piece

    async def close(self) -> None:
        """See `arriero._transport.interface.AsyncAnswer.close`."""
        await asyncio.sleep(0)
        self._end("close")

    def abort(self) -> None:
        """See `arriero._transport.interface.AsyncAnswer.abort`."""
        self._end("abort")
        self._is_aborted = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _end(self, how: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._script.events.append(how)


class AsyncScriptedTransport:
    """A transport for tasks."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def open(self, request: Request, *, connect_s: float | None) -> AsyncScriptedAnswer:
        """See `arriero._transport.interface.AsyncTransport.open`."""
        self._loop = asyncio.get_running_loop()  # a real one holds on to its loop too
        made = self._script.begin(request)
        if isinstance(made, Hang):
            self._script.hanging.set()
        if isinstance(made, BaseException):
            raise made
        try:
            await (asyncio.Event().wait() if isinstance(made, Hang) else asyncio.sleep(0))
        except asyncio.CancelledError:
            self._script.events.append("abort")
            raise
        assert isinstance(made, Reply)
        return AsyncScriptedAnswer(self._script, made)

    def connections(self) -> dict[str, Connections]:
        """See `arriero._transport.interface.AsyncTransport.connections`."""
        return {}

    async def close(self) -> None:
        """See `arriero._transport.interface.AsyncTransport.close`."""
        await asyncio.sleep(0)
        self._script.events.append("shut")

    def discard(self) -> None:
        """See `arriero._transport.interface.AsyncTransport.discard`."""
        self._script.events.append("discard")


ONCE: Final[dict[str, Any]] = {"retry": Retry.none()}


class Colour:
    """One of the two clients, driven step by step from a plain function."""

    END: Final = object()
    """What `next` gives at the end of a stream."""

    is_async = False

    def __init__(self) -> None:
        self.script = Script(())

    def client(self, *answers: Answer, **arguments: Any) -> Any:
        """Give a client whose server answers as it is told. It tries once unless told."""
        from arriero import Client

        self.script = Script(answers)
        arguments.setdefault("cleartext_credentials", "allow")  # tests of that say otherwise
        return Client(arguments.pop("host", "http://server:80"), **ONCE | arguments)

    def do(self, value: Any) -> Any:
        """Give the value; in the other colour, await it."""
        return value

    def next(self, stream: Any) -> Any:
        """Give the next record of a stream, or `END`."""
        return next(stream, self.END)

    def list(self, stream: Any) -> list[Any]:
        """Give the records that are left."""
        return list(stream)

    def enter(self, context: Any) -> Any:
        """Enter a context by hand."""
        return context.__enter__()

    def leave(self, context: Any) -> Any:
        """Leave it, without an error."""
        return context.__exit__(None, None, None)


class AsyncColour(Colour):
    """`AsyncClient`, on one event loop."""

    is_async = True

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def client(self, *answers: Answer, **arguments: Any) -> Any:
        from arriero import AsyncClient

        self.script = Script(answers)
        arguments.setdefault("cleartext_credentials", "allow")
        return AsyncClient(arguments.pop("host", "http://server:80"), **ONCE | arguments)

    def do(self, value: Any) -> Any:
        return self.runner.run(value)

    def next(self, stream: Any) -> Any:
        return self.do(_next(stream))

    def list(self, stream: Any) -> list[Any]:
        return self.do(_list(stream))  # type: ignore[no-any-return]  # it is one

    def enter(self, context: Any) -> Any:
        return self.do(context.__aenter__())

    def leave(self, context: Any) -> Any:
        return self.do(context.__aexit__(None, None, None))


async def _next(stream: Any) -> Any:
    return await anext(stream, Colour.END)


async def _list(stream: Any) -> list[Any]:
    return [record async for record in stream]


DENIED = reply(b'{"error":"unauthorized"}', status=401)


def tokens_of(colour: Colour) -> list[str | None]:
    """The credentials that were sent, in order."""
    return [sent.headers.get("authorization") for sent in colour.script.sent]


def wait_until(is_true: Callable[[], object]) -> None:
    """Wait; a minute is for machines under load."""
    end_s = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.001)
