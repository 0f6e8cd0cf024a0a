"""From a call to the request of a try: its body, its headers, who asks, and where it is led."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from arriero._core.calls import Call
from arriero._core.effects import Authorize, LoadImage, Operation
from arriero._core.failures import described, failure, told
from arriero._core.host import origin_of, redirected
from arriero._core.http import Fault, FileBody, Head, Request
from arriero._core.images import ImagePath, loaded
from arriero._core.progress import Headers, Progress, Target, earliest
from arriero.errors import (
    CredentialError,
    ProtocolError,
    RequestError,
)

MAX_REDIRECTS = 5
"""Browsers follow 20; a model server behind a proxy needs one or two."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_NOT_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_BEARER = "Bearer "

T = TypeVar("T")

_OUR_OWN = frozenset({"accept", "user-agent", "content-type"})
"""Headers that may follow a redirect to another origin: they hold nothing of the user's."""


def prepared(call: Call[Any], progress: Progress) -> Operation[None]:
    """Make the request's body: once, as an open file can be read only once."""
    if not progress.is_prepared:
        progress.content = yield from _content(call)
        progress.is_prepared = True


def _content(call: Call[Any]) -> Operation[bytes | FileBody | None]:
    return encoded((yield from images_loaded(call)))


def images_loaded(call: Call[T]) -> Operation[Call[T]]:
    """Read the images of a call into its body."""
    for slot in call.slots:
        try:
            data = yield LoadImage(slot.source)
        except OSError as cause:
            slot.images[slot.index] = _text_instead(slot.source, cause)
        else:
            if not data:
                raise RequestError(_nothing_in(slot.source))
            slot.images[slot.index] = loaded(data)
    return msgspec.structs.replace(call, slots=()) if call.slots else call


def encoded(call: Call[Any]) -> bytes | FileBody | None:
    """Give the body of a request.

    Raises:
        RequestError: an argument is nothing that JSON can say.
    """
    if call.body is None:
        return call.content
    try:
        return msgspec.json.encode(call.body)
    except (TypeError, ValueError, OverflowError, RecursionError) as cause:
        raise described(
            RequestError(f"an argument cannot be written as JSON: {cause}"),
            call=call.name,
            host="",
            attempts=0,
        ) from cause


def request_of(call: Call[Any], target: Target, progress: Progress) -> Operation[Request]:
    yield from prepared(call, progress)
    base = call.base or target.base
    progress.url, progress.host = base.join(call.path), origin_of(base.origin)
    authorization = None
    if not _brings_its_own(call, target):
        authorization = yield from _authorization(call, target, progress)
    return Request(
        method=call.method,
        url=progress.url,
        headers=_headers(call, target, progress, authorization),
        body=progress.content,
    )


def _brings_its_own(call: Call[Any], target: Target) -> bool:
    """Tell whether the user's own headers say who asks."""
    mine = () if call.base is not None else (name for name, _ in target.headers)
    return "authorization" in {*mine, *(name.lower() for name in call.headers)}


def _authorization(
    call: Call[Any], target: Target, progress: Progress, refused: str | None = None
) -> Operation[str | None]:
    """Give the value of the header for the origin that comes next, if there is one."""
    origin = progress.host
    if origin not in target.providers:
        return (
            target.authorization if origin == target.base.origin else target.elsewhere.get(origin)
        )
    budgets = progress.timeouts
    until = earliest(target.clock(), budgets.first_token_s, progress.started_s, budgets.total_s)
    try:
        token: str = yield Authorize(origin, refused, until)
    except Fault as fault:
        raise failure(call, target, progress, fault) from fault
    except CredentialError as error:
        described(error, call=call.name, host=origin, attempts=progress.attempts)
        raise
    return f"{_BEARER}{token}"


