"""`Journal`: where each call is written down before it is over for its caller.

Unlike an observer, a journal can refuse a call and can fail one: see `arriero.AuditLog`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from arriero._core.events import CallEnded

Receipt: TypeAlias = Callable[[], None]
"""Waits until a record is as safe as was asked for, or raises `AuditFailed` if it is not."""


class Journal(Protocol):
    """Takes in what every call came to."""

    def check(self) -> None:
        """Let a call begin.

        Raises:
            AuditFailed: what it came to could not be written down.
        """
        ...

    def write(self, event: CallEnded) -> Receipt | None:
        """Write down a call; None if there is nothing left to wait for."""
        ...

    @property
    def written(self) -> int:
        """Records written so far."""
        ...

    @property
    def failed(self) -> int:
        """Records that could not be written."""
        ...
