"""What can be told of a stream, which is the same in both colours."""

from __future__ import annotations

from typing import Generic, TypeVar

from arriero._core.calls import Call
from arriero._core.effects import Operation
from arriero._core.http import HttpInfo
from arriero._core.keeping import kept
from arriero._core.progress import Progress, Target
from arriero._core.reading import Reading
from arriero.errors import AuditFailed
from arriero.settings import CallPolicy
from arriero.types.record import Record

R = TypeVar("R", bound=Record)


class StreamView(Generic[R]):
    """A stream as far as it has arrived; how it is read is its subclass's."""

    __slots__ = ("_call", "_closed", "_policy", "_progress", "_reading", "_target")

    def __init__(self, call: Call[R], target: Target, policy: CallPolicy | None) -> None:
        self._call = call
        self._policy = policy
        self._target = target
        self._closed = False
        self._reading: Reading[R] | None = None
        self._progress: Progress | None = None
        """Set while the stream is opened, so that its call can be ended from outside."""

    def __repr__(self) -> str:
        reading = self._reading
        state = "not sent" if reading is None else "ended" if reading.ended else "open"
        if self._closed:
            state = "closed"
        return f"<{type(self).__name__} of {self._call.name}: {state}>"

    def _over(self) -> None:
        """End the call, if it was begun: its permit is free, observers are told."""
        if self._reading is not None:
            self._reading.over()
        elif self._progress is not None:
            self._target.governor.ended(self._call, self._progress, None, lambda: None)

    def _dropped(self) -> None:
        """The same where nobody waits for the record of the call any more."""
        self._over()
        if self._progress is not None:
            self._target.governor.settled(self._progress)

    def _kept(self) -> Operation[None] | None:
        """Give what waits until the record of the call is safe; None if nothing has to."""
        progress, reading = self._progress, self._reading
        if progress is None or progress.receipt is None:
            return None
        arrived = None if reading is None else reading.arrived()
        return kept(self._call, self._target, progress, arrived)

    def _unkept(self, error: AuditFailed) -> None:
        if self._reading is not None:
            self._reading.unkept(error)

    @property
    def response(self) -> R | None:
        """What has arrived so far as one record, with ``parsed`` once it is complete.

        None before the first record.

        Raises:
            ParseError: the answer is complete and does not fit its ``format``.
        """
        return None if self._reading is None else self._reading.total()

    @property
    def text(self) -> str:
        """The answer's text that has arrived; may be ahead of the record in hand."""
        return "" if self._reading is None else self._reading.text

    @property
    def complete(self) -> bool:
        """True once the record that ends the stream has arrived."""
        return self._reading is not None and self._reading.complete

    @property
    def http(self) -> HttpInfo | None:
        """Status and headers of the answer; None before it was opened."""
        return None if self._reading is None else self._reading.http