def renewed_request(
    call: Call[Any], target: Target, progress: Progress, request: Request
) -> Operation[Request | None]:
    """Give the request with a better token than the one refused; None if there is none.

    A 401 means that nothing was done, so any request may be sent again after it.
    """
    refused = dict(request.headers).get("authorization")
    if refused is None or progress.host not in target.providers or _brings_its_own(call, target):
        return None
    token = refused.removeprefix(_BEARER)
    fresh = yield from _authorization(call, target, progress, token)
    if fresh is None or fresh == refused:
        return None
    return _with_authorization(call, request, fresh)


def introduced_request(
    call: Call[Any], target: Target, progress: Progress, request: Request
) -> Operation[Request]:
    """Give the request with what the user gave for the origin a redirect leads to.

    What belongs to the client's own origin does not come back to it: the redirect home is
    the word of somebody else.
    """
    homes = (target.base.origin, (call.base or target.base).origin)
    if progress.host in homes or "authorization" in dict(request.headers):
        return request
    authorization = yield from _authorization(call, target, progress)
    return request if authorization is None else _with_authorization(call, request, authorization)


def _with_authorization(call: Call[Any], request: Request, value: str) -> Request:
    others = [item for item in request.headers if item[0] != "authorization"]
    headers = (*others, ("authorization", value))
    _require_sendable(call, headers)
    return msgspec.structs.replace(request, headers=headers)


def _nothing_in(source: Any) -> str:
    if isinstance(source, ImagePath):
        return f"image {source.path!r} is an empty file"
    return "an image file gave nothing: if it was read before, seek(0) or pass the bytes"


def _text_instead(source: Any, cause: OSError) -> str:
    if isinstance(source, ImagePath):
        if source.text is not None:
            return source.text
        raise RequestError(f"image {source.path!r} cannot be read: {cause.strerror}") from cause
    raise RequestError(f"an image file cannot be read: {cause}") from cause


def _headers(
    call: Call[Any], target: Target, progress: Progress, authorization: str | None
) -> Headers:
    made: dict[str, str] = {
        **progress.headers,
        "accept": "application/x-ndjson" if call.stream else "application/json",
        "user-agent": target.user_agent,
    }
    if call.body is not None:
        made["content-type"] = "application/json"
    if authorization is not None:
        made["authorization"] = authorization
    if call.base is None:
        made.update(target.headers)
    for name, value in call.headers.items():
        made[name.lower()] = value
    headers = tuple(made.items())
    _require_sendable(call, headers)
    return headers


def _require_sendable(call: Call[Any], headers: Headers) -> None:
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or _NOT_IN_HEADER.search(value):
            # The value is not shown: it may be a token with the line feed of its file.
            raise described(
                RequestError(f"header {name!r} holds a control character"),
                call=call.name,
                host="",
                attempts=0,
            )


def redirected_request(
    call: Call[Any],
    target: Target,
    progress: Progress,
    request: Request,
    head: Head,
    redirects: int,
) -> Request:
    """Give the request a redirect asks for: method and body stay, secrets only at home.

    A 303 is the exception, by definition a GET. The `ollama` package turns 301 and 302
    into GET too, which the server refuses.
    """
    try:
        if redirects > MAX_REDIRECTS:
            raise ProtocolError(
                f"more than {MAX_REDIRECTS} redirects, the last to {request.url.partition('?')[0]}"
            )
        try:
            url = redirected(request.url, head.headers["location"])
        except ValueError as cause:
            raise ProtocolError(str(cause)) from cause
    except ProtocolError as error:
        error.phase = "head"
        told(error, call, progress)
        raise
    headers, origin = request.headers, origin_of(url)
    if origin != progress.host:
        headers = tuple(item for item in headers if item[0] in _OUR_OWN)
    progress.url, progress.host = url, origin
    if head.status == 303 and request.method != "HEAD":
        headers = tuple(item for item in headers if item[0] != "content-type")
        return Request("GET", url, headers, None)
    return Request(request.method, url, headers, request.body)
