"""Locks on files, between processes and between threads of one.

The operating system drops them when a process dies, however it dies. Each call opens the
file anew, as the locks belong to the opened file: two threads exclude each other too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import StoreError

_PAUSE_S = 0.01

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int, *, shared: bool = False) -> bool:
        """Lock an open file if nobody else has; Windows has no shared locks of this kind."""
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def try_lock(descriptor: int, *, shared: bool = False) -> bool:
        """Lock an open file if nobody stands in the way; closing it unlocks."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@contextmanager
def locked(path: Path, *, shared: bool, wait_s: float) -> Generator[None]:
    """Hold a lock file while the block runs.

    Args:
        path: The file; made if need be, never removed.
        shared: Let others in who share as well.
        wait_s: How long to wait for others.

    Raises:
        StoreError: others hold it for longer, or it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_INHERIT, 0o644)
    except OSError as cause:
        raise StoreError(f"open {path}: {cause.strerror}") from cause
    try:
        until_s = time.monotonic() + wait_s
        while not try_lock(descriptor, shared=shared):
            if time.monotonic() >= until_s:
                raise StoreError(f"{path.parent} is locked by another process for {wait_s:g} s")
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


_NO_INHERIT = getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_CLOEXEC", 0)
"""A child process that inherited the file would hold its lock."""
