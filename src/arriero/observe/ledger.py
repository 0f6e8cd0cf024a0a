"""`Ledger`: the files of one audit log, open for appending. One thread at a time.

A record is in the log when its line is; then the head is written over. Whoever is killed
between the two, or in the middle of the line, leaves a log that the next one to write finds
and mends: whole records beyond the head are taken up, a torn last line is cut off and the cut
is written down.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from arriero._version import __version__
from arriero.observe.audit_files import Files, Hold, opened, sync_directory, write_whole
from arriero.observe.chain import (
    HEAD_BYTES,
    Broken,
    Head,
    Link,
    head_bytes,
    head_of,
    sealed,
    unsealed,
    written_at,
)

LOOK_S = 0.1
"""How long the file that is written is taken to be where it was. Whoever else writes to the log
moves it under the lock, and writes so into the head; this is about hands. To look before each
record costs as much as writing it: a file that was looked at gets an exact time with the next
write, which the file system has to note down."""

Keep = Callable[[list[tuple[int, Path]]], list[tuple[int, Path]]]
"""Gives those of the full files that may go, oldest first."""


class Ledger:
    """See the module."""

    def __init__(
        self, path: Path, key: bytes | None, max_bytes: int, max_age_s: float | None, gone: Keep
    ) -> None:
        self.files = Files(path)
        self._key = key
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._gone = gone
        self._head_file = opened(self.files.head, is_log=False)
        self._held = Hold(self._head_file)
        self._log = -1
        self._number = 0
        self._look_at_s = 0.0
        """When to look whether that file is still at its place."""
        self._kept: tuple[bytes, Head] | None = None
        """The head as it was last read or written, with its bytes."""

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._log, self._head_file):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._head_file = -1

    def found(self) -> int:
        """Find the end of the log, mending what has to be; gives the last record's number.

        Raises:
            OSError: it cannot be written.
            Broken: it was changed by somebody else.
        """
        with self._held:
            return self._found().seq

    def gap(self, lost: int) -> int:
        """Write down that records are lost; gives the number of that record. Raises as `found`."""
        with self._held:
            return self._write(self._found(), _note("gap", lost=lost)).seq

    def append(self, record: bytes) -> int:
        """Write a record, a JSON object.

        Returns:
            Its number.

        Raises:
            OSError: it could not be written; nothing of it is in the log.
            Broken: the end of the log was changed by somebody else.
        """
        with self._held:
            return self._write(self._rotated(self._found()), record).seq

    def duplicate(self) -> int:
        """Give another descriptor of the file that is written, for syncing it."""
        return os.dup(self._log)

    # The end of the log

    def _found(self) -> Head:
        """Give the end of the log, mended if somebody was killed while writing."""
        data = os.pread(self._head_file, HEAD_BYTES, 0)
        if self._kept is not None and data == self._kept[0] and time.monotonic() < self._look_at_s:
            head = self._kept[1]
            if os.lseek(self._log, 0, os.SEEK_END) == head.size:
                return head  # nobody else wrote, so nothing has to be checked again
        head = self._stored(data)
        if self._log < 0 or head.number != self._number or not self._is_named():
            head = self._opened(head)
        self._look_at_s = time.monotonic() + LOOK_S
        size = os.fstat(self._log).st_size
        if size < head.size:
            # What the head saw is gone: a power cut, or a hand. The numbers keep the gap.
            return self._write(
                Head(head.seq, head.hash, head.number, size, head.began_s),
                _note("gap", missing_bytes=head.size - size, after=_last(self._log)),
            )
        return self._taken_up(head, size) if size > head.size else head

    def _stored(self, data: bytes) -> Head:
        if self._kept is not None and data == self._kept[0]:
            return self._kept[1]
        try:
            head = head_of(data, self._key)
        except Broken as why:
            raise Broken(f"{self.files.head.name}: {why}") from None
        self._kept = data, head
        return head

    def _is_named(self) -> bool:
        """Tell whether the open file is still the one at its place."""
        try:
            there = os.stat(self.files.current, follow_symlinks=False)
        except FileNotFoundError:
            return False
        mine = os.fstat(self._log)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def _opened(self, head: Head) -> Head:
        """Open the file that is written; the rotation that made it may have to be ended."""
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        self._number, self._look_at_s = 0, 0.0  # until it is begun
        if os.path.lexists(self.files.numbered(head.number)):
            head = Head(head.seq, head.hash, head.number + 1, 0, time.time())
        self._log = opened(self.files.current, is_log=True)
        if head.size == 0 and os.fstat(self._log).st_size == 0:
            sync_directory(self.files.current.parent)
            head = self._begun(head)
        self._number = head.number
        return head

    def _begun(self, head: Head) -> Head:
        head = Head(head.seq, head.hash, head.number, 0, time.time())
        machine = socket.gethostname()
        note = _note("file", number=head.number, machine=machine, arriero=__version__)
        return self._write(head, note)

    def _taken_up(self, head: Head, size: int) -> Head:
        """Take up what was written after the head was."""
        began_at, rest = head.seq, os.pread(self._log, size - head.size, head.size)
        while b"\n" in rest:
            line, _, after = rest.partition(b"\n")
            record, link = unsealed(line, self._key)
            if record["prev"] != head.hash or link.seq != head.seq + 1:
                raise Broken(f"{self.files.current.name} goes on with another record")
            size_now = head.size + len(line) + 1
            head = Head(link.seq, link.hash, head.number, size_now, head.began_s)
            rest = after
        if rest:
            if head.seq == 0 and not _may_begin_a_log(rest):
                raise Broken(f"{self.files.current.name} is no audit log but another file")
            os.ftruncate(self._log, head.size)
            torn = hashlib.sha256(rest).hexdigest()
            return self._write(head, _note("repair", cut_bytes=len(rest), cut_hash=torn))
        self._keep(head)
        if began_at == 0 and head.seq > 1:  # not even a kill loses more than one
            return self._write(head, _note("gap", head_missing=True))
        return head

    # Writing

    def _write(self, head: Head, record: bytes) -> Head:
        seq = head.seq + 1
        line, mine = sealed(record, seq, head.hash, self._key)
        try:
            write_whole(self._log, line)
        except BaseException:
            os.ftruncate(self._log, head.size)
            raise
        head = Head(seq, mine, head.number, head.size + len(line), head.began_s)
        self._keep(head)
        return head

    def _keep(self, head: Head) -> None:
        data = head_bytes(head, self._key)
        os.pwrite(self._head_file, data, 0)
        self._kept = data, head

    def _rotated(self, head: Head) -> Head:
        """Give the end of the log in a new file if the old one is full or old."""
        is_old = self._max_age_s is not None and time.time() - head.began_s >= self._max_age_s
        if head.size < self._max_bytes and not is_old:
            return head
        os.fsync(self._log)
        os.rename(self.files.current, self.files.numbered(head.number))
        head = self._opened(head)
        gone = self._gone(self.files.full())
        return self._deleted(head, gone) if gone else head

    def _deleted(self, head: Head, gone: list[tuple[int, Path]]) -> Head:
        """Delete old files, once it is written down for good where the chain now begins."""
        number, newest = gone[-1]
        link = last_link(newest, self._key)
        about = {"through_number": number, "through_seq": link.seq, "through_hash": link.hash}
        head = self._write(head, _note("retention", **about))
        os.fsync(self._log)
        for _, path in gone:
            path.unlink(missing_ok=True)
        return head


def last_link(path: Path, key: bytes | None) -> Link:
    """Give the place of a file's last record.

    Raises:
        Broken: it was changed.
    """
    with open(path, "rb") as file:
        line = _last_line(file.fileno())
    return unsealed(line, key)[1]


def _last_line(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    step, data = 1 << 16, b""
    while len(data) < size and data.count(b"\n") < 2:
        length = min(size, len(data) + step)
        data, step = os.pread(descriptor, length, size - length), step * 2
    return data.rstrip(b"\n").rpartition(b"\n")[2]


def _last(descriptor: int) -> str:
    """Give the hash of what is left at the end of a log that became shorter."""
    return hashlib.sha256(_last_line(descriptor)).hexdigest()


def _may_begin_a_log(torn: bytes) -> bool:
    """Tell whether bytes can be left of a first record; after a crash they may all be zero."""
    first = b'{"seq":1,'
    return not torn.strip(b"\0") or torn[: len(first)] == first[: len(torn)]


def _note(kind: str, **about: object) -> bytes:
    """Give a record of what happened to the log itself."""
    return msgspec.json.encode({"kind": kind, "at": written_at(), "pid": os.getpid(), **about})
