"""Reading a stream: bytes in, records out, and no broken answer called a success."""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, TypeVar, cast

from arriero._core.calls import Call
from arriero._core.completion import Tally
from arriero._core.failures import described
from arriero._core.http import Fault, Head, HttpInfo
from arriero._core.ndjson import NdjsonDecoder
from arriero._core.operations import Progress, Target, attach_parsed, failure, info
from arriero.errors import ArrieroError, CallCancelled, ParseError, StreamFailed, StreamIncomplete
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
        "_call",
        "_clock",
        "_decoder",
        "_has_records",
        "_idle_s",
        "_progress",
        "_tally",
        "_target",
        "_total_until",
        "ended",
        "failure",
        "http",
        "ready",
    )

    def __init__(self, call: Call[R], target: Target, progress: Progress, head: Head) -> None:
        assert call.decoder is not None
        assert call.tally is not None
        self._call = call
        self._target = target
        self._progress = progress
        self._decoder: NdjsonDecoder[R] = NdjsonDecoder(
            call.decoder, max_line_bytes=target.max_line_bytes
        )
        self._tally: Tally[R] = call.tally()
        self._add = self._tally.add
        self._clock = target.clock
        self._idle_s = progress.timeouts.idle_s
        total_s = progress.timeouts.total_s
        self._total_until = None if total_s is None else progress.started_s + total_s
        self._has_records = False
        self.ready: deque[R] = deque()
        self.failure: ArrieroError | None = None
        self.ended = False
        self.http: HttpInfo = info(head, progress)

    @property
    def complete(self) -> bool:
        """True once the record that ends the stream was seen."""
        return self._tally.complete

    def until(self) -> float | None:
        """Give when the next record must be here, counted from now."""
        if not self._has_records:
            return self._progress.until
        idle_s, last = GRACE_S if self._tally.complete else self._idle_s, self._total_until
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
        if decoder.failure is not None:
            self._fail(decoder.failure)
            return True
        return bool(records)

    def _take(self, records: list[R]) -> None:
        self._has_records = True
        self._add(records)
        self.ready.extend(records)

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
            self._call, self._target, self._progress, fault, streaming=self._has_records
        )
        if not self._has_records and error.phase == "body":
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
        described(error, call=self._call.name, host=progress.host, attempts=progress.attempts)
        if error.phase == "prepare":
            error.phase = "body"
        error.partial = self._tally.total()
        self.failure = error
        self.ended = True

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return self._tally.text()

    def total(self) -> R | None:
        """Give what has arrived as one record; with ``parsed`` once it is complete.

        Raises:
            ParseError: the answer is complete and does not fit its ``format``.
        """
        total = self._tally.total()
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
