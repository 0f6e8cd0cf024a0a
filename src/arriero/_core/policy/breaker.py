"""Circuit breaking: a host that keeps failing is left alone for a while."""

from __future__ import annotations

from collections import deque
from typing import Literal, TypeAlias

from arriero.settings import Breaker

State: TypeAlias = Literal["closed", "open", "half-open"]

Key: TypeAlias = tuple[str, str]
"""Host and model."""

_MOST_KEPT = 512
"""Most outcomes kept: at higher rates the window is shorter than its name says."""

_SWEEP_AT = 1000
"""Circuits from which on those that say nothing are forgotten: whoever lets others name models
must not be filled up by them."""


class Circuit:
    """State of one host and model.

    Attributes:
        state: Where it stands.
    """

    __slots__ = ("_breaker", "_opened_s", "_outcomes", "_probing", "_round", "state")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=_MOST_KEPT)
        self._opened_s = 0.0
        self._probing = 0
        self._round = 0
        self.state: State = "closed"

    def ask(self, now_s: float) -> int | None:
        """Let a try through, or not.

        Returns:
            A number to be given back to `settle` if it may go; None if it may not, and
            `rest_s` says for how long.
        """
        if self.state == "open":
            if self.rest_s(now_s) > 0:
                return None
            self.state, self._probing = "half-open", 0
            self._round += 1
        if self.state == "half-open":
            if self._probing >= self._breaker.probes:
                return None
            self._probing += 1
        return self._round

    def rest_s(self, now_s: float) -> float:
        """Give the seconds until a try may go; while a probe is out, until one may be due."""
        if self.state == "open":
            return max(0.0, self._opened_s + self._breaker.open_s - now_s)
        return self._breaker.open_s if self.state == "half-open" else 0.0

    def settle(self, entry: int, is_good: bool | None, now_s: float) -> None:
        """Take in how a try that was let through ended; None if that says nothing."""
        if entry != self._round:
            return  # from before it opened: its news is old
        if self.state == "half-open":
            self._probing -= 1
            if is_good is None:
                return
            if is_good:
                self.state = "closed"
                self._outcomes.clear()
                self._round += 1
            else:
                self._open(now_s)
        elif is_good is not None:
            self._outcomes.append((now_s, is_good))
            if not is_good and self._has_failed(now_s):
                self._open(now_s)

    def _has_failed(self, now_s: float) -> bool:
        while self._outcomes and self._outcomes[0][0] < now_s - self._breaker.window_s:
            self._outcomes.popleft()
        failures = sum(not is_good for _, is_good in self._outcomes)
        enough = failures >= min(self._breaker.failures, _MOST_KEPT)
        return enough and failures >= self._breaker.share * len(self._outcomes)

    def is_blank(self, now_s: float) -> bool:
        """Tell whether a new one would decide the same."""
        newest_s = self._outcomes[-1][0] if self._outcomes else float("-inf")
        return self.state == "closed" and newest_s < now_s - self._breaker.window_s

    def _open(self, now_s: float) -> None:
        self.state, self._opened_s = "open", now_s
        self._outcomes.clear()
        self._round += 1


class Circuits:
    """The circuits of one client, by host and model.

    Attributes:
        changes: What changed its state since somebody looked last.
    """

    __slots__ = ("_breaker", "_circuits", "_sweep_at", "changes")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._circuits: dict[Key, Circuit] = {}
        self._sweep_at = _SWEEP_AT
        self.changes: deque[tuple[Key, State]] = deque()

    def ask(self, key: Key, now_s: float) -> tuple[int | None, float]:
        """See `Circuit.ask` and `Circuit.rest_s`."""
        circuit = self._circuits.get(key)
        if circuit is None:
            if len(self._circuits) >= self._sweep_at:
                self._sweep(now_s)
            circuit = self._circuits[key] = Circuit(self._breaker)
        before = circuit.state
        entry = circuit.ask(now_s)
        if circuit.state != before:
            self.changes.append((key, circuit.state))
        return entry, circuit.rest_s(now_s) if entry is None else 0.0

    def settle(self, key: Key, entry: int, is_good: bool | None, now_s: float) -> None:
        """See `Circuit.settle`."""
        circuit = self._circuits.get(key)
        if circuit is None:
            return  # forgotten meanwhile
        before = circuit.state
        circuit.settle(entry, is_good, now_s)
        if circuit.state != before:
            self.changes.append((key, circuit.state))

    def _sweep(self, now_s: float) -> None:
        kept = {key: one for key, one in self._circuits.items() if not one.is_blank(now_s)}
        self._circuits = kept
        self._sweep_at = max(_SWEEP_AT, 2 * len(kept))  # else each new name would cost a sweep

    def states(self) -> dict[Key, State]:
        """Give the state of each."""
        return {key: circuit.state for key, circuit in self._circuits.items()}
