"""When a token is used, when it is fetched anew, and when that is given up.

One state serves all callers of a client. It says what to do; the driver does it, and tells
the state how it went.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from arriero.identity import Token

REFRESH_BEFORE_S = 60.0
"""How long before its end a token is fetched anew: enough for a slow server and a retry or
two, and longer than clocks are apart."""
REFRESH_BEFORE_PART = 0.2
"""The same for short-lived tokens, as a part of their life."""
FORCED_PAUSE_S = 1.0
"""A server that refuses every token must not have us fetch one for each call."""
FIRST_PAUSE_S = 0.5
"""Pause after the second failure in a row; each further one doubles it."""
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Use:
    """Use this token; if `refresh`, fetch the next one meanwhile."""

    token: str = field(repr=False)
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Refresh:
    """Fetch a token: there is none to use, and nobody is at it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody is fetching one: wait for that."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Fetching has just failed several times: do not try yet."""

    failure: Failure


Decision: TypeAlias = Use | Refresh | Wait | Fail


@dataclass(frozen=True, slots=True)
class Failure:
    """Why no token could be had."""

    reason: str
    """Without secrets."""
    may_pass: bool = True
    """False if trying again changes nothing."""
    cause: BaseException | None = field(default=None, repr=False, compare=False)


class TokenState:
    """What is known of one provider's token. Times are by one clock that never goes back.

    Attributes:
        is_refreshing: True from `began` until `gave`, `failed` or `abandoned`.
        failure: Why the last fetch failed; None if it did not.
    """

    __slots__ = (
        "_expires_s",
        "_failures",
        "_forced_s",
        "_refresh_s",
        "_retry_s",
        "_value",
        "failure",
        "is_refreshing",
    )

    def __init__(self) -> None:
        self._value: str | None = None
        self._expires_s = self._refresh_s = float("inf")
        self._forced_s = self._retry_s = float("-inf")
        self._failures = 0
        self.failure: Failure | None = None
        self.is_refreshing = False

    def decide(self, now_s: float, refused: str | None = None) -> Decision:
        """Say what a call does that needs a token now.

        Args:
            now_s: The time.
            refused: The token that the server has just answered 401 to; None before the
                first attempt. The same token given back means that there is no better one.
        """
        value = self._value
        if value is not None and value != refused and now_s < self._expires_s:
            is_due = now_s >= self._refresh_s and now_s >= self._retry_s
            return Use(value, refresh=is_due and not self.is_refreshing)
        if self.is_refreshing:
            return Wait()
        if value is not None and value == refused and now_s < self._forced_s + FORCED_PAUSE_S:
            return Use(value)
        if self.failure is not None and now_s < self._retry_s:
            return Fail(self.failure)
        return Refresh()

    def began(self, now_s: float, refused: str | None = None) -> None:
        """Note that a fetch has begun."""
        self.is_refreshing = True
        if refused is not None and refused == self._value:
            self._forced_s = now_s

    def gave(self, token: Token, began_s: float) -> None:
        """Note what a fetch that began at `began_s` gave."""
        self.is_refreshing = False
        self.failure, self._failures, self._retry_s = None, 0, float("-inf")
        self._value = token.value
        life_s, before_s = token.expires_in_s, token.refresh_before_s
        if life_s is None:
            self._expires_s = self._refresh_s = float("inf")
            return
        if before_s is None:
            before_s = min(REFRESH_BEFORE_S, life_s * REFRESH_BEFORE_PART)
        # Its life began when the server made it, which is some time after we asked.
        self._expires_s = began_s + life_s
        self._refresh_s = self._expires_s - before_s

    def failed(self, failure: Failure, now_s: float) -> None:
        """Note that a fetch failed. A token that is still good stays in use."""
        self.is_refreshing = False
        self.failure = failure
        self._failures += 1
        # One failure may be chance, so the next call may try at once, unless it has a token.
        doubled = FIRST_PAUSE_S * 2.0 ** min(self._failures - 2, 10)
        has_token = self._value is not None and now_s < self._expires_s
        is_first = self._failures == 1 and not has_token
        self._retry_s = now_s + (0.0 if is_first else min(doubled, LONGEST_PAUSE_S))

    def abandoned(self) -> None:
        """Note that a fetch was given up without a result, as its caller was cancelled."""
        self.is_refreshing = False


def token_from(given: object) -> Token | str | Failure:
    """Check what a provider gave."""
    if isinstance(given, Token | Failure):
        return given
    if isinstance(given, str):
        return given if given else Failure("it gave an empty token", may_pass=False)
    if hasattr(given, "__await__"):
        reason = "it is async, which only AsyncClient can await"
        return Failure(reason, may_pass=False)
    return Failure(f"it gave {type(given).__name__}, not a token", may_pass=False)
