"""The store that a client's `Cache` asks for."""

from __future__ import annotations

import threading
import time

from arriero._core.answers.memory import MemoryStore
from arriero._core.answers.state import Store
from arriero._drive.outside import Outside
from arriero.settings import Cache


def store_of(cache: Cache, outside: Outside) -> Store | None:
    """Make the store of a client; nothing is opened before its first use."""
    if cache.max_entries == 0:
        return None
    if cache.redis is not None:
        from arriero._drive.redis_store import RedisStore, RedisTaskStore

        link = outside.redis(cache.redis, cache.timeout_s, "no answers are kept or found")
        return (RedisTaskStore if outside.is_async else RedisStore)(cache, link)
    if cache.path is not None:
        from arriero._drive.sqlite_store import Awaited, SqliteStore

        store = SqliteStore(cache)
        outside.closing(store.close)
        return Awaited(store) if outside.is_async else store
    return MemoryStore(cache, time.monotonic, threading.Lock)
