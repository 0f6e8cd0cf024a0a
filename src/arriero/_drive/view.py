"""What can be told of a stream, which is the same in both colours."""

from __future__ import annotations

from typing import Generic, TypeVar

from arriero._core.calls import Call
from arriero._core.http import HttpInfo
from arriero._core.reading import Reading
from arriero.types.record import Record

R = TypeVar("R", bound=Record)


class StreamView(Generic[R]):
    """A stream as far as it has arrived; how it is read is its subclass's."""

    __slots__ = ("_call", "_closed", "_reading")

    def __init__(self, call: Call[R]) -> None:
        self._call = call
        self._closed = False
        self._reading: Reading[R] | None = None

    def __repr__(self) -> str:
        reading = self._reading
        state = "not sent" if reading is None else "ended" if reading.ended else "open"
        if self._closed:
            state = "closed"
        return f"<{type(self).__name__} of {self._call.name}: {state}>"

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
