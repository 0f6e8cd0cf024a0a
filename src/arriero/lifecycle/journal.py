"""The journal: what was meant to be done, and what became of it.

An entry is written before the first act and again after each step, so that whoever finds it
after a crash can finish or undo what was begun. SQLite keeps it whole through a `kill -9` and
a power cut.
"""

from __future__ import annotations

import dataclasses
import getpass
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, cast

from arriero.errors import RequestError

State: TypeAlias = Literal[
    "begun", "staged", "proven", "running", "done", "undone", "failed", "interrupted"
]
"""``begun``: names are about to be touched. ``staged``: the new model has its temporary name.
``proven``: it passed every check, and may be switched to. ``running``: an act without a
transaction, such as a plain pull, goes on, or its process was killed. The others are ends:
``undone`` left everything as it was; ``failed`` and ``interrupted``, by Ctrl-C for one, are ends
of an act without a transaction."""

OPEN: tuple[State, ...] = ("begun", "staged", "proven")

UNKNOWN = "unknown"
"""In place of a digest that the host did not tell."""

_VERSION = 1
_BUSY_S = 30.0


@dataclass(frozen=True, slots=True)
class Change:
    """One entry."""

    host: str
    model: str
    """The name that is served."""
    action: str
    """``pull``, ``push``, ``create``, ``copy``, ``delete``, or ``switch`` to a model that was
    there already."""
    reason: str = ""
    """Who asked: ``apply``, ``rollback of 12``, ``command``."""
    state: State = "begun"
    before: str = ""
    """Digest before; "" if there was no such model, `UNKNOWN` if the host did not say."""
    wanted: str = ""
    """Digest that was wanted; "" if any would do."""
    after: str = ""
    """Digest after, as soon as it is known."""
    staged: str = ""
    """Temporary name of the new model."""
    kept: str = ""
    """Name of the old one."""
    keeps: bool = False
    """Whether this change made that name."""
    landing: str = ""
    """Name that is pulled, if one is."""
    landing_before: str = ""
    """Digest of that name before."""
    landing_kept: str = ""
    landing_keeps: bool = False
    error: str = ""
    who: str = ""
    began_s: float = 0.0
    """Seconds since the epoch."""
    ended_s: float = 0.0
    id: int = 0

    @property
    def is_open(self) -> bool:
        """True if the next `apply` has to finish or undo it."""
        return self.state in OPEN

    @property
    def duration_s(self) -> float | None:
        """Seconds it took; None if it has not ended."""
        return self.ended_s - self.began_s if self.ended_s else None


@dataclass(frozen=True, slots=True)
class Load:
    """How much memory a model took on a host."""

    host: str
    digest: str
    context_length: int
    size: int
    """Bytes."""
    size_vram: int
    """Bytes of them on a GPU."""
    at_s: float = 0.0


_FIELDS = tuple(field.name for field in dataclasses.fields(Change))
_COLUMNS = ", ".join(_FIELDS)
_SCHEMA = f"""
create table changes (
    {", ".join(f"{name} not null" for name in _FIELDS if name != "id")},
    id integer primary key autoincrement
);
create index changes_by_host on changes (host, model, id);
create table loads (
    host not null, digest not null, context_length not null, size not null,
    size_vram not null, at_s not null,
    primary key (host, digest, context_length)
);
"""


