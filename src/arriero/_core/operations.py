"""One try of a call, from arguments to answer, as generators over effects.

`opened` is what every try goes through: prepare, send, follow redirects, repeat what was
lost on a stale connection, turn an error answer into an error. It leaves a good answer
open. `exchanged` reads and decodes it; a stream is read by `arriero._core.reading` instead,
without this trampoline. What surrounds the tries is `arriero._core.governed`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from arriero._core.calls import Call
from arriero._core.clearance import cleared, require_allowed, require_ours
from arriero._core.completion import is_complete
from arriero._core.effects import Drop, Operation, ReadBody, Send
from arriero._core.failures import described, failure, told
from arriero._core.http import Fault, Head, Request
from arriero._core.policy.cleartext import complaint, exposes
from arriero._core.progress import Progress, Target, begun, earliest, info
from arriero._core.replies import error_of_reply
from arriero._core.requesting import (
    introduced_request,
    redirected_request,
    renewed_request,
    request_of,
)
from arriero.errors import (
    ArrieroError,
    ParseError,
    ProtocolError,
    RequestError,
    StreamIncomplete,
)
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.models import ListResponse
from arriero.types.record import Record

T = TypeVar("T")

MAX_STALE = 3
"""How many stale connections in a row a call gets past before it gives up."""

_UNKNOWN = frozenset({502, 504})
"""Answers of a proxy that does not know whether the server behind it has done the work."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def exchanged(call: Call[T], target: Target, progress: Progress) -> Operation[T]:
    """Make one try and give the whole answer."""
    head = yield from opened(call, target, progress)
    try:
        body = yield ReadBody(progress.until)
    except Fault as fault:
        raise failure(call, target, progress, fault) from fault
    progress.answer = head, body
    try:
        made = made_of(call, head, body)
    except ArrieroError as error:
        error.phase = "body"
        told(error, call, progress)
        raise
    if isinstance(made, Record):
        require_ours(made, call, target, progress)
        cast("dict[str, Any]", made.__dict__)["_http"] = info(head, progress)
    digests = target.governor.digests
    if digests is not None and isinstance(made, ListResponse):
        digests.learn(progress.host, made)  # it need not be asked for again
    return made


def made_of(call: Call[T], head: Head, body: bytes) -> T:
    """Make the answer to a call from what came.

    Raises:
        ArrieroError: it is none, or not whole.
    """
    if call.whole is not None:
        return call.whole(head, body)
    assert call.decoder is not None
    if not body.strip():
        raise ProtocolError(f"status {head.status} with an empty body where JSON was due")
    record = call.decoder.decode(body)
    if not is_complete(record):
        error = StreamIncomplete("the server stopped before the answer was done")
        error.partial = record
        raise error
    if call.parse is not None:
        attach_parsed(call.parse, record)
    return cast("T", record)


def attach_parsed(parse: Callable[[str], Any], record: Record) -> None:
    """Make the object from the answer's text, reachable as ``record.parsed``.

    Raises:
        ParseError: the text does not fit; the record is attached.
    """
    if isinstance(record, ChatResponse):
        text, has_calls = record.message.content or "", bool(record.message.tool_calls)
    elif isinstance(record, GenerateResponse):
        text, has_calls = record.response or "", bool(record.tool_calls)
    else:
        return
    if record.done_reason in ("load", "unload") or (has_calls and not text):
        return
    try:
        parsed = parse(text)
    except ParseError as error:
        error.response = error.partial = record
        raise
    cast("dict[str, Any]", record.__dict__)["_parsed"] = parsed


def opened(call: Call[Any], target: Target, progress: Progress) -> Operation[Head]:
    """Send the request until a good answer is open, and give its head."""
    if target.egress is not None:
        yield from cleared(target.egress, call, target, progress, _aside)
    request = yield from request_of(call, target, progress)
    if target.governor.digests is not None:
        target.governor.digests.changed(call)
    stale = redirects = 0
    is_renewed = False
    while True:
        _guard(call, target, progress, request)
        progress.attempts += 1
        progress.sent = request.headers
        timeouts, now = progress.timeouts, target.clock()
        progress.until = earliest(now, timeouts.first_token_s, progress.started_s, timeouts.total_s)
        try:
            head: Head = yield Send(request, timeouts.connect_s, progress.until)
        except Fault as fault:
            if fault.reused and fault.kind == "lost" and stale < MAX_STALE and call.is_repeatable:
                stale += 1
                progress.was_lost = True
                continue
            progress.was_lost |= fault.kind == "lost"
            raise failure(call, target, progress, fault) from fault
        if head.status in _REDIRECTS and target.follow_redirects and "location" in head.headers:
            yield Drop()
            redirects += 1
            origin = progress.host
            request = redirected_request(call, target, progress, request, head, redirects)
            require_allowed(call, target, progress, request.url, came_from=origin)
            request = yield from introduced_request(call, target, progress, request)
            continue
        if head.status == 401 and not is_renewed:
            is_renewed = True
            renewed = yield from renewed_request(call, target, progress, request)
            if renewed is not None:
                yield Drop()
                request = renewed
                continue
        if call.any_status or 200 <= head.status < 300 or head.status in call.accept_status:
            return head
        if call.repeat == "delete" and progress.was_lost and head.status == 404:
            return head  # the first one worked, its answer was lost
        try:
            body = yield ReadBody(progress.until)
        except Fault:
            body = b""  # the status says more than the loss of its text
        error = error_of_reply(head.status, head.headers, body)
        if head.status in _UNKNOWN and not call.is_repeatable:
            error.retryable = False
        error.phase = "head"
        raise told(error, call, progress)


def _guard(call: Call[Any], target: Target, progress: Progress, request: Request) -> None:
    """See to it that no secret is given away unnoticed."""
    if target.cleartext == "allow" or not exposes(progress.host, request.headers):
        return
    text = complaint(progress.host)
    if target.cleartext == "warn":
        target.warn_once(text)
        return
    error = RequestError(text)
    raise described(error, call=call.name, host=progress.host, attempts=progress.attempts)


def _aside(question: Call[T], target: Target) -> Operation[T]:
    """Ask something on the way of another call, once."""
    return exchanged(question, target, begun(question, target))
