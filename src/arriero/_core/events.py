"""What can be observed of calls: one frozen record for each event.

Events of one call carry its `id` and come in order, on the thread or task of the call
(`CallEnded` of a stream that nobody closed may come from the garbage collector). Observers
are called synchronously: what they do is in the call's time. What they raise is counted in
``client.statistics().observer_errors`` and otherwise ignored: an observer cannot break a
call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from arriero._core.http import AnswerSource
from arriero._core.policy.breaker import State
from arriero.errors import ArrieroError
from arriero.settings import CallPolicy


class CallStarted(msgspec.Struct, frozen=True):
    """A call began. Nothing was sent or decided yet."""

    id: int
    """Number of the call, unique in the process."""
    call: str
    """Method and path, such as ``POST /api/chat``."""
    host: str
    """Origin, without credentials."""
    model: str
    """As given to the call; empty for calls without one."""
    is_stream: bool
    policy: CallPolicy
    body: Mapping[str, Any] | None
    """The request's JSON: prompts and messages. Not for logs."""
    is_traced: bool = False
    """True if a tracer has put itself around the call, and tells of it on its own."""


class CallAdmitted(msgspec.Struct, frozen=True):
    """A call has left the queue and may be sent."""

    id: int
    waited_s: float


Decision: TypeAlias = Literal["again", "stop", "requeued", "resumed"]
"""What follows a failed try. ``again`` after a wait; ``stop`` raises the error; ``requeued``
after a 503 with an adaptive limit; ``resumed`` sends what had arrived as the beginning of the
answer."""


class TryEnded(msgspec.Struct, frozen=True):
    """One try of a call failed, and it was decided what follows."""

    id: int
    tries: int
    """How many there were, this one included."""
    error: ArrieroError
    decision: Decision
    reason: str
    """Which rule stopped it; empty if it is tried again."""
    wait_s: float


class BreakerChanged(msgspec.Struct, frozen=True):
    """A circuit breaker opened, closed, or lets a probe through."""

    host: str
    model: str
    state: State


class StreamOpened(msgspec.Struct, frozen=True):
    """The head of a stream's answer is there; the caller goes on and asks for records."""

    id: int


class ContentJudged(msgspec.Struct, frozen=True):
    """The content policy did not let a request or an answer pass as it was."""

    id: int
    stage: Literal["before", "after"]
    verdict: Literal["refused", "redacted", "not judged"]
    """``not judged``: its function was broken, and it fails open. A stream tells once, however
    many of its records were redacted."""
    reason: str
    body: Mapping[str, Any] | None
    """The request's JSON as it is sent, if that was redacted. `CallStarted.body` is what the
    caller gave. Not for logs."""


class FirstRecord(msgspec.Struct, frozen=True):
    """The first record of a stream has arrived."""

    id: int
    after_s: float
    """Since the call began, waits included."""


class RecordsArrived(msgspec.Struct, frozen=True):
    """More records of a stream are here, after the first. Only for an `Instrument` that
    `sees_records`."""

    id: int
    count: int
    """Records that arrived in one piece."""
    gap_s: float
    """Since the records before them."""


Outcome: TypeAlias = Literal["ok", "failed", "cancelled"]
"""How a call ended."""


class CallEnded(msgspec.Struct, frozen=True):
    """A call is over; its permit is free again.

    Attributes:
        outcome: ``ok``; ``failed`` with `error`; ``cancelled`` if the caller stopped it, or
            left a stream before its end.
    """

    id: int
    call: str
    host: str
    model: str
    is_stream: bool
    policy: CallPolicy
    outcome: Outcome
    error: ArrieroError | None
    response: Any
    """The answer, accumulated if it was a stream; None if nothing arrived."""
    tries: int
    sends: int
    """Requests sent, redirects and dead pooled connections included."""
    queued_s: float
    """In the queue for a permit."""
    paced_s: float
    """Waiting for the rate limit and between tries."""
    first_record_s: float | None
    """From the beginning to the first record of a stream."""
    spent_s: float
    """From the beginning to the end."""
    records: int
    """Records of a stream that arrived."""
    trail: tuple[str, ...]
    """The decisions on the way, in words."""
    source: AnswerSource = "server"
    """Who gave the answer. ``cache`` and ``shared`` cost no server anything: tokens in
    `response` were counted before."""
    body: Mapping[str, Any] | None = None
    """The request's JSON as it was sent, or would have been. Not for logs."""
    digest: str | None = None
    """Digest of the model; None if it is not known, or nobody wanted it."""
    digest_age_s: float | None = None
    """How long before the end of the call the server named that digest."""
    is_withheld: bool = False
    """True if the content policy did not let the request pass, and nothing was sent: `body` is
    what the caller gave."""


Event: TypeAlias = (
    CallStarted
    | CallAdmitted
    | TryEnded
    | BreakerChanged
    | ContentJudged
    | StreamOpened
    | FirstRecord
    | RecordsArrived
    | CallEnded
)
Observer: TypeAlias = Callable[[Event], None]


class Instrument:
    """An observer that takes part: it may see every piece of a stream, and add headers."""

    sees_records: bool = False
    """True wants `RecordsArrived` too, which reads a clock for each piece of a stream."""

    def __call__(self, event: Event) -> None:
        """Take in an event."""

    def headers(self, id: int) -> Mapping[str, str]:
        """Give headers for the requests of a call, asked for after its `CallStarted`."""
        return {}
