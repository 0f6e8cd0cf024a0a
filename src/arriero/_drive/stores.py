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
    return MemoryStore(cache, time.monotonic, threading.Lock)
