"""The server itself, the account, the web tools, System One, and calls nothing is known of.

Source: Ollama v0.33.0-rc2, `server/routes.go`; the web tools' public addresses and System
One: the `ollama` package 0.6.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from arriero._core.api.arguments import KeepAlive, body_of, keep_alive_to_wire, required
from arriero._core.calls import Call
from arriero._core.completion import RawTally
from arriero._core.host import parse_host
from arriero._core.http import Head
from arriero._core.ndjson import RecordDecoder
from arriero.errors import RequestError
from arriero.settings import Timeouts
from arriero.types.raw import RawRecord, RawResponse
from arriero.types.record import to_wire
from arriero.types.service import (
    MeResponse,
    ServerStatusResponse,
    SystemOneResponse,
    VersionResponse,
    WebFetchResponse,
    WebSearchResponse,
)

_VERSION = RecordDecoder(VersionResponse)
_STATUS = RecordDecoder(ServerStatusResponse)
_ME = RecordDecoder(MeResponse)
_SEARCH = RecordDecoder(WebSearchResponse)
_FETCH = RecordDecoder(WebFetchResponse)
_SYSTEM_ONE = RecordDecoder(SystemOneResponse)
_RAW = RecordDecoder(RawRecord)

_PATH = re.compile(r"/[\x21-\x7e]*")
_METHOD = re.compile(r"[A-Za-z]+")

CLOUD = parse_host("ollama.com")
"""Where the web tools live, and the only place `OLLAMA_API_KEY` goes by itself."""

ApiKey: TypeAlias = str | Literal[True] | None
"""Key for ollama.com; True if its tokens are asked for, None if there is none."""


def version(*, timeouts: Timeouts | None = None) -> Call[VersionResponse]:
    """Build a question for the server's version."""
    return Call("GET", "/api/version", _VERSION, timeouts=timeouts)


def status(*, timeouts: Timeouts | None = None) -> Call[ServerStatusResponse]:
    """Build a question for the state of the server's features."""
    return Call("GET", "/api/status", _STATUS, timeouts=timeouts)


def me(*, timeouts: Timeouts | None = None) -> Call[MeResponse]:
    """Build a question for the account the server is signed in with."""
    return Call("POST", "/api/me", _ME, timeouts=timeouts)


def web_search(
    query: str,
    max_results: int = 3,
    *,
    api_key: ApiKey,
    timeouts: Timeouts | None = None,
) -> Call[WebSearchResponse]:
    """Build a web search, run by ollama.com."""
    body = body_of(query=required(query, "query", "web_search"), max_results=max_results)
    return _web("/api/web_search", body, _SEARCH, api_key, "web_search", timeouts)


def web_fetch(
    url: str, *, api_key: ApiKey, timeouts: Timeouts | None = None
) -> Call[WebFetchResponse]:
    """Build the fetch of a page, run by ollama.com."""
    body = body_of(url=required(url, "url", "web_fetch"))
    return _web("/api/web_fetch", body, _FETCH, api_key, "web_fetch", timeouts)


def _web(
    path: str,
    body: dict[str, Any],
    decoder: RecordDecoder[Any],
    api_key: ApiKey,
    name: str,
    timeouts: Timeouts | None,
) -> Call[Any]:
    if not api_key:
        raise RequestError(
            f"{name} asks ollama.com: Authorization header with Bearer token is required for"
            f" {name.replace('_', ' ')}; set OLLAMA_API_KEY in the environment"
        )
    return Call(
        "POST",
        path,
        decoder,
        body=body,
        base=CLOUD,
        headers={} if api_key is True else {"authorization": f"Bearer {api_key}"},
        timeouts=timeouts,
    )


def systemone(
    model: str,
    state: Any,
    questions: Mapping[str, Any],
    keep_alive: KeepAlive | None = None,
    *,
    timeouts: Timeouts | None = None,
) -> Call[SystemOneResponse]:
    """Build a set of questions for a System One model."""
    body = body_of(
        model=required(model, "model", "systemone"),
        state=to_wire(state),
        questions=to_wire(questions),
        keep_alive=keep_alive_to_wire(keep_alive),
    )
    return Call("POST", "/v1/systemone", _SYSTEM_ONE, body=body, timeouts=timeouts)


def request(
    method: str,
    path: str,
    *,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    stream: bool = False,
    check: bool = True,
    timeouts: Timeouts | None = None,
) -> Call[Any]:
    """Build a call that this package knows nothing of."""
    if not _PATH.fullmatch(path):
        raise RequestError(
            f"request: a path begins with a slash and is quoted as in a URL, not {path!r}"
        )
    if not _METHOD.fullmatch(method):
        raise RequestError(f"request: a method such as 'POST', not {method!r}")
    if json is not None and content is not None:
        raise RequestError("request: json or content, not both")
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if json is not None:
        try:
            content = msgspec.json.encode(to_wire(json))
        except (TypeError, ValueError, OverflowError) as cause:
            raise RequestError(f"request: json cannot be written: {cause}") from cause
        given.setdefault("content-type", "application/json")
    return Call(
        method.upper(),
        path,
        _RAW if stream else None,
        content=content,
        stream=stream,
        tally=RawTally if stream else None,
        whole=None if stream else _raw_response,
        headers=given,
        any_status=not check,
        repeat="always" if method.upper() in ("GET", "HEAD") else "unsent",
        timeouts=timeouts,
    )


def _raw_response(head: Head, body: bytes) -> RawResponse:
    return RawResponse(head.status, dict(head.headers), body)
