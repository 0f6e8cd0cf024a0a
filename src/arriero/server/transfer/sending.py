"""Bodies that a registry may stop taking: aiohttp limits only how long it reads nothing."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import aiohttp


class Sending:
    """Ends a request whose peer takes nothing of its body. Enter it around the request.

    Args:
        patience_s: How long the peer may take nothing.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._limit = asyncio.timeout(None)
        self._is_on = False
        self.transport: asyncio.Transport | None = None
        """Where the body goes."""

    @property
    def is_stalled(self) -> bool:
        """Whether that is what ended the request."""
        return self._limit.expired()

    def offered(self) -> None:
        """Begin to wait: a piece is there to be taken."""
        if self._is_on:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._patience_s)

    def taken(self) -> None:
        """Stop waiting: it was."""
        if self._is_on:
            self._limit.reschedule(None)

    async def __aenter__(self) -> Self:
        """Make it the one of this task's next connection."""
        await self._limit.__aenter__()
        self._is_on = True
        _SENDING.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give up what was not taken, if the request failed."""
        # An answer may come before all was sent; the rest goes on without a limit.
        self._is_on = False
        if error is not None and self.transport is not None:
            # Closing would first wait until what lies in buffers is taken.
            self.transport.abort()
        await self._limit.__aexit__(kind, error, trace)


_SENDING: ContextVar[Sending] = ContextVar("_SENDING")


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool, which also tells a `Sending` its connection."""

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        """Connect, or take a connection from the pool."""
        connection = await super().connect(*arguments, **options)
        _SENDING.get().transport = connection.transport
        return connection
