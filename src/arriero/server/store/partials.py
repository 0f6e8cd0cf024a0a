"""Blobs that arrive in parts: as many bytes as have come survive whatever happens.

The bytes are in ``sha256-<hex>-partial``, which has its full size from the start and mostly
holes, and beside it each part has a record of how far it has got. Names and records are
Ollama's, so either program goes on where the other was cut off. A record never says more
than what is in the file. Whoever works on a file holds its lock.

Source: Ollama v0.33.0-rc2, server/download.go.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .digests import file_name
from .files import OPEN_FLAGS, is_abandoned, sync_folder, write_all
from .locks import try_lock
from .parts import Part, decode_part, joined

_NAME = re.compile(r"(sha256-[0-9a-f]{64}-partial)(?:-[0-9]+)?", re.ASCII)
_PIECE_BYTES = 1024 * 1024
_RECORD_BYTES = 1024
"""More than any record has."""


class Partial:
    """One blob on its way. Methods block, and may be called from any thread.

    Args:
        folder: The blobs' folder; must exist.
        digest: The blob.
        durable: Make sure the finished blob survives a loss of power.

    Raises:
        InvalidDigest: `digest` is none.
        OSError: as each method, if the file system refuses.
    """

    def __init__(self, folder: Path, digest: str, *, durable: bool) -> None:
        self.digest = digest
        self.target = folder / file_name(digest)
        self.path = Path(f"{self.target}-partial")
        self.parts: Sequence[Part] = ()
        self._durable = durable
        self._mutex = threading.RLock()
        self._descriptor: int | None = None
        self._is_closed = False

    @property
    def completed(self) -> int:
        """Bytes that are there."""
        return sum(part.completed for part in self.parts)

    @property
    def is_open(self) -> bool:
        """Whether it is ours to work on."""
        return self._descriptor is not None

    def progress(self) -> int:
        """Bytes that are there by the records of whoever works on it."""
        parts = map(_read, records_of(self.path))
        return sum(part.completed for part in parts if part is not None)

    def open(self, total: int, fresh: Callable[[], Sequence[Part]]) -> bool:
        """Take the file, and go on from what its records say.

        Args:
            total: Size of the blob, in bytes.
            fresh: Gives the parts to begin with, if there is nothing to go on from.

        Returns:
            False if somebody else works on it or has finished it, or if `close` came first.
        """
        with self._mutex:
            if self._is_closed or not self._lock():
                return False
            if self.target.exists():
                self._drop()
                return False
            parts = joined(map(_read, records_of(self.path)), total)
            if parts is None or self._size() != total:
                self.begin(total, fresh())
            else:
                self.parts = parts
            return True

    def begin(self, total: int, parts: Sequence[Part]) -> None:
        """Forget what is there and begin anew."""
        with self._mutex:
            for path in records_of(self.path):
                path.unlink()
            os.ftruncate(self._open_file, 0)
            os.ftruncate(self._open_file, total)
            self.parts = parts
            for part in parts:
                self._record(part)

    def write(self, part: Part, data: bytes) -> None:
        """Add bytes to a part, and make a note of it."""
        with self._mutex:
            os.lseek(self._open_file, part.next_byte, os.SEEK_SET)
            write_all(self._open_file, data)
            part.completed += len(data)
            self._record(part)

    def hash(self, go_on: Callable[[], bool]) -> str:
        """Read everything and give its digest; stop with an error when `go_on` says no.

        Raises:
            InterruptedError: `go_on` said no.
        """
        found = hashlib.sha256()
        at = 0
        while True:
            if not go_on():
                raise InterruptedError
            with self._mutex:
                os.lseek(self._open_file, at, os.SEEK_SET)
                piece = os.read(self._open_file, _PIECE_BYTES)
            if not piece:
                return f"sha256:{found.hexdigest()}"
            found.update(piece)
            at += len(piece)

    def commit(self) -> None:
        """Make it a blob of the store. Harmless when done already."""
        with self._mutex:
            if self._descriptor is None:
                return
            if self._durable:
                os.fsync(self._descriptor)
            if os.name == "nt":
                # Windows does not rename open files.
                self.close()
            self.path.replace(self.target)
            self._forget_records()
            self.close()
            if self._durable:
                sync_folder(self.target.parent)

    def remove(self) -> None:
        """Throw away what is there."""
        with self._mutex:
            self._is_closed = True
            if self._descriptor is not None:
                self._drop()

    def close(self) -> None:
        """Let others go on with it. Harmless when done already."""
        with self._mutex:
            self._is_closed = True
            self._release()

    def _drop(self) -> None:
        if os.name == "nt":
            # Windows does not remove open files.
            self._release()
        with suppress(FileNotFoundError):
            self.path.unlink()
        self._forget_records()
        self._release()

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @property
    def _open_file(self) -> int:
        if self._descriptor is None:
            raise InterruptedError(f"{self.path} is closed")
        return self._descriptor

    def _lock(self) -> bool:
        while True:
            descriptor = os.open(self.path, OPEN_FLAGS, 0o644)
            if not try_lock(descriptor):
                os.close(descriptor)
                return False
            # Between the two lines it may have become a blob, or been thrown away.
            with suppress(OSError):
                if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    self._descriptor = descriptor
                    return True
            os.close(descriptor)

    def _size(self) -> int:
        return os.fstat(self._open_file).st_size

    def _record(self, part: Part) -> None:
        # In place: a record that is cut off to be written anew could be lost in between.
        descriptor = os.open(f"{self.path}-{part.number}", OPEN_FLAGS, 0o644)
        try:
            write_all(descriptor, part.encode())
        finally:
            os.close(descriptor)

    def _forget_records(self) -> None:
        for path in records_of(self.path):
            with suppress(OSError):
                path.unlink()


def records_of(path: Path) -> Iterator[Path]:
    """The records beside a partial file."""
    for found in path.parent.glob(f"{path.name}-*"):
        if found.name[len(path.name) + 1 :].isdecimal():
            yield found


def _read(path: Path) -> Part | None:
    try:
        with path.open("rb") as file:
            return decode_part(file.read(_RECORD_BYTES))
    except OSError:
        return None


def remove_abandoned(paths: Iterable[Path], now_s: float, young_s: float) -> int:
    """Remove partial files nobody has gone on with for so long, and their records; count them.

    Args:
        paths: What is in the blobs' folder.
        now_s: The time, in seconds since the epoch.
        young_s: What was written to since then stays.
    """
    count = 0
    for path in paths:
        found = _NAME.fullmatch(path.name)
        data = None if found is None else path.with_name(found[1])
        if data is None or not _is_old(path, now_s, young_s):
            continue
        # A record goes with its file; alone it is what a kill left behind.
        if data == path or not data.exists():
            if data == path and not is_abandoned(path):
                continue
            with suppress(OSError):
                path.unlink()
                count += 1
    return count


def _is_old(path: Path, now_s: float, young_s: float) -> bool:
    try:
        return now_s - path.stat().st_mtime > young_s
    except OSError:
        return False
