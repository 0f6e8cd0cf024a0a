"""Reading a stream: bytes in, records out, and no broken answer called a success."""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar, cast

from arriero._core.calls import Call
from arriero._core.clearance import require_ours
from arriero._core.completion import Tally
from arriero._core.continuation import continued, is_cut, without_beginning
from arriero._core.effects import Operation
from arriero._core.failures import described, failure, told
from arriero._core.governed import failed, tried_again
from arriero._core.http import Fault, Head, HttpInfo
from arriero._core.judging import StreamJudge, is_judged
from arriero._core.ndjson import NdjsonDecoder
from arriero._core.operations import attach_parsed
from arriero._core.progress import Progress, Target, info
from arriero.errors import (
    ArrieroError,
    AuditFailed,
    CallCancelled,
    EgressDenied,
    ParseError,
    StreamFailed,
    StreamIncomplete,
)
from arriero.types.record import Record

R = TypeVar("R", bound=Record)

GRACE_S = 1.0
"""How long the end of a complete stream is waited for, to keep its connection."""


class Reading(Generic[R]):
    """State of one open stream.

    Attributes:
        ready: Records that have arrived and were not yet given to the caller.
        failure: What ended the stream; raised after `ready` is empty.
        ended: True once nothing more will come.
        http: Status and headers of the answer.
    """

    __slots__ = (
        "_add",
        "_beginning",
        "_call",
        "_clock",
        "_cut",
        "_decoder",
        "_has_records",
        "_judge",
        "_idle_s",
        "_is_first",
        "_last_s",
        "_progress",
        "_shown",
        "_tally",
        "_target",
        "_total_until",
        "_unjudged",
        "ended",
        "failure",
        "http",
        "ready",
    )

    def __init__(self, call: Call[R], target: Target, progress: Progress, head: Head) -> None:
        call = progress.judged or call
        assert call.tally is not None
        self._call = call
        self._target = target
        self._progress = progress
        self._decoder = self._new_decoder()
        self._tally: Tally[R] = call.tally()
        self._add = self._tally.add
        has_judge = target.content is not None and target.content.after is not None
        self._judge = StreamJudge(call, target, progress) if has_judge and is_judged(call) else None
        self._shown = self._tally if self._judge is None else call.tally()
        self._unjudged: list[R] = []
        self._clock = target.clock
        self._idle_s = progress.timeouts.idle_s
        self._total_until = progress.total_until()
        self._has_records = False
        self._is_first = True
        self._last_s: float | None = None
        """When records last arrived; None if nobody wants to know."""
        self._cut: ArrieroError | None = None
        self._beginning = ""
        self.ready: deque[R] = deque()
        self.failure: ArrieroError | None = None
        self.ended = False
        self.http: HttpInfo = info(head, progress)

    def _new_decoder(self) -> NdjsonDecoder[R]:
        assert self._call.decoder is not None
        return NdjsonDecoder(self._call.decoder, max_line_bytes=self._target.max_line_bytes)

    @property
    def complete(self) -> bool:
        """True once the record that ends the stream was seen."""
        return self._tally.complete

    def until(self) -> float | None:
        """Give when the next record must be here, counted from now."""
        if self._is_first:
            return self._progress.until
        idle_s = GRACE_S if self._tally.complete else self._idle_s
        last = self._total_until
        if idle_s is None:
            return last
        until = self._clock() + idle_s
        return until if last is None or until < last else last

    def feed(self, data: bytes) -> bool:
        """Take in bytes; True if the caller need not wait for more."""
        decoder = self._decoder
        records = decoder.feed(data)
        if records:
            self._take(records)
        if decoder.failure is not None and self.failure is None:
            self._fail(decoder.failure)
        return bool(records) or self.failure is not None

    def _take(self, records: list[R]) -> None:
        if self._is_first:
            try:
                require_ours(records[0], self._call, self._target, self._progress)
            except EgressDenied as error:
                self._fail(error)
                return
            self._is_first, self._has_records = False, True
            self._target.governor.first_record(self._progress)
            if self._beginning and not self._goes_on(records):
                return
            if self._target.governor.witnesses.sees_records:
                self._last_s = self._clock()
        elif self._last_s is not None:
            self._tell_gap(len(records), self._last_s)
        self._progress.records += len(records)
        self._add(records)
        if self._judge is None:
            self.ready.extend(records)
        else:
            self._unjudged += records

    @property
    def must_judge(self) -> bool:
        """True if records wait for `judged` to be run: before `failure` is looked at."""
        judge = self._judge
        return judge is not None and bool(self._unjudged) and (not judge.hold or self.complete)

    def judged(self) -> Operation[None]:
        """Have the records that wait judged, and make ready what may be given."""
        judge, records, self._unjudged = self._judge, self._unjudged, []
        assert judge is not None
        try:
            if judge.hold:
                self.ready.extend((yield from judge.whole(records, self._tally, self._shown)))
            else:
                for record in records:
                    is_last = self.complete and record is records[-1]
                    self.ready.extend(
                        (yield from judge.record(record, self._shown, is_last=is_last))
                    )
        except ArrieroError as error:
            self._fail(error)
        if self.failure is not None:
            self.failure.partial = self._shown.total()

    def _tell_gap(self, count: int, last_s: float) -> None:
        self._last_s = now_s = self._clock()
        witnesses = self._target.governor.witnesses
        witnesses.records_arrived(self._progress, count, now_s - last_s)

    def _goes_on(self, records: list[R]) -> bool:
        """Cut what a continued answer repeats; False if it is another answer."""
        first = without_beginning(records[0], self._beginning)
        if first is None:
            assert self._cut is not None
            self._fail(self._cut)
            return False
        records[0] = first
        self._beginning = ""
        return True

    def end(self) -> None:
        """Take in the end of the body."""
        held = self._decoder.held_bytes
        records = self._decoder.end()
        if records:
            self._take(records)
        error = self._decoder.failure
        if error is None and not self._tally.needs_last:
            self._tally.complete = True
        if isinstance(error, StreamFailed):
            self._fail(error)
        elif not self.complete:
            inside = f", inside a line of {held} bytes" if error is not None else ""
            self._fail(StreamIncomplete(f"the stream ended before it was done{inside}"))
        self.ended = True

    def fault(self, fault: Fault) -> None:
        """Take in a fault of the transport."""
        if self.complete:  # all there is has arrived; only the connection is lost
            self.ended = True
            return
        error = failure(
            self._call, self._target, self._progress, fault, streaming=not self._is_first
        )
        if self._is_first and error.phase == "body":
            error.phase = "first_token"
        error.__cause__ = fault
        self._fail(error)

    def cancelled(self) -> None:
        """Take in that the caller wants no more."""
        if not self.ended:
            error = CallCancelled("cancelled")
            error.phase = "body"
            self._fail(error)

    def _fail(self, error: ArrieroError) -> None:
        progress = self._progress
        told(error, self._call, progress)
        if error.phase == "prepare":
            error.phase = "body"
        error.partial = self._shown.total()
        self.failure = error
        self.ended = True

    def again(self) -> Operation[Head] | None:
        """Give what may open the stream once more after its failure; None if nothing may.

        The operation gives a head for `reopened`, or raises what ends the stream for good.
        """
        error = self.failure
        if error is None or error is self._cut or isinstance(error, CallCancelled):
            return None
        progress, call = self._progress, self._call
        retry = progress.policy.retry or self._target.governor.retry
        if not self._has_records:
            if retry.attempts > 1:
                return tried_again(call, self._target, progress, error, is_resumed=False)
            return None
        if not (retry.continue_stream and is_cut(error)):
            return None
        rest = continued(call, self._tally.total())
        if rest is None:
            return None
        call, self._beginning = rest
        self._cut, progress.is_prepared = error, False
        return tried_again(call, self._target, progress, error, is_resumed=True)

    def reopened(self, head: Head) -> None:
        """Go on with another answer; what had arrived is kept."""
        progress = self._progress
        if self._has_records:
            progress.resumed_at += (len(self._tally.text()),)
        self.failure, self.ended, self._is_first = None, False, True
        progress.error, progress.outcome = None, "cancelled"
        self._decoder = self._new_decoder()
        self.http = info(head, progress)

    def gave_up(self, error: ArrieroError) -> None:
        """Take in what ended the attempts to open it again."""
        error.partial = self._shown.total()
        self.failure = error

    def over(self) -> None:
        """Take in that nobody will read on. A second time does nothing."""
        progress, tally = self._progress, self._tally
        if self.failure is not None:
            failed(progress, self.failure)
        elif tally.complete:
            progress.outcome = "ok"
        self._target.governor.ended(self._call, progress, tally.last, self._shown.total)

    def unkept(self, error: AuditFailed) -> None:
        """Take in that the call could not be written down: its caller must hear of it."""
        if self.failure is None:
            self.failure = error
        else:
            self.failure.add_note(f"and it is not in the audit log: {error.reason}")

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return self._shown.text()

    def arrived(self) -> R | None:
        """Give what has arrived as one record, as observers see it."""
        return self._shown.total()

    def total(self) -> R | None:
        """Give what has arrived as one record; with ``parsed`` once it is complete.

        Raises:
            ParseError: the answer is complete and does not fit its ``format``.
        """
        total = self._shown.total()
        if total is None:
            return None
        total = total.model_copy()
        cast("dict[str, Any]", total.__dict__)["_http"] = self.http
        if self.complete and self._call.parse is not None:
            try:
                attach_parsed(self._call.parse, total)
            except ParseError as error:
                progress = self._progress
                described(
                    error, call=self._call.name, host=progress.host, attempts=progress.attempts
                )
                raise
        return total
