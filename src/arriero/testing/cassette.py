"""Record a real server, and play it back without one.

A cassette is a JSON file: for each exchange the request, the status, and every line of the
answer with the time it came. Of headers only the content type and ``Retry-After`` are kept.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from arriero.errors import RequestError

from .controlled import ControlledServer
from .proxy import Upstream
from .received import HIDDEN, json_in, without_secret

if TYPE_CHECKING:
    from .host import App

Mode: TypeAlias = Literal["auto", "record", "replay"]
Message: TypeAlias = MutableMapping[str, Any]

_VERSION = 1
_KEPT = ("content-type", "retry-after")
_MIN_SECRET = 6
"""A shorter text would be found in innocent places."""


@dataclass(slots=True)
class _Exchange:
    """One request and its answer.

    Attributes:
        key: What a request must equal to be answered with it.
        status: HTTP status.
        headers: The kept ones.
        lines: The body: seconds since the request, and a line.
        end: ``whole``; ``broken`` if the server broke off; ``left`` if the client did.
    """

    key: tuple[str, str, str]
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    lines: list[tuple[float, bytes]] = field(default_factory=list[tuple[float, bytes]])
    end: str = "broken"


class Cassette(ControlledServer):
    """A server that plays back what a real one once said.

    Requests are the same if method, path and body are; the order of keys in JSON does not
    matter. A request that was recorded several times gets the answers in their order. One that
    was not recorded, or comes once too often, is answered with status 500, and leaving the
    ``with`` block raises `AssertionError`.

    Args:
        path: The file.
        upstream: Server to record, as a client's `host`; not needed to replay.
        mode: ``record`` asks the real server and writes the file when the block ends without
            an error; ``replay`` never asks it; ``auto`` replays if there is a file and records
            if not.
        pace: Factor for the pauses of the answers: 1 is as recorded, 0 without any.
        secrets: Texts of at least six characters that must not be in the file, besides
            ``OLLAMA_API_KEY`` and the credentials in requests, which never are.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.

    Raises:
        MissingExtra: the extra ``testing`` is not installed.
        RequestError: there is nothing to replay or to record, or the file is no cassette.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        upstream: str | None = None,
        *,
        mode: Mode = "auto",
        pace: float = 1.0,
        secrets: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host, port)
        self._path = Path(path)
        self._secrets = _Secrets((*secrets, os.environ.get("OLLAMA_API_KEY", "")))
        self._unrecorded: list[str] = []
        records = mode == "record" or (mode == "auto" and not self._path.exists())
        self._recorder: _Recorder | None = None
        if records:
            if upstream is None:
                raise RequestError(f"cassette: give the upstream to record {self._path} from")
            self._recorder = _Recorder(Upstream(upstream), self._secrets)
        else:
            exchanges = _read(self._path)
            self._player = _Player(exchanges, self._secrets, pace, self._unrecorded)

    @property
    def is_recording(self) -> bool:
        """Whether a real server is asked."""
        return self._recorder is not None

    @property
    def unrecorded(self) -> Sequence[str]:
        """The requests there was no answer for, one line each."""
        return tuple(self._unrecorded)

    def assert_all_recorded(self) -> None:
        """Check that there was an answer for every request. Raises `AssertionError`."""
        if self._unrecorded:
            listed = "".join(f"\n  {one}" for one in self._unrecorded)
            raise AssertionError(f"not recorded in {self._path}:{listed}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; write what was recorded, or check that all was recorded.

        Raises:
            AssertionError: a request was not recorded.
        """
        self.close()
        if error is not None:
            return
        if self._recorder is not None:
            _write(self._path, self._recorder.exchanges, self._secrets)
        self.assert_all_recorded()

    def _make_app(self) -> App:
        return self._player if self._recorder is None else self._recorder


class _Secrets:
    """Texts that are replaced wherever they stand."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text for text in texts if len(text) >= _MIN_SECRET}

    def learn(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take the credentials of a request for secrets."""
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            if without_secret(name, value) != value:
                token = value.rpartition(" ")[2]
                if len(token) >= _MIN_SECRET:
                    self._texts.add(token)

    def hide(self, text: str) -> str:
        """Replace every secret, the longest first."""
        for secret in sorted(self._texts, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text


class _Recorder:
    """Asks the real server and remembers what it says."""

    def __init__(self, upstream: Upstream, secrets: _Secrets) -> None:
        self._upstream = upstream
        self._secrets = secrets
        self.exchanges: list[_Exchange] = []

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        first = await receive()
        self._secrets.learn(scope["headers"])
        started_s = time.monotonic()
        exchange = _Exchange(_key(scope, first["body"], self._secrets))
        self.exchanges.append(exchange)
        given = [first]
        rest = b""

        async def again() -> Message:
            if given:
                return given.pop()
            message = await receive()
            exchange.end = "whole" if exchange.end == "whole" else "left"
            return message

        async def heard(message: Message) -> None:
            nonlocal rest
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.headers = [
                    (name.decode().lower(), value.decode("latin-1"))
                    for name, value in message["headers"]
                    if name.decode().lower() in _KEPT
                ]
            else:
                at_s = round(time.monotonic() - started_s, 4)
                *lines, rest = (rest + message["body"]).split(b"\n")
                exchange.lines.extend((at_s, line + b"\n") for line in lines)
                if not message["more_body"]:
                    exchange.end = "whole"
            await send(message)

        try:
            await self._upstream(scope, again, heard)
        finally:
            if rest:
                exchange.lines.append((round(time.monotonic() - started_s, 4), rest))

    async def close(self) -> None:
        """Everything is kept until the file is written."""


class _Player:
    """Answers from memory."""

    def __init__(
        self,
        exchanges: Sequence[_Exchange],
        secrets: _Secrets,
        pace: float,
        unrecorded: list[str],
    ) -> None:
        self._left = list(exchanges)
        self._secrets = secrets
        self._pace = pace
        self._unrecorded = unrecorded

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = (await receive())["body"]
        self._secrets.learn(scope["headers"])
        key = _key(scope, body, self._secrets)
        exchange = next((one for one in self._left if one.key == key), None)
        if exchange is None:
            self._unrecorded.append(" ".join(key)[:500])
            await _start(send, 500, [("content-type", "application/json; charset=utf-8")])
            text = json.dumps({"error": f"not recorded: {key[0]} {key[1]}"}).encode()
            await send({"type": "http.response.body", "body": text, "more_body": False})
            return
        self._left.remove(exchange)
        gone = asyncio.ensure_future(receive())
        try:
            await self._play(exchange, send, gone)
        finally:
            gone.cancel()

    async def _play(
        self,
        exchange: _Exchange,
        send: Callable[[Message], Awaitable[None]],
        gone: asyncio.Future[Message],
    ) -> None:
        started_s = time.monotonic()
        if exchange.status:
            for at, (at_s, line) in enumerate(exchange.lines):
                wait_s = started_s + at_s * self._pace - time.monotonic()
                if wait_s > 0:
                    await asyncio.wait([gone], timeout=wait_s)
                if gone.done():
                    return
                if at == 0:
                    await _start(send, exchange.status, exchange.headers)
                await send({"type": "http.response.body", "body": line, "more_body": True})
            if not exchange.lines:
                await _start(send, exchange.status, exchange.headers)
        if exchange.end == "left":
            await asyncio.wait([gone])
        elif exchange.end == "broken":
            raise ConnectionResetError("the recorded answer breaks off here")
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def close(self) -> None:
        """Nothing to give back."""


def _key(scope: Message, body: bytes, secrets: _Secrets) -> tuple[str, str, str]:
    query: bytes = scope["query_string"]
    target = scope["path"] + (f"?{query.decode('latin-1')}" if query else "")
    value = json_in(body)
    canonical = None if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)
    text = _text(body) if canonical is None else canonical
    return scope["method"], secrets.hide(target), secrets.hide(text)


async def _start(
    send: Callable[[Message], Awaitable[None]], status: int, headers: Iterable[tuple[str, str]]
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _text(data: bytes) -> str:
    """Write bytes as text; what is no UTF-8 becomes base64 behind a mark no text begins with."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"\0base64:{base64.b64encode(data).decode()}"


def _data(text: str) -> bytes:
    if text.startswith("\0base64:"):
        return base64.b64decode(text.removeprefix("\0base64:"))
    return text.encode()


def _write(path: Path, exchanges: Iterable[_Exchange], secrets: _Secrets) -> None:
    rows = [
        {
            "request": dict(
                zip(("method", "target", "body"), map(secrets.hide, one.key), strict=True)
            ),
            "status": one.status,
            "headers": dict(one.headers),
            "lines": [[at_s, secrets.hide(_text(line))] for at_s, line in one.lines],
            "end": one.end,
        }
        for one in exchanges
    ]
    text = json.dumps(
        {"arriero_cassette": _VERSION, "exchanges": rows}, indent=1, ensure_ascii=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", "utf-8")


def _read(path: Path) -> list[_Exchange]:
    try:
        whole = json.loads(path.read_text("utf-8"))
        if whole["arriero_cassette"] != _VERSION:
            raise RequestError(f"cassette: {path} has another version; record it again")
        return [
            _Exchange(
                (row["request"]["method"], row["request"]["target"], row["request"]["body"]),
                int(row["status"]),
                list(row["headers"].items()),
                [(float(at_s), _data(line)) for at_s, line in row["lines"]],
                str(row["end"]),
            )
            for row in whole["exchanges"]
        ]
    except OSError as cause:
        raise RequestError(f"cassette: cannot read {path}: {cause.strerror}") from cause
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        if isinstance(cause, RequestError):
            raise
        raise RequestError(f"cassette: {path} is no cassette: {cause!r}") from cause
