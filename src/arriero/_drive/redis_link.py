"""Redis, for threads and for tasks: whatever goes wrong comes back as a value.

redis-py is met here only, and imported when a client with such settings is made. Waits are
bounded: to connect, for each answer, and for a free connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import Any
from urllib.parse import urlsplit

from arriero._core.policy.shared_rate import Unreachable
from arriero._transport.burial import bury
from arriero.errors import MissingExtra, RequestError

_LOGGER = logging.getLogger("arriero")

_CONNECTIONS = 16
"""Each answer takes a fraction of a millisecond, so few connections serve many callers."""


def _options(timeout_s: float) -> dict[str, Any]:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "timeout": timeout_s,
        "max_connections": _CONNECTIONS,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


class RedisLink:
    """A Redis server, asked by threads.

    Attributes:
        place: Where it is, as ``redis://host:port``; None for a socket of this machine.
    """

    def __init__(self, url: str, timeout_s: float, without: str) -> None:
        """Args:
        url: The server.
        timeout_s: Longest wait, to connect and again for an answer.
        without: What it means that it cannot be asked, for the log.
        """
        self._url, self._timeout_s = url, timeout_s
        self._without, self._is_away = without, False
        self._where = _shown(url)
        try:
            self._client: Any = self._made()
            self.place = _place(url)
        except ImportError as cause:
            raise MissingExtra(
                "a Redis server needs redis-py; install it with: pip install 'arriero[redis]'"
            ) from cause
        except ValueError as cause:
            raise RequestError(f"no URL of a Redis server: {self._where}") from cause

    def _made(self) -> Any:
        import redis

        made: Any = redis.BlockingConnectionPool
        pool = made.from_url(self._url, **_options(self._timeout_s))
        return redis.Redis.from_pool(pool)

    def run(self, *command: Any) -> Any:
        """Run a command: what it gives, or `Unreachable`."""
        try:
            made = self._client.execute_command(*command)
        except Exception as error:  # redis-py's, the system's, and what lies between them
            made = _unreachable(error, self._where)
        return self._noted(made)

    def _noted(self, made: Any) -> Any:
        """Log that Redis is away, or back, once."""
        is_away = isinstance(made, Unreachable)
        if is_away != self._is_away:
            self._is_away = is_away
            if is_away:
                _LOGGER.warning("%s: %s", made.reason, self._without)
            else:
                _LOGGER.warning("Redis answers again at %s", self._where)
        return made

    def close(self) -> None:
        """Close every connection."""
        with contextlib.suppress(Exception):
            self._client.close()


class AsyncRedisLink(RedisLink):
    """The same, asked by tasks: connections belong to an event loop."""

    def _made(self) -> Any:
        self._clients = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]()
        return self._here_made()  # now: an import would block the loop later

    def _here_made(self) -> Any:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options = _options(self._timeout_s)
        options["retry"] = Retry(NoBackoff(), 0)
        made: Any = redis.asyncio.BlockingConnectionPool
        pool = made.from_url(self._url, **options)
        return redis.asyncio.Redis.from_pool(pool)

    async def run(self, *command: Any) -> Any:  # awaited by its driver
        """Run a command: what it gives, or `Unreachable`."""
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                made = await self._here().execute_command(*command)
        except Exception as error:
            made = _unreachable(error, self._where)
        return self._noted(made)

    def _here(self) -> Any:
        loop = asyncio.get_running_loop()
        for other in [ref() for ref in self._clients.keyrefs()]:
            if other is not None and other.is_closed():
                _bury(self._clients.pop(other, None))
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = self._here_made()
        return client

    async def aclose(self) -> None:
        """Close the connections of this loop, and drop those of others."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            with contextlib.suppress(Exception):
                await client.aclose()
        self.discard()

    def discard(self) -> None:
        """Drop every connection without its loop."""
        for loop in [ref() for ref in self._clients.keyrefs()]:
            if loop is not None:
                _bury(self._clients.pop(loop, None))


def _bury(client: Any) -> None:
    if client is None:
        return
    pool = client.connection_pool
    for connection in [*pool._available_connections, *pool._in_use_connections]:
        writer, connection._writer, connection._reader = connection._writer, None, None
        if writer is not None:
            bury(writer.transport)
            with contextlib.suppress(AttributeError):
                writer.transport._closing = True  # else its writer complains of the closed loop


def _place(url: str) -> str | None:
    """Read a URL as redis-py does, whose query may name the host too."""
    from redis import connection

    reader: Any = connection
    read: dict[str, Any] = reader.parse_url(url)
    if "path" in read:
        return None
    host = str(read.get("host") or "localhost")
    return f"redis://{f'[{host}]' if ':' in host else host}:{read.get('port') or 6379}"


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _unreachable(error: Exception, where: str) -> Unreachable:
    # Not its text: it may quote what was sent.
    return Unreachable(f"{type(error).__name__} at {where}")
