"""What a child process after a fork must not share with its parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forgetful(Protocol):
    """Has connections that belong to the process they were made in."""

    def forget(self) -> None:
        """In the child: drop them without a word to the peer."""
        ...


_ALIVE: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def forget_after_fork(owner: Forgetful) -> None:
    """Have `owner` forget its connections in every child, while it lives."""
    _ALIVE.add(owner)


def _forget_all() -> None:
    for owner in list(_ALIVE):
        owner.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
