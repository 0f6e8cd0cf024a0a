"""`Target`, what a client knows of its server, and `Progress`, how far one of its calls has got."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from arriero._checks import check_kind
from arriero._core.calls import Call
from arriero._core.effects import Operation
from arriero._core.events import CallEnded, Outcome
from arriero._core.host import Base
from arriero._core.http import AnswerSource, FileBody, Head, HttpInfo
from arriero._core.journal import Receipt
from arriero._core.policy.cleartext import Cleartext
from arriero._core.policy.concurrency import Permit
from arriero._core.policy.shared_rate import Question
from arriero.content import Content
from arriero.errors import (
    ArrieroError,
)
from arriero.settings import CallPolicy, Timeouts

if TYPE_CHECKING:
    from arriero._core.governor import Governor
    from arriero._core.policy.egress import Guard


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
    outcome: Outcome = "cancelled"
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
    unsettled: tuple[Any, float, CallEnded | None] | None = None
    """What is counted and told when that is over: the record with the server's counts, when
    the call ended, and the event."""
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
    """Start the clock of a call.

    Raises:
        RequestError: what governs it is of another kind.
    """
    if call.timeouts is not None:
        check_kind("timeouts", call.timeouts, Timeouts, "a Timeouts, such as Timeouts(total_s=300)")
    if policy is not None:
        check_kind("policy", policy, CallPolicy, "a CallPolicy, such as CallPolicy(tenant='a')")
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


def earliest(
    now: float, part_s: float | None, started: float, total_s: float | None
) -> float | None:
    """Give the earlier of two deadlines; None if neither is set."""
    part = None if part_s is None else now + part_s
    total = None if total_s is None else started + total_s
    if part is None:
        return total
    return part if total is None else min(part, total)


def info(head: Head, progress: Progress) -> HttpInfo:
    """Give what is told of an answer."""
    return HttpInfo(head.status, head.headers, progress.url, progress.attempts, progress.resumed_at)
