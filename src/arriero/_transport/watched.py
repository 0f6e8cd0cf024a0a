"""Files that somebody else replaces while we use them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from os import PathLike, fspath

_SETTLED_S = 2.0
"""Age from which on a file's times tell its state: two writes within one tick of the file
system's clock, which is up to 2 s long, leave the same ones."""

_State = tuple[tuple[int, ...] | None, ...]


class Watched:
    """Tells whether files may have changed, without reading them."""

    __slots__ = ("_is_settled", "_paths", "_state")

    def __init__(self, paths: Sequence[str | PathLike[str]]) -> None:
        self._paths = tuple(fspath(path) for path in paths)
        self._state: _State | None = None
        self._is_settled = False

    def may_differ(self) -> bool:
        """Tell whether a file may hold something else than at the last call.

        True at the first call, and while a change is so young that the next one might not
        show. A file that is missing is a state like any other.
        """
        state = tuple(map(_state_of, self._paths))
        if state == self._state and self._is_settled:
            return False
        newest_ns = max((max(each[:2]) for each in state if each is not None), default=0)
        self._state = state
        self._is_settled = time.time() - newest_ns / 1e9 > _SETTLED_S
        return True


def _state_of(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
