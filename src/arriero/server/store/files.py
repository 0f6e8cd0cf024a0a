"""Write files so that they are there whole or not at all.

A file grows under a name of its own in the folder it belongs to, locked for as long as its
writer lives, and gets its real name when it is complete. A name of this kind that nobody
has locked is what a killed writer left behind.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .locks import try_lock

_LEFTOVER = re.compile(r"[.\w-]*-arriero-[0-9a-f]{16}", re.ASCII)

OPEN_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
"""Open a file, made if need be, that no child process inherits: it would hold its lock."""


class Draft:
    """A file being written. Leaving the block without `commit` removes it.

    Args:
        folder: Where it belongs; must exist.
        prefix: How its name starts while it grows.
        durable: Make sure it survives a loss of power.

    Raises:
        OSError: as each method, if the file system refuses.
    """

    def __init__(self, folder: Path, prefix: str, *, durable: bool) -> None:
        self._folder = folder
        self._durable = durable
        while True:
            self.path = folder / f"{prefix}-arriero-{secrets.token_hex(8)}"
            self._descriptor = os.open(self.path, OPEN_FLAGS | os.O_EXCL, 0o644)
            try_lock(self._descriptor)
            # Between the two lines a start elsewhere may have taken it for a leftover.
            if self.path.exists():
                break
            os.close(self._descriptor)
        self._open = True

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        write_all(self._descriptor, data)

    def commit(self, target: Path) -> None:
        """Give the file its name in one step, in place of whatever had it."""
        if self._durable:
            os.fsync(self._descriptor)
        if os.name == "nt":
            # Windows does not rename open files.
            self._close()
        self.path.replace(target)
        self._close()
        if self._durable:
            sync_folder(self._folder)

    def __enter__(self) -> Self:
        """Give the draft."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove it unless it was committed."""
        self.discard()

    def discard(self) -> None:
        """Remove it unless it was committed."""
        self._close()
        with suppress(OSError):
            self.path.unlink()

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)


def remove_leftovers(paths: Iterable[Path]) -> int:
    """Remove the drafts among these files whose writers are gone; count them."""
    count = 0
    for path in paths:
        if _LEFTOVER.fullmatch(path.name) and is_abandoned(path):
            with suppress(OSError):
                path.unlink()
                count += 1
    return count


def is_abandoned(path: Path) -> bool:
    """Tell whether nobody has a file locked."""
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power. Raises `OSError`."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
