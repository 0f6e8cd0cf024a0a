"""One try of a call, from arguments to answer, as generators over effects.

`opened` is what every try goes through: prepare, send, follow redirects, repeat what was
lost on a stale connection, turn an error answer into an error. It leaves a good answer
open. `exchanged` reads and decodes it; a stream is read by `arriero._core.reading` instead,
without this trampoline. What surrounds the tries is `arriero._core.governed`.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

import msgspec

from arriero._core.calls import Call
from arriero._core.clearance import cleared, require_allowed, require_ours
from arriero._core.completion import is_complete
from arriero._core.effects import Authorize, Drop, LoadImage, Operation, ReadBody, Send
from arriero._core.failures import described, failure, told
from arriero._core.host import Base, origin_of, redirected
from arriero._core.http import AnswerSource, Fault, FileBody, Head, HttpInfo, Request
from arriero._core.images import ImagePath, loaded
from arriero._core.journal import Receipt
from arriero._core.policy.cleartext import Cleartext, complaint, exposes
from arriero._core.policy.concurrency import Permit
from arriero._core.policy.shared_rate import Question
from arriero._core.replies import error_of_reply
from arriero.content import Content
from arriero.errors import (
    ArrieroError,
    CredentialError,
    ParseError,
    ProtocolError,
    RequestError,
    StreamIncomplete,
)
from arriero.settings import CallPolicy, Timeouts
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.models import ListResponse
from arriero.types.record import Record

if TYPE_CHECKING:
    from arriero._core.governor import Governor
    from arriero._core.policy.egress import Guard

T = TypeVar("T")

MAX_REDIRECTS = 5
"""Browsers follow 20; a model server behind a proxy needs one or two."""

MAX_STALE = 3
"""How many stale connections in a row a call gets past before it gives up."""

_UNKNOWN = frozenset({502, 504})
"""Answers of a proxy that does not know whether the server behind it has done the work."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_BEARER = "Bearer "

Headers = tuple[tuple[str, str], ...]


Stage: TypeAlias = Literal["new", "queued", "back", "rates", "asking", "pacing", "go"]
"""Of a call before a try: it needs a permit; waits for it; lost it to a 503 and lines up
again. It takes its turn under the rates; asks for it; waits for it. It may go."""

Provide: TypeAlias = "Callable[[Target, str, Timeouts], Operation[bool]]"


def _ignore(text: str) -> None:
    """Warn nobody."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a client knows of its server; the same for all of its calls."""

    base: Base
    headers: Headers = field(repr=False)
    """For every request; lower-case names."""
    user_agent: str
    timeouts: Timeouts
    clock: Callable[[], float]
    authorization: str | None = field(default=None, repr=False)
    """Value of the header, fixed; only ever sent to `base`."""
    elsewhere: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values of the header for other origins, each only ever sent to its own."""
    providers: frozenset[str] = frozenset()
    """Origins whose tokens are asked for by an effect instead."""
    cleartext: Cleartext = "allow"
    warn_once: Callable[[str], None] = field(default=_ignore, repr=False)
    """Shows a text to the user, unless it was shown before."""
    follow_redirects: bool = True
    max_line_bytes: int = 0
    egress: Guard | None = None
    """Where calls may go; None has no rule."""
    content: Content | None = None
    """What judges requests and answers; None lets all pass."""
    governor: Governor = field(kw_only=True, repr=False)
    """The policies of the client, and their state."""
    provide: Provide | None = field(default=None, kw_only=True, repr=False)
    """Brings a model that a call asks for and the server lacks; True if it is there now."""


class Progress(msgspec.Struct):
    """How far one call has got."""

    id: int
    started_s: float
    timeouts: Timeouts
    policy: CallPolicy
    model: str
    runs_model: bool
    stage: Stage = "new"
    """What it has passed on the way to its next try."""
    content: bytes | FileBody | None = None
    """The request's body, made once for all tries."""
    is_prepared: bool = False
    url: str = ""
    host: str = ""
    attempts: int = 0
    """Requests sent, or tried to be."""
    sent: Headers = ()
    """Of the last of them."""
    until: float | None = None
    """When the whole answer, or the first record, must be here."""
    was_lost: bool = False
    """True if an earlier request may have reached the server without our seeing its answer."""
    permit: Permit | None = None
    circuit: tuple[tuple[str, str], int] | None = None
    """Host and model, and the breaker's number, of a try that is under way."""
    tries: int = 0
    requeued: int = 0
    reserved_tokens: float = 0.0
    queued_s: float = 0.0
    paced_s: float = 0.0
    pace_s: float = 0.0
    """The wait for the rates that is under way."""
    question: Question | None = None
    """What is being asked about the rates that others share."""
    first_record_s: float | None = None
    records: int = 0
    resumed_at: tuple[int, ...] = ()
    trail: list[str] = msgspec.field(default_factory=list[str])
    judged: Call[Any] | None = None
    """What a stream is of, after the content policy."""
    is_withheld: bool = False
    """True while the content policy has not let the request pass."""
    outcome: Literal["ok", "failed", "cancelled"] = "cancelled"
    """``cancelled`` until something else is known."""
    error: ArrieroError | None = None
    is_over: bool = False
    answer: tuple[Head, bytes] | None = None
    """A whole answer as it came."""
    source: AnswerSource = "server"
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """What instruments add to the call's requests."""
    receipt: Receipt | None = None
    """What is left to wait for before the call's record in the journal is safe."""
    named: tuple[str, str, float] | None = None
    """What the server at a host said of the call's model: that host, the digest, and when."""
    is_provided: bool = False
    """True once the model of the call was brought; it is not brought twice."""

    def total_until(self) -> float | None:
        """Give when the whole call must be over."""
        total_s = self.timeouts.total_s
        return None if total_s is None else self.started_s + total_s


_NUMBERS = itertools.count(1)
_NO_POLICY = CallPolicy()


def begun(call: Call[Any], target: Target, policy: CallPolicy | None = None) -> Progress:
    """Start the clock of a call."""
    timeouts = call.timeouts or target.timeouts
    if call.patient and call.timeouts is None:
        timeouts = dataclasses.replace(timeouts, first_token_s=None)
    return Progress(
        next(_NUMBERS),
        target.clock(),
        timeouts,
        policy or _NO_POLICY,
        call.model,
        call.runs_model,
    )


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
    request = yield from _request(call, target, progress)
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
            request = _followed(call, target, progress, request, head, redirects)
            require_allowed(call, target, progress, request.url, came_from=origin)
            request = yield from _introduced(call, target, progress, request)
            continue
        if head.status == 401 and not is_renewed:
            is_renewed = True
            renewed = yield from _renewed(call, target, progress, request)
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


def _request(call: Call[Any], target: Target, progress: Progress) -> Operation[Request]:
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


def _renewed(
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


def _introduced(
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


_OUR_OWN = frozenset({"accept", "user-agent", "content-type"})
"""Headers that may follow a redirect to another origin: they hold nothing of the user's."""


def _followed(
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


def info(head: Head, progress: Progress) -> HttpInfo:
    """Give what is told of an answer."""
    return HttpInfo(head.status, head.headers, progress.url, progress.attempts, progress.resumed_at)


def earliest(
    now: float, part_s: float | None, started: float, total_s: float | None
) -> float | None:
    """Give the earlier of two deadlines; None if neither is set."""
    part = None if part_s is None else now + part_s
    total = None if total_s is None else started + total_s
    if part is None:
        return total
    return part if total is None else min(part, total)
