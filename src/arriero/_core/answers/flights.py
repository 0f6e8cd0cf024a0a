"""Calls that are under way, and who waits for their answers.

There is no lock: every step is one operation on a dict, which threads cannot interrupt, and
a call may be dropped by the garbage collector at any point. A flight ends once. Whoever
finds it over without an answer asks again, and the first to do so leads the next flight.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from arriero._core.effects import Operation, Wait
from arriero._core.ticket import Ticket
from arriero.errors import (
    ArrieroError,
    CallCancelled,
    CredentialError,
    DeadlineExceeded,
    ParseError,
    PolicyError,
    RequestError,
    StatusError,
)
from arriero.settings import Retry

T = TypeVar("T")


class Flight(Generic[T]):
    """One call that others wait for.

    Attributes:
        answer: What it brought; None if it brought none.
        error: What it failed with.
        retry: How it would have been tried again.
        is_over: True once nothing more will come of it.
    """

    __slots__ = ("_waiting", "answer", "error", "is_over", "retry")

    def __init__(self) -> None:
        self.answer: T | None = None
        self.error: ArrieroError | None = None
        self.retry: Retry | None = None
        self.is_over = False
        self._waiting: dict[Ticket, None] = {}

    def wait(self) -> Ticket:
        """Give a ticket that is ready when the flight is over."""
        ticket = Ticket()
        self._waiting[ticket] = None
        if self.is_over:  # it may have ended between the two
            ticket.ready()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Take back a ticket."""
        self._waiting.pop(ticket, None)

    def end(self) -> None:
        """Wake everyone."""
        self.is_over = True
        while self._waiting:
            try:
                ticket, _ = self._waiting.popitem()
            except KeyError:  # the last one left in this moment
                return
            ticket.ready()


class Flights:
    """The flights of one client, by key."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[str, Flight[Any]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, key: str) -> tuple[Flight[Any], bool]:
        """Give the flight for `key`, and whether it is the caller's to lead.

        Who leads must call `end`, whatever happens.
        """
        mine = Flight[Any]()
        flight = self._flights.setdefault(key, mine)
        return flight, flight is mine

    def end(self, key: str, flight: Flight[Any]) -> None:
        """End a flight: the next call with this key begins another."""
        if self._flights.get(key) is flight:
            del self._flights[key]
        flight.end()


def landing(flight: Flight[Any], until: float | None) -> Operation[None]:
    """Wait until a flight is over, or the time is."""
    ticket = flight.wait()
    try:
        if not ticket.is_ready:
            yield Wait(ticket, until)
    finally:
        flight.leave(ticket)


def is_for_all(error: ArrieroError, *, is_same_retry: bool) -> bool:
    """Tell whether a leader's error would have been that of who waits for it, too.

    What the server says of the request is. What became of the connection, or of the server,
    is if both would have tried as often. The leader's own budgets, place in the queue and
    cancellation are its own.
    """
    if isinstance(error, _OWN):
        return False
    if isinstance(error, StatusError) and error.status_code < 500 and not error.retryable:
        return True
    return is_same_retry


_OWN = (
    CallCancelled,
    CredentialError,
    DeadlineExceeded,
    ParseError,
    PolicyError,
    RequestError,
)
