"""Locks, as the core sees them: it makes none itself."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol


class Lock(Protocol):
    """A lock that knows no owner, such as `threading.Lock`."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; False if it is taken and `blocking` is not wanted."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...

    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


class NoLock:
    """For one thread only."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take nothing."""
        return True

    def release(self) -> None:
        """Give nothing back."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc: object) -> None: ...
