"""What a client keeps outside its process: the rates and the answers it shares with others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from arriero._core.policy.shared_rate import SCRIPT, Question, SharedRates
from arriero.settings import Limits

if TYPE_CHECKING:
    from arriero._drive.redis_link import AsyncRedisLink, RedisLink


class Outside:
    """Links of one client, closed with it.

    Attributes:
        is_async: True if what is asked of them is awaited.
    """

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self._links: list[RedisLink] = []
        self._endings: list[Callable[[], None]] = []

    def redis(self, url: str, timeout_s: float, without: str) -> RedisLink:
        """Give a link to a Redis server; see `RedisLink`. Nothing is sent yet."""
        from arriero._drive.redis_link import AsyncRedisLink, RedisLink

        link = (AsyncRedisLink if self.is_async else RedisLink)(url, timeout_s, without)
        self._links.append(link)
        return link

    def places(self) -> Iterator[str]:
        """Give where the links lead, as far as that is another machine."""
        return (link.place for link in self._links if link.place is not None)

    def closing(self, close: Callable[[], None]) -> None:
        """Have `close` called when the client is closed; it does not wait."""
        self._endings.append(close)

    def close(self) -> None:
        """Close everything of a client for threads."""
        self._end()
        for link in self._links:
            link.close()

    async def aclose(self) -> None:
        """Close everything of a client for tasks."""
        self._end()
        for link in self._links:
            await cast("AsyncRedisLink", link).aclose()

    def discard(self) -> None:
        """Drop what a client for tasks holds that nobody closed."""
        self._end()
        for link in self._links:
            cast("AsyncRedisLink", link).discard()

    def _end(self) -> None:
        for close in self._endings:
            close()


def shared_by(limits: Limits | None, outside: Outside) -> Callable[[], SharedRates] | None:
    """Give what makes the rates that a client shares with others; None if it shares none."""
    if limits is None or limits.shared is None:
        return None
    import uuid

    shared = limits.shared
    is_open = shared.on_failure == "open"
    without = "this client keeps to its share of the rates" if is_open else "calls are refused"
    link = outside.redis(shared.url, shared.timeout_s, without)

    def ask(question: Question) -> Any:
        keys, arguments = question.keys, question.arguments
        return link.run("EVAL", SCRIPT, len(keys), *keys, *arguments)

    return lambda: SharedRates(limits, shared, uuid.uuid4().hex, ask)
