"""Checking an audit log: is it what was written, all of it, in this order."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from arriero.errors import RequestError
from arriero.observe.audit_files import Files
from arriero.observe.chain import GENESIS, Broken, Head, Link, head_of, unsealed

ProblemKind: TypeAlias = Literal["changed", "gap", "cut", "head", "anchor"]
"""``changed``: a line is not what was sealed. ``gap``: a record does not follow the one
before it: some are missing, or their order is another. ``cut``: the log ends before its head.
``head``: the head is missing or was changed. ``anchor``: a record kept elsewhere is not in it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    kind: ProblemKind
    file: str
    line: int
    """From 1; 0 if it is about the file as a whole."""
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What checking a log came to."""

    files: int
    records: int
    first: int
    """Number of the first record that is there; 0 if there is none."""
    last: int
    hash: str
    """Of the last record: with `last` an anchor, to be kept elsewhere."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What happened to the log and is told by it: retention, crashes, records it could not
    take. No problem, but perhaps worth a question."""

    @property
    def ok(self) -> bool:
        """True if nothing is wrong."""
        return not self.problems


def verify_audit(
    path: str | PathLike[str],
    *,
    key: bytes | None = None,
    anchors: Sequence[tuple[int, str]] = (),
) -> AuditReport:
    """Check a whole log: every byte of every record, their order, and its two ends.

    Args:
        path: The file that is written, as given to `AuditLog`.
        key: The log's key, if it has one.
        anchors: Numbers and hashes of records that were noted elsewhere.

    Raises:
        RequestError: there is no log, or it cannot be read.
    """
    files = Files(Path(os.fspath(path)).absolute())
    try:
        check = _Check(files, key, dict(anchors))
        check.run()
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or error}") from error
    if not check.files:
        raise RequestError(f"{path}: there is no audit log")
    return check.report()


def audit_records(
    path: str | PathLike[str], *, key: bytes | None = None
) -> Generator[dict[str, Any]]:
    """Give the records of a log that are as they were written, oldest first.

    Raises:
        RequestError: there is no log, or it cannot be read.
    """
    files = Files(Path(os.fspath(path)).absolute())
    try:
        for name in _files_of(files):
            with open(name, "rb") as file:
                for line in file:
                    try:
                        yield unsealed(line.rstrip(b"\n"), key)[0]
                    except Broken:
                        continue
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or error}") from error


def _files_of(files: Files) -> list[Path]:
    names = [name for _, name in files.full()]
    return [*names, files.current] if files.current.exists() else names


@dataclass(slots=True)
class _Check:
    _files: Files
    _key: bytes | None
    _anchors: dict[int, str]
    files: int = 0
    _records: int = 0
    _first: Link | None = None
    _first_prev: str = GENESIS
    _last: Link | None = None
    _is_lost: bool = False
    """True after a line whose place is not known."""
    _retained: tuple[int, str] | None = None
    _head: Head | None = None
    _problems: list[Problem] = field(default_factory=list[Problem])
    _notes: list[str] = field(default_factory=list[str])

    def run(self) -> None:
        self._read_head()
        names = _files_of(self._files)
        for name in names:
            self.files += 1
            with open(name, "rb") as file:
                self._read(name, file, is_last=name is names[-1])
        if names:
            self._check_beginning(names[0])
            self._check_end(names[-1])
        for seq, wanted in self._anchors.items():
            self._find("anchor", names[-1], 0, f"record {seq} with hash {wanted} is not there")

    def _find(self, kind: ProblemKind, file: Path, line: int, text: str) -> None:
        self._problems.append(Problem(kind, file.name, line, text))

    def _read_head(self) -> None:
        head = self._files.head
        try:
            self._head = head_of(head.read_bytes(), self._key)
        except FileNotFoundError:
            self._find("head", head, 0, "missing: a cut at the end of the log would not be seen")
        except Broken as why:
            self._find("head", head, 0, str(why))

    def _read(self, name: Path, file: BinaryIO, *, is_last: bool) -> None:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                if is_last:
                    self._notes.append(
                        f"{name.name}: torn last line of {len(line)} bytes: somebody was killed"
                        " while writing; the next record mends it"
                    )
                else:
                    self._find("changed", name, number, "the file ends inside a line")
                return
            try:
                record, link = unsealed(line[:-1], self._key)
            except Broken as why:
                self._find("changed", name, number, str(why))
                self._is_lost = True
                continue
            self._take(name, number, record, link)

    def _take(self, name: Path, number: int, record: dict[str, Any], link: Link) -> None:
        self._records += 1
        before = self._last
        if before is None and not self._is_lost:
            self._first, self._first_prev = link, record["prev"]
        elif before is not None and not self._follows(before, record, link):
            self._find(
                "gap",
                name,
                number,
                f"record {link.seq} does not follow record {before.seq}: records are missing,"
                " added, or in another order",
            )
        if self._head is not None and link.seq == self._head.seq and link.hash != self._head.hash:
            self._find("head", name, number, f"record {link.seq} is not the one the head names")
        if self._anchors.get(link.seq) == link.hash:
            del self._anchors[link.seq]
        self._last, self._is_lost = link, False
        self._note(record)
        if record.get("head_missing"):
            self._find("head", name, number, "it was missing when the program went on")

    def _follows(self, before: Link, record: dict[str, Any], link: Link) -> bool:
        if self._is_lost:  # the changed line is reported; what stands around it is still checked
            return link.seq > before.seq + 1
        return link.seq == before.seq + 1 and record["prev"] == before.hash

    def _note(self, record: dict[str, Any]) -> None:
        kind, seq, at = record.get("kind"), record["seq"], record.get("at")
        if kind == "retention":
            self._retained = record["through_seq"], record["through_hash"]
            self._notes.append(f"records up to {self._retained[0]} were deleted as planned, {at}")
        elif kind == "repair":
            self._notes.append(f"record {seq}: {record['cut_bytes']} torn bytes cut off, {at}")
        elif kind == "gap" and "lost" in record:
            self._notes.append(f"record {seq}: {record['lost']} calls could not be written, {at}")

    def _check_beginning(self, name: Path) -> None:
        first = self._first
        if first is None or (first.seq == 1 and self._first_prev == GENESIS):
            return
        if self._retained != (first.seq - 1, self._first_prev):
            self._find(
                "gap", name, 1, f"the log begins with record {first.seq}, and does not say why"
            )

    def _check_end(self, name: Path) -> None:
        head = self._head
        if head is None:
            return
        last_seq = self._last.seq if self._last is not None else 0
        if last_seq < head.seq:
            self._find("cut", name, 0, f"it ends with record {last_seq}, it had {head.seq}")
        elif head.seq == 0 and last_seq > 1:
            self._find("head", self._files.head, 0, "empty: a cut at the end would not be seen")
        elif last_seq > head.seq:
            self._notes.append(
                f"{last_seq - head.seq} records after the head: somebody was killed just then"
            )

    def report(self) -> AuditReport:
        return AuditReport(
            files=self.files,
            records=self._records,
            first=self._first.seq if self._first is not None else 0,
            last=self._last.seq if self._last is not None else 0,
            hash=self._last.hash if self._last is not None else GENESIS,
            problems=tuple(self._problems),
            notes=tuple(self._notes),
        )