def default_path() -> Path:
    """Give where the journal is kept: `ARRIERO_JOURNAL`, else in the user's state folder."""
    if given := os.environ.get("ARRIERO_JOURNAL"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(state or Path.home() / ".local" / "state") / "arriero" / "journal.db"


def who() -> str:
    """Give who acts: user and machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container without a user of that number
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


class Journal:
    """A journal in one file. Threads and processes may share it.

    Args:
        path: The file; made with its folder when first written. None takes `default_path`.
        clock: Seconds since the epoch.
        durable: False does not wait for the disk: entries outlive a `kill -9`, and not a power
            cut.

    Raises, from every method: `RequestError` if the file cannot be read or written.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
        durable: bool = True,
    ) -> None:
        self.path = default_path() if path is None else Path(path)
        self._clock = clock
        self._durable = durable

    def __repr__(self) -> str:
        return f"<Journal {self.path}>"

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with closing(sqlite3.connect(self.path, timeout=_BUSY_S)) as database, database:
                if not self._durable:
                    database.execute("pragma synchronous = off")
                self._prepare(database)
                yield database
        except sqlite3.Error as cause:
            raise RequestError(f"journal {self.path}: {cause}") from cause
        except OSError as cause:
            raise RequestError(f"journal {self.path}: {cause.strerror}") from cause

    def _prepare(self, database: sqlite3.Connection) -> None:
        if self._version(database) == 0:
            # Of two that begin together, one finds the work done.
            database.execute("begin immediate")
            if self._version(database) == 0:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    database.execute(statement)
                database.execute(f"pragma user_version = {_VERSION}")
            database.commit()
        if self._version(database) != _VERSION:
            raise RequestError(f"journal {self.path}: another version of arriero wrote it")

    @staticmethod
    def _version(database: sqlite3.Connection) -> int:
        return int(database.execute("pragma user_version").fetchone()[0])

    def begin(self, change: Change) -> Change:
        """Write down what is about to be done, and give the entry with its number."""
        change = dataclasses.replace(change, began_s=self._clock(), who=change.who or who())
        names = [name for name in _FIELDS if name != "id"]
        marks = ", ".join("?" * len(names))
        with self._open() as database:
            cursor = database.execute(
                f"insert into changes ({', '.join(names)}) values ({marks})",  # noqa: S608  # our own names
                [getattr(change, name) for name in names],
            )
            return dataclasses.replace(change, id=cast("int", cursor.lastrowid))

    def advance(self, change: Change, state: State, *, after: str = "", error: str = "") -> Change:
        """Write down how far it has come, and give the entry as it is then."""
        change = dataclasses.replace(
            change,
            state=state,
            after=after or change.after,
            error=error,
            ended_s=0.0 if state in OPEN else self._clock(),
        )
        with self._open() as database:
            database.execute(
                "update changes set state = ?, after = ?, error = ?, ended_s = ? where id = ?",
                (change.state, change.after, change.error, change.ended_s, change.id),
            )
        return change

    def entries(
        self,
        *,
        host: str | None = None,
        model: str | None = None,
        only_open: bool = False,
        limit: int | None = None,
    ) -> list[Change]:
        """Give entries, newest first."""
        conditions: dict[str, Any] = {"host = ?": host, "model = ?": model}
        given = {text: value for text, value in conditions.items() if value is not None}
        where = [*given, *(["state in ('begun', 'staged', 'proven')"] if only_open else [])]
        query = (
            f"select {_COLUMNS} from changes"  # noqa: S608  # our own names
            f"{' where ' + ' and '.join(where) if where else ''} order by id desc limit ?"
        )
        return self._changes(query, [*given.values(), -1 if limit is None else limit])

    def entry(self, id: int) -> Change:
        """Give one entry. Raises `RequestError` if there is none of that number."""
        found = self._changes(f"select {_COLUMNS} from changes where id = ?", [id])  # noqa: S608  # our own names
        if not found:
            raise RequestError(f"the journal {self.path} has no entry {id}")
        return found[0]

    def _changes(self, query: str, values: Sequence[Any]) -> list[Change]:
        if not self.path.exists():
            return []
        with self._open() as database:
            rows = database.execute(query, values).fetchall()
        return [_change(dict(zip(_FIELDS, row, strict=True))) for row in rows]

    def record_load(self, load: Load) -> None:
        """Keep how much memory a model took."""
        with self._open() as database:
            database.execute(
                "insert or replace into loads values (?, ?, ?, ?, ?, ?)",
                (*dataclasses.astuple(load)[:-1], self._clock()),
            )

    def loads(self, host: str) -> list[Load]:
        """Give what is known of memory on a host."""
        if not self.path.exists():
            return []
        with self._open() as database:
            rows = database.execute(
                "select host, digest, context_length, size, size_vram, at_s from loads"
                " where host = ?",
                (host,),
            ).fetchall()
        return [Load(*row) for row in rows]

    def claim(self) -> Claim:
        """Keep others from changing models with this journal until the block is left.

        Raises:
            RequestError: somebody else does.
        """
        return Claim(self.path)


class Claim:
    """Held by one process at a time; gone with it, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}-claim")
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """Take it. Raises `RequestError`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The locks of SQLite end with their process, on every system.
            database = sqlite3.connect(self._path, timeout=0, check_same_thread=False)
        except (OSError, sqlite3.Error) as cause:
            raise RequestError(f"journal {self._path}: {cause}") from cause
        try:
            database.execute("begin exclusive")
        except sqlite3.Error as cause:
            database.close()
            raise RequestError(
                f"models are being changed by another process with the journal {self._path};"
                " wait for it to end"
            ) from cause
        self._database = database
        return self

    def __exit__(self, *exc: object) -> None:
        """Let it go."""
        if self._database is not None:
            self._database.rollback()
            self._database.close()
            self._database = None


def _change(row: dict[str, Any]) -> Change:
    for name in ("keeps", "landing_keeps"):
        row[name] = bool(row[name])
    return Change(**row)


def one_line(error: BaseException) -> str:
    """Give an error as an entry has it."""
    text = str(error).removesuffix(" (status code: -1)")  # in a stream, where there is none
    return " ".join(f"{type(error).__name__}: {text}".split())[:500]
