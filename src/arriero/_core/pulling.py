"""One pull from beginning to end: progress, stalls, and what is worth another try.

Source: Ollama v0.33.0-rc2, server/images.go PullModel and server/download.go; the texts are
those of its stream. A pull resumes, so repeating one does no harm.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from arriero._core.api.models import pull
from arriero._core.effects import Drop, Operation, ReadPart, Sleep
from arriero._core.failures import described
from arriero._core.governed import streamed
from arriero._core.http import Fault
from arriero._core.progress import Progress, Target, begun
from arriero._core.reading import Reading
from arriero.errors import (
    AccessDenied,
    ArrieroError,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    DiskFull,
    ModelNotFound,
    RateLimited,
    ResponseError,
    ServerError,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import CallPolicy, Retry, Timeouts
from arriero.types.ensured import PullPolicy
from arriero.types.models import ProgressResponse

OnProgress = Callable[[ProgressResponse], object]

_FULL = ("no space left on device", "not enough space on the disk", "disk quota exceeded")
_DENIED = re.compile(r"unauthorized|access denied|id_ed25519|pull model manifest: 40[13]\b")
_MISSING = re.compile(r"pull model manifest: (?:file does not exist|404\b)")
_FINAL = re.compile(
    r"invalid model name|pull model manifest: 4(?!08|29)\d\d\b|requires MLX|newer version of Ollama"
    r"|realm host|cloud is disabled|digest is empty"
)
"""What another try would only meet again."""


_ONE_TRY = Retry(attempts=1)
"""What is tried again is decided here, by what a pull brings."""

_SLOWEST_HASHING = 20e6
"""Bytes a second that a slow disk reads."""


class Advance:
    """How far a pull has got, over all of its tries.

    Attributes:
        missing_bytes: What the layers seen so far still lack.
        moved_s: When the last new byte came.
    """

    def __init__(self, now_s: float) -> None:
        self.moved_s = now_s
        self._done: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._status = ""
        self.has_moved = False

    @property
    def missing_bytes(self) -> int:
        """Bytes that the layers seen so far still lack."""
        return sum(total - self._done.get(digest, 0) for digest, total in self._totals.items())

    def take(self, record: ProgressResponse, now_s: float) -> None:
        """Take in a record. The server repeats them whether or not bytes come."""
        digest, completed = record.digest or "", record.completed or 0
        if record.total:
            self._totals[digest] = record.total
        grew = completed > self._done.get(digest, 0)
        if grew:
            self._done[digest] = completed
            self.has_moved = True
        if grew or record.status != self._status:
            self._status, self.moved_s = record.status or "", now_s

    def stalls_at(self, stall_s: float | None) -> float | None:
        """Give when the pull counts as stalled if no byte comes until then.

        While the server hashes what it has, it is silent for as long as that takes.
        """
        if stall_s is None:
            return None
        hashing_s = 0.0
        if self._status.startswith("verifying"):
            hashing_s = sum(self._totals.values()) / _SLOWEST_HASHING
        return self.moved_s + stall_s + hashing_s


def pulled(
    target: Target,
    model: str,
    *,
    insecure: bool | None = None,
    pull_policy: PullPolicy | None = None,
    on_progress: OnProgress | None = None,
    timeouts: Timeouts | None = None,
    policy: CallPolicy | None = None,
) -> Operation[int]:
    """Pull a model until it is there, and give how often the pull was sent.

    Raises:
        ModelNotFound, AccessDenied, DiskFull: at once; another try would meet them again.
        DeadlineExceeded: no byte came for `stall_s` in any try; or `total_s` ran out.
        ArrieroError: the last failure of so many fruitless tries.
    """
    pull_policy = pull_policy or PullPolicy()
    one_try = dataclasses.replace(policy or CallPolicy(), retry=_ONE_TRY)
    # The server may rightly be silent for minutes; what a stall is, `advance` knows better.
    budgets = dataclasses.replace(timeouts or target.timeouts, idle_s=None)
    advance = Advance(target.clock())
    sent = failures = 0
    started_s = target.clock()
    while True:
        advance.has_moved, advance.moved_s = False, target.clock()
        call = pull(model, insecure=insecure, stream=True, timeouts=budgets)
        progress = begun(call, target, one_try)
        progress.started_s = started_s  # `total_s` counts over all tries
        sent += 1
        try:
            yield from _once(call, target, progress, advance, pull_policy.stall_s, on_progress)
        except ArrieroError as error:
            reason = reason_of(error, model, advance)
            failures = 1 if advance.has_moved else failures + 1
            if not is_passing(reason) or failures >= pull_policy.attempts:
                raise _told(reason, error, progress, sent) from error.__cause__
        else:
            if target.governor.digests is not None:
                target.governor.digests.changed(call)
            return sent
        wait_s = pull_policy.wait_s(failures)
        if on_progress is not None:
            on_progress(_again(reason, wait_s, failures + 1, pull_policy.attempts))
        yield Sleep(wait_s)


def _again(reason: ArrieroError, wait_s: float, attempt: int, attempts: int) -> ProgressResponse:
    """Give the step that says why nothing happens for a while."""
    if isinstance(reason, ResponseError):
        why = reason.error
    else:
        why = str(reason.args[0]) if isinstance(reason, ConnectFailed) else str(reason)
    status = f"retrying in {wait_s:.1f} s: {why}, attempt {attempt} of {attempts}"
    told = ProgressResponse(status=status)
    told["retry"] = {"wait_s": wait_s, "reason": why, "attempt": attempt, "attempts": attempts}
    return told


def _told(reason: ArrieroError, error: ArrieroError, progress: Progress, sent: int) -> ArrieroError:
    if reason is not error:
        reason.phase, reason.partial = error.phase, error.partial
    return described(reason, call="POST /api/pull", host=progress.host, attempts=sent)


def _once(
    call: Any,
    target: Target,
    progress: Progress,
    advance: Advance,
    stall_s: float | None,
    on_progress: OnProgress | None,
) -> Operation[None]:
    head = yield from streamed(call, target, progress)
    reading: Reading[ProgressResponse] = Reading(call, target, progress, head)
    try:
        yield from _read(reading, target, advance, stall_s, on_progress)
    finally:
        reading.over()
    if reading.failure is not None:
        raise reading.failure


def _read(
    reading: Reading[ProgressResponse],
    target: Target,
    advance: Advance,
    stall_s: float | None,
    on_progress: OnProgress | None,
) -> Operation[None]:
    is_open = True
    while not reading.ended:
        until = _earlier(reading.until(), advance.stalls_at(stall_s))
        try:
            data = yield ReadPart(until)
        except Fault as fault:
            if fault.kind == "timeout" and _is_late(target, advance, stall_s):
                raise _stalled(stall_s) from fault
            reading.fault(fault)
            return
        if data:
            reading.feed(data)
        else:
            is_open = False
            reading.end()
        while reading.ready:
            record = reading.ready.popleft()
            advance.take(record, target.clock())
            if on_progress is not None:
                on_progress(record)
        if is_open and not reading.ended and _is_late(target, advance, stall_s):
            yield Drop()
            raise _stalled(stall_s)
    if is_open:
        yield Drop()


def _is_late(target: Target, advance: Advance, stall_s: float | None) -> bool:
    at = advance.stalls_at(stall_s)
    # A transport's own clock may run a little ahead of ours.
    return at is not None and target.clock() >= at - 0.005


def _stalled(stall_s: float | None) -> DeadlineExceeded:
    error = DeadlineExceeded("stall_s", stall_s or 0.0)
    error.phase = "body"
    error.retryable = True
    return error


def _earlier(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def reason_of(error: ArrieroError, model: str, advance: Advance) -> ArrieroError:
    """Give the error a caller can act on: that of the registry, as the server tells it."""
    if not isinstance(error, StreamFailed | ServerError):
        return _of_the_server(error) if isinstance(error, AccessDenied) else error
    text = error.error
    if _MISSING.search(text):
        return ModelNotFound(f"model '{model}' not found: the registry has no such model", 404)
    if any(part in text.lower() for part in _FULL):
        return DiskFull(model, advance.missing_bytes or None)
    if _DENIED.search(text):
        return AccessDenied(
            f"the registry refuses {model!r}: {text}; register the server's public key"
            " (id_ed25519.pub in .ollama of the user that runs it) at ollama.com, or mend the"
            " name",
            401,
        )
    return error


def _of_the_server(error: AccessDenied) -> AccessDenied:
    """Name the setting that opens the server itself."""
    if "auth=" in error.error:
        return error
    told = AccessDenied(
        f"{error.error}; the server, or a proxy before it, wants credentials: set auth= of the"
        " client",
        error.status_code,
    )
    told.headers, told.body, told.signin_url = error.headers, error.body, error.signin_url
    return told


def is_passing(error: ArrieroError) -> bool:
    """Tell whether another try may go better."""
    match error:
        case DeadlineExceeded():
            return error.budget != "total_s"
        case StreamFailed() | ServerError():
            return not _FINAL.search(error.error)
        case ConnectFailed() | ConnectionLost() | StreamIncomplete() | RateLimited():
            return True
        case _:
            return False
