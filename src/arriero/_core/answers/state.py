"""`Answers`: what one client knows of answers that may be given again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from arriero._core.answers.flights import Flights
from arriero._core.answers.sameness import is_repeatable
from arriero._core.calls import Call
from arriero._core.locks import Lock, NoLock
from arriero._core.statistics import CacheStatistics
from arriero.settings import Cache, CallPolicy


class Store(Protocol):
    """Where answers are kept. It raises nothing: what it cannot give it does not have.

    Attributes:
        evictions: Entries that made room for others.
        errors: How often it could not be used.
    """

    @property
    def evictions(self) -> int: ...

    @property
    def errors(self) -> int: ...

    def get(self, key: str) -> bytes | Awaitable[bytes | None] | None:
        """Give what is kept under a key; None if nothing is."""
        ...

    def put(self, key: str, value: bytes) -> Awaitable[bool] | bool:
        """Keep something, if there is room; True if it is kept."""
        ...

    def forget(self) -> None:
        """In a child after a fork: drop what belongs to the parent."""
        ...

    def size(self) -> tuple[int | None, int | None]:
        """Give the entries and their bytes, as far as that is known without asking."""
        ...


class Answers:
    """See the module.

    Attributes:
        cache: The settings.
        store: Where answers are kept; None keeps none.
        flights: Calls under way.
    """

    def __init__(
        self, cache: Cache, store: Store | None, lock: Callable[[], Lock] = NoLock
    ) -> None:
        self.cache = cache
        self.store = store
        self._make_lock = lock
        self.forget()

    def forget(self) -> None:
        """In a child after a fork: those under way are the parent's."""
        self.flights = Flights()
        if self.store is not None:
            self.store.forget()
        self._lock = self._make_lock()
        self._hits = self._misses = self._stores = self._coalesced = 0

    def concern(self, call: Call[Any], policy: CallPolicy) -> bool:
        """Tell whether a call may get another's answer, or give its own to others."""
        return policy.cache != "off" and is_repeatable(call)

    def tenant(self, policy: CallPolicy) -> str:
        """Give whose calls may share with those of `policy`."""
        return policy.tenant if self.cache.per_tenant else ""

    def count(self, *, hits: int = 0, misses: int = 0, stores: int = 0, coalesced: int = 0) -> None:
        """Add to the statistics."""
        with self._lock:
            self._hits += hits
            self._misses += misses
            self._stores += stores
            self._coalesced += coalesced

    def statistics(self) -> CacheStatistics:
        """Give a snapshot."""
        store = self.store
        entries, size_bytes = (0, 0) if store is None else store.size()
        return CacheStatistics(
            hits=self._hits,
            misses=self._misses,
            stores=self._stores,
            coalesced=self._coalesced,
            evictions=0 if store is None else store.evictions,
            errors=0 if store is None else store.errors,
            entries=entries,
            size_bytes=size_bytes,
        )
