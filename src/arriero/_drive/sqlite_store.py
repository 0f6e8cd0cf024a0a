"""Answers kept in an SQLite file, which threads and processes may share.

What is lost is only a saving, so nothing here raises: a file that cannot be used counts as
empty, and is warned of once.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from arriero._transport.notice import warn_once
from arriero.settings import Cache

T = TypeVar("T")

_MARK = 0x41525243
"""``application_id``: "ARRC". What has it not is somebody's file and not touched."""

_MARK_AT = 68
"""Where a file has it."""

_TOUCH_S = 60.0
"""An entry that is read is marked as used once a minute at most: marking takes a write."""

_SCHEMA = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {_MARK};
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, until_s REAL NOT NULL, used_s REAL NOT NULL);
CREATE INDEX IF NOT EXISTS by_use ON answers (used_s);
CREATE TABLE IF NOT EXISTS total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON answers BEGIN
    UPDATE total SET entries = entries + 1, bytes = bytes + length(NEW.value); END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON answers BEGIN
    UPDATE total SET entries = entries - 1, bytes = bytes - length(OLD.value); END;
COMMIT;
"""  # noqa: S608  # ours


class SqliteStore:
    """Keeps what was used last, as much as there is room for.

    Attributes:
        evictions: Entries that this client removed to make room.
        errors: How often the file could not be used.
    """

    def __init__(self, cache: Cache, *, clock: Callable[[], float] = time.time) -> None:
        assert cache.path is not None
        self._cache = cache
        self._path = os.fspath(cache.path)
        self._clock = clock
        self._is_closed = False
        self.evictions = 0
        self.errors = 0
        self.forget()

    def __del__(self) -> None:
        self.close()

    def forget(self) -> None:
        """In a child after a fork: a connection must not be used in two processes."""
        # Nor closed here, which would drop the locks of the parent: it is let go of.
        self._inherited = getattr(self, "_connection", None)
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._retry_s = 0.0

    def get(self, key: str) -> bytes | None:
        """Give what is kept under a key; None if nothing is."""
        return self._do(lambda connection: self._get(connection, key))

    def put(self, key: str, value: bytes) -> bool:
        """Keep something, unless it alone is too large; True if it is kept."""
        if len(value) > self._cache.max_bytes:
            return False
        return self._do(lambda connection: self._put(connection, key, value)) is True

    def size(self) -> tuple[int | None, int | None]:
        """Give None: the file is others' too, and asking takes a read."""
        return None, None

    def close(self) -> None:
        """Close the file."""
        self._is_closed = True
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _get(self, connection: sqlite3.Connection, key: str) -> bytes | None:
        now_s = self._clock()
        query = "SELECT value, until_s, used_s FROM answers WHERE key = ?"
        found: tuple[bytes, float, float] | None = connection.execute(query, (key,)).fetchone()
        if found is None or now_s >= found[1]:
            return None
        if now_s - found[2] > _TOUCH_S:
            with contextlib.suppress(sqlite3.OperationalError):  # others write: another time
                connection.execute("UPDATE answers SET used_s = ? WHERE key = ?", (now_s, key))
        return found[0]

    def _put(self, connection: sqlite3.Connection, key: str, value: bytes) -> bool:
        cache, now_s = self._cache, self._clock()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("DELETE FROM answers WHERE key = ? OR until_s <= ?", (key, now_s))
            row = (key, value, now_s + cache.ttl_s, now_s)
            connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", row)
            evicted = 0
            while self._is_full(connection):
                oldest = "SELECT key FROM answers ORDER BY used_s LIMIT 1"
                connection.execute(f"DELETE FROM answers WHERE key = ({oldest})")  # noqa: S608  # ours
                evicted += 1
            connection.execute("COMMIT")
            self.evictions += evicted
            return True
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _is_full(self, connection: sqlite3.Connection) -> bool:
        entries, size_bytes = connection.execute("SELECT entries, bytes FROM total").fetchone()
        return bool(entries > self._cache.max_entries or size_bytes > self._cache.max_bytes)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        with self._lock:
            if self._is_closed or time.monotonic() < self._retry_s:
                return None
            try:
                return work(self._opened())
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                return None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            # Made before SQLite does, which gives its own files beside it the same mode.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(
                self._path,
                timeout=self._cache.timeout_s,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # In this order: whoever makes the tables leaves the mark in the same step.
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        if mark != _MARK and tables:
            raise OSError("it is the database of another program")
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL a crash of the machine loses the last entries, and never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        if mark != _MARK:
            connection.executescript(_SCHEMA)

    def _failed(self, error: sqlite3.Error | OSError) -> None:
        self.errors += 1
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return  # others write, for longer than `timeout_s`
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        is_damaged = name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
        if is_damaged and self._is_ours():
            self._set_aside()
            return
        self._retry_s = time.monotonic() + 1.0
        reason = "it is no cache" if is_damaged else getattr(error, "strerror", None) or str(error)
        warn_once(f"Cache.path: {self._path!r} is not used: {reason}")

    def _is_ours(self) -> bool:
        """Look at the mark itself, as SQLite reads nothing of a damaged file.

        Source: sqlite.org/fileformat.html, section 1.3.
        """
        try:
            with open(self._path, "rb") as file:
                head = file.read(_MARK_AT + 4)
        except OSError:
            return False
        return head.startswith(b"SQLite format 3\0") and head[_MARK_AT:] == _MARK.to_bytes(4)

    def _set_aside(self) -> None:
        aside = f"{self._path}.damaged-{int(time.time())}-{os.getpid()}"
        with contextlib.suppress(OSError):
            os.replace(self._path, aside)
            for ending in ("-wal", "-shm"):  # they belong to the damaged file
                with contextlib.suppress(OSError):
                    os.replace(self._path + ending, aside + ending)
            warn_once(f"Cache.path: {self._path!r} is damaged; it is now {aside!r}")


class Awaited:
    """A store for tasks: the file is read and written on other threads."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.forget, self.size, self.close = store.forget, store.size, store.close

    @property
    def evictions(self) -> int:
        """As of the store."""
        return self._store.evictions

    @property
    def errors(self) -> int:
        """As of the store."""
        return self._store.errors

    async def get(self, key: str) -> bytes | None:
        """As of the store."""
        import asyncio

        return await asyncio.to_thread(self._store.get, key)

    async def put(self, key: str, value: bytes) -> bool:
        """As of the store."""
        import asyncio

        return await asyncio.to_thread(self._store.put, key, value)
