"""Answers kept in this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from arriero._core.locks import Lock, NoLock
from arriero.settings import Cache


class MemoryStore:
    """Keeps what was used last, as much as there is room for.

    Attributes:
        evictions: Entries that made room for others.
        errors: None ever.
    """

    def __init__(
        self, cache: Cache, clock: Callable[[], float], lock: Callable[[], Lock] = NoLock
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._make_lock = lock
        self._lock = lock()
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self.evictions = 0
        self.errors = 0

    def get(self, key: str) -> bytes | None:
        """Give what is kept under a key; None if nothing is."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            value, until_s = found
            if self._clock() >= until_s:
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: str, value: bytes) -> bool:
        """Keep something, unless it alone is too large; True if it is kept."""
        cache = self._cache
        if len(value) > cache.max_bytes:
            return False
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._entries[key] = value, self._clock() + cache.ttl_s
            self._bytes += len(value)
            while len(self._entries) > cache.max_entries or self._bytes > cache.max_bytes:
                self._drop(next(iter(self._entries)))
                self.evictions += 1
        return True

    def _drop(self, key: str) -> None:
        value, _ = self._entries.pop(key)
        self._bytes -= len(value)

    def forget(self) -> None:
        """In a child after a fork: another thread may have held the lock."""
        self._lock = self._make_lock()
        self._entries, self._bytes = OrderedDict(), 0

    def size(self) -> tuple[int | None, int | None]:
        """Give the entries and their bytes."""
        return len(self._entries), self._bytes
