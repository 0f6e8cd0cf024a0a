"""`Witnesses`: who is told of a client's calls, and where they are written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arriero._core.events import (
    CallEnded,
    CallStarted,
    Event,
    FirstRecord,
    Instrument,
    Observer,
    RecordsArrived,
    StreamOpened,
)
from arriero._core.failures import described
from arriero._core.journal import Journal
from arriero.errors import AuditFailed

if TYPE_CHECKING:
    from arriero._core.calls import Call
    from arriero._core.progress import Progress


class Witnesses:
    """See the module.

    Attributes:
        errors: How often one of them raised, which no call notices.
        sees_records: True if somebody wants `records_arrived`.
    """

    def __init__(self, observers: Sequence[Observer], journal: Journal | None) -> None:
        self.errors = 0
        self.journal = journal
        self._observers = tuple(observers)
        self._instruments = tuple(one for one in observers if isinstance(one, Instrument))
        self.sees_records = any(one.sees_records for one in self._instruments)
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a child process."""
        self.errors = 0

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, event: Event) -> None:
        """Show an event to every observer; one that raises is counted and passed over."""
        for observer in self._observers:
            try:
                observer(event)
            except Exception:  # whatever a user's function raises must not end the call
                self.errors += 1

    def admit(self, call: Call[Any], host: str) -> None:
        """Let a call begin.

        Raises:
            AuditFailed: what it comes to could not be written down.
        """
        if self.journal is None:
            return
        try:
            self.journal.check()
        except AuditFailed as error:
            described(error, call=call.name, host=host, attempts=0)
            raise

    def began(self, call: Call[Any], progress: Progress, host: str) -> None:
        """Take in that a call begins; instruments may give it headers."""
        if not self._observers:
            return
        about = (call.name, host, progress.model, call.stream, progress.policy)
        self.tell(CallStarted(progress.id, *about, call.body, call.is_traced))
        for instrument in self._instruments:
            try:
                headers = instrument.headers(progress.id)
            except Exception:  # as in `tell`
                self.errors += 1
            else:
                progress.headers = {**progress.headers, **headers}

    def opened(self, progress: Progress) -> None:
        """Take in that a stream is open."""
        if self._observers:
            self.tell(StreamOpened(progress.id))

    def first_record(self, progress: Progress, after_s: float) -> None:
        """Take in the first record of a stream."""
        if self._observers:
            self.tell(FirstRecord(progress.id, after_s))

    def records_arrived(self, progress: Progress, count: int, gap_s: float) -> None:
        """Take in that more records of a stream are here."""
        event = RecordsArrived(progress.id, count, gap_s)
        for instrument in self._instruments:
            if instrument.sees_records:
                try:
                    instrument(event)
                except Exception:  # as in `tell`
                    self.errors += 1

    def written(
        self, call: Call[Any], progress: Progress, total: Callable[[], Any], now_s: float
    ) -> CallEnded | None:
        """Write down that a call is over, and give what is told of it; None if nobody asks."""
        if not self._observers and self.journal is None:
            return None
        event = self._end_of(call, progress, total(), now_s)
        if self.journal is not None:
            progress.receipt = self.journal.write(event)
        return event

    def refused(self, call: Call[Any], progress: Progress, now_s: float) -> None:
        """Take in that a call was not let begin; that it was is told of already."""
        if self._observers:
            self.tell(self._end_of(call, progress, None, now_s))

    def _end_of(
        self, call: Call[Any], progress: Progress, response: Any, now_s: float
    ) -> CallEnded:
        host, named, seen_s = progress.named or ("", "", 0.0)
        digest, age_s = None, None
        if named and host == progress.host:
            digest, age_s = f"sha256:{named}", now_s - seen_s
        # By position: to find twenty names takes five times as long.
        return CallEnded(
            progress.id,
            call.name,
            progress.host,
            progress.model,
            call.stream,
            progress.policy,
            progress.outcome,
            progress.error,
            response,
            progress.tries,
            progress.attempts,
            progress.queued_s,
            progress.paced_s,
            progress.first_record_s,
            now_s - progress.started_s,
            progress.records,
            tuple(progress.trail),
            progress.source,
            call.body,
            digest,
            age_s,
            progress.is_withheld,
        )
