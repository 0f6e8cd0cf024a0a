"""Which host is next, and when to stop: a rollout over many hosts, one decision at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from arriero.errors import ArrieroError, RequestError

T = TypeVar("T")


class Rollout(Generic[T]):
    """State of one rollout. It neither waits nor starts anything; a driver does.

    Args:
        hosts: In the order in which they are begun.
        parallel: Most hosts at a time.
        max_failed: Share of the hosts that may fail, from 0 to 1. Once more have, no further
            host is begun; those that run are left to end.

    Attributes:
        results: What came of hosts that ended well.
        failures: Why the others did not.
        is_interrupted: Set from outside to have those that run end, and none begin.

    Raises:
        RequestError: a number makes no sense.
    """

    def __init__(self, hosts: Iterable[str], *, parallel: int = 1, max_failed: float = 0.0) -> None:
        if parallel < 1:
            raise RequestError(f"parallel takes 1 or more hosts, not {parallel!r}")
        if not 0 <= max_failed <= 1:
            raise RequestError(f"max_failed takes a share from 0 to 1, not {max_failed!r}")
        self._waiting = list(dict.fromkeys(hosts))
        self._count = len(self._waiting)
        self._running: set[str] = set()
        self.parallel = parallel
        self._max_failed = max_failed
        self.results: dict[str, T] = {}
        self.failures: dict[str, ArrieroError] = {}
        self.is_interrupted = False

    @property
    def is_stopped(self) -> bool:
        """True once too many hosts failed, or somebody wants it to end."""
        return self.is_interrupted or len(self.failures) > self._max_failed * self._count

    @property
    def skipped(self) -> tuple[str, ...]:
        """Hosts that were not begun."""
        return tuple(self._waiting)

    def next(self) -> str | None:
        """Give a host to begin now; None if none may be."""
        if self.is_stopped or not self._waiting or len(self._running) >= self.parallel:
            return None
        host = self._waiting.pop(0)
        self._running.add(host)
        return host

    def succeeded(self, host: str, result: T) -> None:
        """Take in how a host ended."""
        self._running.discard(host)
        self.results[host] = result

    def failed(self, host: str, error: ArrieroError) -> None:
        """Take in why a host failed."""
        self._running.discard(host)
        self.failures[host] = error
