"""The files of an audit log.

``audit.jsonl`` is written. When it is full it becomes ``audit-000001.jsonl``, and so on: the
numbers rise with time. ``audit.jsonl.head`` says where the log ends, and is what processes
lock. All of them are regular files of mode 0600; links are never followed.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from pathlib import Path

if sys.platform != "win32":
    import fcntl

LOCK_S = 5.0
"""How long another process may hold the log: it does so for a write, not for work."""

_PAUSE_S = 0.002


class Files:
    """Names of the files of one log."""

    def __init__(self, path: Path) -> None:
        self.current = path
        self.head = path.with_name(f"{path.name}.head")
        self._numbered = re.compile(rf"{re.escape(path.stem)}-(\d{{6,}}){re.escape(path.suffix)}\Z")

    def numbered(self, number: int) -> Path:
        """Give the name of a file that is full."""
        return self.current.with_name(f"{self.current.stem}-{number:06d}{self.current.suffix}")

    def full(self) -> list[tuple[int, Path]]:
        """Give the files that are full, oldest first."""
        found = (
            (self._numbered.match(name), name) for name in os.listdir(self.current.parent or ".")
        )
        return sorted(
            (int(match[1]), self.current.with_name(name)) for match, name in found if match
        )


def opened(path: Path, *, is_log: bool) -> int:
    """Open a file of the log, making it if it is not there.

    Raises:
        OSError: it cannot be, or is a link, or not a regular file of one name.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    if is_log:
        flags |= os.O_APPEND
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise OSError(errno.EPERM, "not a regular file with one name", str(path))
        if sys.platform != "win32" and stat.S_IMODE(status.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class Hold:
    """Holds the log against other processes, for one block after another.

    Raises:
        TimeoutError: on entering; somebody has held it for `LOCK_S`.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    if sys.platform == "win32":  # one process may write there; see the page

        def __enter__(self) -> None:
            return

        def __exit__(self, *exc: object) -> None:
            return

    else:

        def __enter__(self) -> None:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._wait()

        def _wait(self) -> None:
            until_s = time.monotonic() + LOCK_S
            while True:
                time.sleep(_PAUSE_S)
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    if time.monotonic() >= until_s:
                        why = "another process holds the log"
                        raise TimeoutError(errno.ETIMEDOUT, why) from None

        def __exit__(self, *exc: object) -> None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def write_whole(descriptor: int, data: bytes) -> None:
    """Append bytes, all of them.

    Raises:
        OSError: they are not all there; a part may be.
    """
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


def sync_directory(path: Path) -> None:
    """Make names in a directory durable."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
