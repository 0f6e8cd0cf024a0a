"""The one method of the `ollama` client that instrumentation wraps: ``Client._request``.

Instrumentors put themselves around ``_request(cls, method, path, json=..., stream=...)``
and read the path from their third positional argument. Calls go through a method of that
form here too. What was built for a call travels inside its path, so a wrapper that knows
nothing of it hands it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import msgspec

from arriero._core.calls import RUNS_MODEL, Call
from arriero._core.completion import ChatTally, GenerateTally, ProgressTally, RawTally, Tally
from arriero._core.host import parse_host
from arriero._core.http import Head
from arriero._core.ndjson import RecordDecoder
from arriero._drive.setup import timeouts_of
from arriero.errors import ProtocolError, RequestError
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.models import ProgressResponse
from arriero.types.record import Record, to_wire

_TAKEN = {"content", "headers", "params", "timeout"}
"""Arguments of ``httpx.Client.request`` that `_request` takes besides ``json``."""

_ALWAYS_SENT: Mapping[str, Mapping[str, Any]] = {
    "/api/chat": {"messages": [], "tools": []},
    "/api/pull": {"insecure": False},
    "/api/push": {"insecure": False},
}
"""What the `ollama` client sends in every request to a path. To a server it says nothing, but
test doubles written for that client compare whole bodies."""


def filled(call: Call[Any]) -> Call[Any]:
    """Give `call` with what the `ollama` client would send besides."""
    always, body = _ALWAYS_SENT.get(call.path), call.body
    if always is None or body is None:
        return call
    # Copies, because a wrapper may change the lists.
    missing = {name: copy(value) for name, value in always.items() if name not in body}
    return msgspec.structs.replace(call, body={**body, **missing}) if missing else call


class CallPath(str):
    """The path of a call, as wrappers read it, with the call itself."""

    call: Call[Any]

    def __new__(cls, call: Call[Any]) -> CallPath:
        """Give the path of `call`; a whole URL if it does not go to the client's host."""
        made = super().__new__(cls, _address(call))
        made.call = call
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def _address(call: Call[Any]) -> str:
    if call.base is None:
        return call.path
    parts = urlsplit(call.base.url)
    return f"{parts.scheme}://{parts.hostname}{call.path}"


def arguments_of(call: Call[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the arguments `_request` is called with for `call`."""
    kind: Any = object if call.decoder is None else call.decoder._cls
    keywords: dict[str, Any] = {}
    if call.body is not None:
        keywords = {"json": call.body, "stream": call.stream}
    elif call.stream:
        keywords = {"stream": True}
    return (kind, call.method, CallPath(call)), keywords


def call_of(
    kind: Any, args: tuple[Any, ...], *, stream: bool, keywords: dict[str, Any]
) -> Call[Any]:
    """Give the call that the arguments of `_request` mean.

    Args:
        kind: Class of the answer, or of its records.
        args: Method and path.
        stream: True reads the answer as lines.
        keywords: ``json`` and those httpx takes.

    Raises:
        RequestError: the arguments make no call.
    """
    if len(args) != 2 or not all(isinstance(arg, str) for arg in args):
        raise RequestError("_request: takes a class, a method and a path, then keywords")
    method, path = cast("tuple[str, str]", args)
    json = keywords.get("json")
    if not isinstance(path, CallPath):
        return _direct(kind, method, path, json, stream=stream, keywords=keywords)
    call = path.call
    if json is not call.body:
        call = msgspec.structs.replace(call, body=json)
    return call if stream == call.stream else msgspec.structs.replace(call, stream=stream)


def _direct(
    kind: Any, method: str, path: str, json: Any, *, stream: bool, keywords: dict[str, Any]
) -> Call[Any]:
    """Build a call that came from outside."""
    if unknown := keywords.keys() - _TAKEN - {"json"}:
        raise RequestError(f"_request: no argument {min(unknown)!r}; it takes {sorted(_TAKEN)}")
    parts = urlsplit(path)
    base = parse_host(f"{parts.scheme}://{parts.netloc}") if parts.scheme else None
    address = parts._replace(scheme="", netloc="").geturl()
    if keywords.get("params"):
        query = urlencode(keywords["params"], doseq=True)
        address = f"{address}{'&' if parts.query else '?'}{query}"
    record = _record_class(kind)
    if stream and record is None:
        raise RequestError(f"_request: a stream is of records, not of {kind!r}")
    timeout = keywords.get("timeout")
    return Call(
        method.upper(),
        address if address.startswith("/") else f"/{address}",
        None if record is None else RecordDecoder(record),
        body=None if json is None else to_wire(json),
        content=keywords.get("content"),
        stream=stream,
        tally=_tally_of(record) if record is not None and stream else None,
        whole=_made_by(kind) if record is None else None,
        base=base,
        headers=keywords.get("headers") or {},
        timeouts=None if timeout is None else timeouts_of(timeout),
        repeat="always" if method.upper() in ("GET", "HEAD") or path in RUNS_MODEL else "unsent",
    )


def _record_class(kind: Any) -> type[Record] | None:
    if not isinstance(kind, type):
        return None
    return kind if issubclass(kind, Record) else None


def _tally_of(kind: type[Record]) -> Callable[[], Tally[Any]]:
    if issubclass(kind, ChatResponse):
        return ChatTally
    if issubclass(kind, GenerateResponse):
        return GenerateTally
    return ProgressTally if issubclass(kind, ProgressResponse) else RawTally


def _made_by(kind: Callable[..., Any]) -> Callable[[Head, bytes], Any]:
    def made(head: Head, body: bytes) -> Any:
        try:
            decoded = msgspec.json.decode(body)
        except msgspec.DecodeError as cause:
            raise ProtocolError(f"the body is no JSON: {cause}") from cause
        if not isinstance(decoded, Mapping):
            raise ProtocolError("a JSON object was due")
        return kind(**cast("Mapping[str, Any]", decoded))

    return made
