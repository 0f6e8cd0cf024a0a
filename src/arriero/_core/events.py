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


class FirstRecord(msgspec.Struct, frozen=True):
    """The first record of a stream has arrived."""

    id: int
    after_s: float
    """Since the call began, waits included."""


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
    outcome: Literal["ok", "failed", "cancelled"]
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


Event: TypeAlias = CallStarted | CallAdmitted | TryEnded | BreakerChanged | FirstRecord | CallEnded
Observer: TypeAlias = Callable[[Event], None]
