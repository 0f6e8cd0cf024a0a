"""Tokens for every caller of a client: asked for once, by whoever comes first.

`arriero._core.policy.credentials` decides; here are the lock, the waiting, and the thread that
fetches. `token_tasks` has the same for tasks. A `Source` serves threads and event loops at once.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, TypeAlias

from arriero._core.http import Fault
from arriero._core.policy.credentials import (
    Decision,
    Fail,
    Failure,
    Refresh,
    TokenState,
    Use,
    token_from,
)
from arriero._transport.fork import forget_after_fork
from arriero._transport.notice import warn_of
from arriero.errors import CredentialError
from arriero.identity import Token


@dataclass(frozen=True, slots=True)
class Provider:
    """Where tokens come from."""

    name: str
    """As errors call it."""
    ask: Callable[[], Any] = field(repr=False)
    """Gives a `Token`, a plain text, or a `Failure`; or something to await that does."""
    is_shared: bool | None = None
    """True if it gives a `Token` for all callers, False if a text for one request; None if
    that is not known before it has been asked."""
    is_quick: bool = False
    """True if asking does not block."""


@dataclass(frozen=True, slots=True)
class _Mine:
    """A token for one request, that of the caller who asked."""

    token: str = field(repr=False)


Outcome: TypeAlias = str | Failure | _Mine | None
"""How a fetch ended: a token for everyone, a failure, a token that is not to be shared, or
given up because its caller was cancelled."""

Flight: TypeAlias = "Future[Outcome]"

ABANDONED: Final = object()
"""What `Source.land` is told of a fetch that ended without a result."""


class Source:
    """A provider, and what is known of its token.

    Attributes:
        provider: What it is made of.
        is_shared: As `Provider.is_shared`, as far as is known by now.
        is_async: True if what `ask` gives must be awaited.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.is_async = _is_async(provider.ask)
        self.is_shared = provider.is_shared
        if not self.is_async and _says_token(provider.ask):
            self.is_shared = True
        self._state = TokenState()
        self._flight: Flight | None = None
        self._began_s = 0.0
        self._told: Failure | None = None
        self._lock = threading.Lock()
        forget_after_fork(self)

    def forget(self) -> None:
        """In a child after a fork: whoever was fetching is not here."""
        self._lock = threading.Lock()
        self._flight = None
        self._state.abandoned()

    def token(self, refused: str | None, until: float | None) -> str:
        """Give a token to the calling thread.

        Args:
            refused: See `Authorize`.
            until: When to give up waiting. A callable that may give a text is asked in this
                thread, as it may depend on who is asking, and cannot be interrupted.

        Raises:
            CredentialError: there is none to be had.
            Fault: ``timeout``, in phase ``prepare``.
        """
        while self.is_shared is not False:
            decision, flight = self.next(refused)
            if isinstance(decision, Use):
                if flight is not None:
                    self.fetch_behind(flight)
                return decision.token
            assert flight is not None
            if isinstance(decision, Refresh):
                if self.is_shared:
                    self.fetch_behind(flight)
                else:
                    self._fetch(flight)
            token = self.landed(_awaited(flight, until), refused, decision)
            if token is not None:
                return token
        return self.alone(self._asked())

    def asked(self) -> object:
        """Ask, in this thread; give a `Failure` if that raises."""
        try:
            return self.provider.ask()
        except Exception as cause:
            return failure_of(cause)

    def _asked(self) -> object:
        given = self.asked()
        if inspect.iscoroutine(given):
            given.close()
        return given

    def _fetch(self, flight: Flight) -> None:
        given: object = ABANDONED
        try:
            given = self._asked()
        finally:  # Ctrl-C too: others wait for this
            self.land(flight, given)

    def fetch_behind(self, flight: Flight) -> None:
        thread = threading.Thread(
            target=self._fetch, args=(flight,), name="arriero-token", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # there are no more, or the interpreter is ending
            self._fetch(flight)

    def next(self, refused: str | None) -> tuple[Decision, Flight | None]:
        """Give what to do, and the fetch to begin or to wait for.

        Raises:
            CredentialError: fetching has failed several times just now.
        """
        self._warn(refused)
        with self._lock:
            now_s = monotonic()
            decision = self._state.decide(now_s, refused)
            flight = self._flight
            if isinstance(decision, Refresh) or (isinstance(decision, Use) and decision.refresh):
                self._state.began(now_s, refused)
                fresh: Flight = Future()
                self._flight = flight = fresh
                flight.set_running_or_notify_cancel()  # who waits for it cannot cancel it
                self._began_s = now_s
            elif isinstance(decision, Use):
                flight = None
        if isinstance(decision, Fail):
            raise self._error(decision.failure)
        return decision, flight

    def _warn(self, refused: str | None) -> None:
        """Tell once that an old token is in use; before a fetch begins, as this may raise."""
        failure = self._state.failure
        if failure is None or failure is self._told:
            return
        if isinstance(self._state.decide(monotonic(), refused), Use):
            self._told = failure
            warn_of(
                f"auth: no new token from {self.provider.name}: {failure.reason};"
                " the old one is used until it ends"
            )

    def land(self, flight: Flight, given: object) -> None:
        """Note what a fetch gave, and wake those who wait for it."""
        outcome: Outcome
        checked = None if given is ABANDONED else token_from(given)
        with self._lock:
            if isinstance(checked, Token):
                self.is_shared, outcome = True, checked.value
                self._state.gave(checked, self._began_s)
            elif isinstance(checked, str):
                self.is_shared, outcome = False, _Mine(checked)
                self._state.abandoned()
            elif checked is not None:
                outcome = checked
                self._state.failed(checked, monotonic())
            else:
                outcome = None
                self._state.abandoned()
            self._flight = None
        flight.set_result(outcome)

    def landed(self, outcome: Outcome, refused: str | None, decision: Decision) -> str | None:
        """Give the token that a fetch brought; None to look again.

        Raises:
            CredentialError: it brought none.
        """
        if isinstance(outcome, Failure):
            # What is left may still do, though it was not good enough to begin with.
            with self._lock:
                now = self._state.decide(monotonic(), refused)
            if isinstance(now, Use) and now.token != refused:
                return now.token
            raise self._error(outcome)
        if isinstance(outcome, _Mine):
            return outcome.token if isinstance(decision, Refresh) else None
        return outcome

    def alone(self, given: object) -> str:
        """Give the token that was asked for one request."""
        checked = token_from(given)
        if isinstance(checked, Failure):
            raise self._error(checked)
        if isinstance(checked, Token):
            with self._lock:
                self.is_shared = True
                self._state.gave(checked, monotonic())
            return checked.value
        return checked

    def _error(self, failure: Failure) -> CredentialError:
        error = CredentialError(self.provider.name, failure.reason)
        error.retryable = failure.may_pass
        error.__cause__ = failure.cause
        return error


def _is_async(ask: Callable[[], object]) -> bool:
    return inspect.iscoroutinefunction(ask) or inspect.iscoroutinefunction(
        getattr(ask, "__call__", None)  # noqa: B004  # the method itself is wanted
    )


def _says_token(ask: Callable[[], object]) -> bool:
    """Tell whether a callable is annotated to give a `Token`."""
    function = ask.func if isinstance(ask, functools.partial) else ask
    if not inspect.isroutine(function):
        function = type(function).__call__
    said: object = getattr(function, "__annotations__", {}).get("return")
    return said is Token or (isinstance(said, str) and said.rpartition(".")[2] == "Token")


def failure_of(cause: Exception) -> Failure:
    # Its text is not ours to show: it may hold what it was about.
    return Failure(f"it raised {type(cause).__name__}", cause=cause)


def _awaited(flight: Flight, until: float | None) -> Outcome:
    try:
        return flight.result(None if until is None else max(0.0, until - monotonic()))
    except TimeoutError as cause:
        raise late() from cause


def late() -> Fault:
    return Fault("timeout", "prepare", "no token in time")
