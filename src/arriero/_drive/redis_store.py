"""Answers kept in Redis, for all clients that use it. Nothing raises: no Redis, no answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from arriero._core.policy.shared_rate import RETRY_S, Unreachable
from arriero.settings import Cache

if TYPE_CHECKING:
    from arriero._drive.redis_link import RedisLink


class RedisStore:
    """For threads; `RedisTaskStore` for tasks.

    Attributes:
        evictions: Not known: Redis removes by itself.
        errors: How often it could not be asked.
    """

    def __init__(self, cache: Cache, link: RedisLink) -> None:
        self._cache, self._link = cache, link
        self._down_until_s = 0.0
        self.evictions = 0
        self.errors = 0

    def get(self, key: str) -> Any:
        """Give what is kept under a key; None if nothing is."""
        return self._taken(self._link.run("GET", self._name(key))) if self._is_up() else None

    def put(self, key: str, value: bytes) -> Any:
        """Keep something, unless it is too large; True if it is kept."""
        if not self._is_up() or len(value) > self._cache.max_bytes:
            return False
        return self._is_well(self._link.run(*self._setting(key, value)))

    def size(self) -> tuple[int | None, int | None]:
        """Give None: only Redis knows."""
        return None, None

    def forget(self) -> None:
        """In a child after a fork: redis-py makes new connections by itself."""

    def _name(self, key: str) -> str:
        return f"{self._cache.prefix}:answer:{key}"

    def _setting(self, key: str, value: bytes) -> tuple[Any, ...]:
        return "SET", self._name(key), value, "PX", max(1, int(self._cache.ttl_s * 1000))

    def _is_up(self) -> bool:
        return time.monotonic() >= self._down_until_s

    def _taken(self, answer: Any) -> bytes | None:
        return answer if self._is_well(answer) and isinstance(answer, bytes) else None

    def _is_well(self, answer: Any) -> bool:
        if not isinstance(answer, Unreachable):
            return True
        self.errors += 1
        self._down_until_s = time.monotonic() + RETRY_S
        return False


class RedisTaskStore(RedisStore):
    """The same, awaited."""

    async def get(self, key: str) -> bytes | None:
        """Give what is kept under a key; None if nothing is."""
        return self._taken(await self._link.run("GET", self._name(key))) if self._is_up() else None

    async def put(self, key: str, value: bytes) -> bool:
        """Keep something, unless it is too large; True if it is kept."""
        if not self._is_up() or len(value) > self._cache.max_bytes:
            return False
        return self._is_well(await self._link.run(*self._setting(key, value)))
