"""`AuditLog`: every call of a client written down, in a chain that shows any change."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import deque
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from arriero._core.events import CallEnded
from arriero._core.journal import Receipt
from arriero._transport.fork import forget_after_fork
from arriero.errors import AuditFailed, RequestError
from arriero.observe.audit_record import Content, record_of
from arriero.observe.chain import Broken
from arriero.observe.ledger import Ledger

Fsync: TypeAlias = Literal["always", "interval", "never"]
OnFailure: TypeAlias = Literal["closed", "open"]

_LOGGER = logging.getLogger("arriero")

_DAY_S = 86400.0


class _Entry:
    """A call on its way into the log."""

    __slots__ = ("event", "reason", "seq")

    def __init__(self, event: CallEnded) -> None:
        self.event: CallEnded = event
        self.seq = 0
        self.reason = ""


class AuditLog:
    """Where clients write down their calls: lines of JSON, each bound to the one before.

    A call returns to its caller after its record was handed to the operating system, so a
    record that was acknowledged survives the death of the process. What survives a power cut
    is a matter of `fsync`. One log may be shared by clients, threads and processes.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        content: Content = "none",
        fsync: Fsync = "interval",
        fsync_interval_s: float = 1.0,
        max_bytes: int = 64 << 20,
        max_age_s: float | None = None,
        keep_files: int | None = None,
        keep_days: float | None = None,
        on_failure: OnFailure = "closed",
        key: bytes | None = None,
    ) -> None:
        """Describe a log. It is opened with the first call.

        Args:
            path: The file that is written; its directory must exist. Full files get a number.
            content: Of prompts and answers: ``none``; ``hashed``; ``full``, where images and
                vectors are hashed all the same.
            fsync: ``always``: before a call returns, one sync for all that wait.
                ``interval``: at most `fsync_interval_s` after it. ``never``: when the system
                does it by itself.
            fsync_interval_s: See `fsync`.
            max_bytes: A file this long is full.
            max_age_s: A file this old is full; None lets it grow to `max_bytes`.
            keep_files: Most full files to keep; None keeps all.
            keep_days: Full files older than this are deleted; None keeps all.
            on_failure: If a record cannot be written: ``closed`` raises `AuditFailed`
                instead of giving the answer, and refuses calls until it can. ``open`` lets
                calls go on, and counts what is lost.
            key: Makes hashes that only its holder can make: without it, whoever may write to
                the log can make a new chain of it.

        Raises:
            RequestError: an argument is wrong, or the directory is not there.
        """
        self.path = Path(os.fspath(path)).absolute()
        self._arguments = {
            "content": content,
            "fsync": fsync,
            "fsync_interval_s": fsync_interval_s,
            "max_bytes": max_bytes,
            "max_age_s": max_age_s,
            "keep_files": keep_files,
            "keep_days": keep_days,
            "on_failure": on_failure,
            "key": key,
        }
        _check(self.path, self._arguments)
        self._content: Content = content
        self._fsync, self._interval_s = fsync, fsync_interval_s
        self._keep_files, self._keep_days = keep_files, keep_days
        self._is_open_on_failure = on_failure == "open"
        self._key = key
        self._make = partial(Ledger, self.path, key, max_bytes, max_age_s, self._files_that_may_go)
        self._ledger: Ledger | None = None
        self.written = 0
        self.failed = 0
        self._begin()
        forget_after_fork(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._sync_lock = threading.Lock()
        self._box: deque[_Entry] = deque()
        self._is_busy = False
        self._broken = ""
        self._lost = 0
        self._last_seq = self._synced_seq = 0
        self._timer: threading.Timer | None = None

    def forget(self) -> None:
        """In a child process: open files of its own. A lock on inherited ones would be shared."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()
        self.written = self.failed = 0
        self._begin()

    def __repr__(self) -> str:
        state = f"broken: {self._broken}" if self._broken else f"{self.written} written"
        return f"<AuditLog {self.path}, {state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (str(self.path), self._arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Sync and close the files. A later call opens them again."""
        with self._lock:
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            ledger = self._ledger
            if ledger is None:
                return
            try:
                if self._fsync != "never":
                    self._sync(self._last_seq)
            finally:
                self._ledger = None
                ledger.close()

    # What a client asks of it

    def check(self) -> None:
        """Let a call begin; a log that was broken is tried again first.

        Raises:
            AuditFailed: it still is, and `on_failure` is ``closed``.
        """
        if self._ledger is not None and not self._broken:
            return
        with self._lock:
            try:
                self._ready()
            except (OSError, Broken) as error:
                self._fail(error)
        if self._broken and not self._is_open_on_failure:
            raise AuditFailed(f"{self._broken}; nothing was sent")

    def write(self, event: CallEnded) -> Receipt | None:
        """Write down a call; gives what has to be waited for."""
        entry = _Entry(event)
        self._box.append(entry)
        self._drain()
        if entry.reason:
            return None if self._is_open_on_failure else partial(_refuse, entry.reason)
        if self._fsync == "always" and entry.seq:
            return partial(self._settle, entry.seq)
        return None

    def _drain(self) -> None:
        # The garbage collector may end a stream, and so call this, in the middle of a write of
        # the same thread. That record then waits in the box for the write further out.
        while self._box:
            with self._lock:
                if self._is_busy:
                    return
                self._is_busy = True
                try:
                    while self._box:
                        self._append(self._box.popleft())
                finally:
                    self._is_busy = False

    def _append(self, entry: _Entry) -> None:
        try:
            record = record_of(entry.event, self._content, self._key)
            entry.seq = self._last_seq = self._ready().append(record)
        except (OSError, Broken) as error:
            self._lost += 1
            self.failed += 1
            self._fail(error)
            entry.reason = self._broken
            return
        if self._broken:
            self._mended()
        self.written += 1
        if self._fsync == "interval" and self._timer is None:
            self._timer = threading.Timer(self._interval_s, self._sync_late)
            self._timer.daemon = True
            self._timer.start()

    def _ready(self) -> Ledger:
        """Give the open log; one that was broken shows by its gap that it is not any more."""
        if self._ledger is None:
            self._ledger = self._make()
        if self._broken and self._lost:
            self._last_seq = self._ledger.gap(self._lost)
            self._mended()
        elif self._broken or not self._last_seq:
            self._last_seq = self._ledger.found()
            self._mended()
        return self._ledger

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        if not self._broken:
            what = "calls go on unrecorded" if self._is_open_on_failure else "calls are refused"
            _LOGGER.error("audit log %s: %s; %s", self.path, reason, what)
        self._broken = f"audit log {self.path}: {reason}"

    def _mended(self) -> None:
        if self._broken:
            _LOGGER.warning("audit log %s is written again, %d lost", self.path, self._lost)
        self._broken, self._lost = "", 0

    # Syncing

    def _settle(self, seq: int) -> None:
        """Wait until a record is on the disk.

        Raises:
            AuditFailed: it is not, and `on_failure` is ``closed``.
        """
        try:
            self._sync(seq)
        except OSError as error:
            self.failed += 1
            self._fail(error)
            if not self._is_open_on_failure:
                raise AuditFailed(self._broken) from error

    def _sync(self, seq: int) -> None:
        if self._synced_seq >= seq:
            return
        with self._sync_lock:  # whoever waits here finds it done by the one before, mostly
            if self._synced_seq >= seq:
                return
            with self._lock:
                if self._ledger is None:
                    return
                last, descriptor = self._last_seq, self._ledger.duplicate()
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._synced_seq = last

    def _sync_late(self) -> None:
        with self._lock:
            self._timer = None
            last = self._last_seq
        try:
            self._sync(last)
        except OSError as error:
            self._fail(error)

    def _files_that_may_go(self, full: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
        most = len(full) if self._keep_files is None else self._keep_files
        gone = full[: max(0, len(full) - most)]
        if self._keep_days is None:
            return gone
        before_s = time.time() - self._keep_days * _DAY_S
        old = list(itertools.takewhile(lambda one: one[1].stat().st_mtime < before_s, full))
        return old if len(old) > len(gone) else gone


def _remade(path: str, arguments: dict[str, Any]) -> AuditLog:
    return AuditLog(path, **arguments)


def _refuse(reason: str) -> None:
    raise AuditFailed(f"{reason}; the answer is in error.partial")


def _check(path: Path, arguments: dict[str, Any]) -> None:
    choices = {
        "content": ("none", "hashed", "full"),
        "fsync": ("always", "interval", "never"),
        "on_failure": ("closed", "open"),
    }
    for name, known in choices.items():
        if arguments[name] not in known:
            words = ", ".join(map(repr, known))
            raise RequestError(f"AuditLog: {name} takes {words}, not {arguments[name]!r}")
    for name in ("fsync_interval_s", "max_bytes", "max_age_s", "keep_days"):
        value = arguments[name]
        if value is not None and not value > 0:
            raise RequestError(f"AuditLog: {name} takes a number above 0, not {value!r}")
    if arguments["keep_files"] is not None and arguments["keep_files"] < 1:
        raise RequestError("AuditLog: keep_files takes 1 or more, or None")
    if arguments["key"] is not None and len(arguments["key"]) < 16:
        raise RequestError("AuditLog: key takes at least 16 random bytes")
    if not path.parent.is_dir():
        raise RequestError(f"AuditLog: there is no directory {str(path.parent)!r}; make it first")
