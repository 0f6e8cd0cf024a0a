"""What the commands on managed models share: files, hosts, the journal."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arriero.cli.amounts import counted
from arriero.cli.session import Session
from arriero.errors import RequestError

if TYPE_CHECKING:
    from arriero import Client
    from arriero.lifecycle import Change, Journal, Lock, Provisioner, Wanted

File = Annotated[
    Path,
    typer.Option("--file", "-f", metavar="FILE", help="What is wanted. See docs/models.md."),
]
LockFile = Annotated[
    Path | None,
    typer.Option("--lock", metavar="FILE", help="The lock; without it, beside --file."),
]
Frozen = Annotated[
    bool,
    typer.Option("--frozen", help="Fail if the lock does not fit, instead of mending it: for CI."),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", envvar="ARRIERO_JOURNAL", help="The journal; without it, the user's own."
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="HOST", help="Only this host of the file; repeatable."),
]

WANTED = Path("models.toml")


def journal_of(path: Path | None) -> Journal:
    """Give the journal a command writes to."""
    from arriero.lifecycle import Journal

    return Journal(path)


def wanted_of(path: Path) -> Wanted:
    """Read what is wanted."""
    from arriero.lifecycle import read_wanted

    if not path.exists():
        raise RequestError(
            f"there is no {path}: it says which models are wanted, see docs/models.md;"
            " --file names another"
        )
    return read_wanted(path)


def lock_path(file: Path, lock: Path | None) -> Path:
    """Give where the lock is."""
    return file.with_name("models.lock") if lock is None else lock


@contextmanager
def provisioner_of(
    session: Session, journal: Journal, hosts: Iterable[str] = (), only: Iterable[str] = ()
) -> Generator[Provisioner]:
    """Give a provisioner for some hosts, or for the session's own if there are none.

    Raises:
        RequestError: `only` names a host that is not among them.
    """
    from arriero._core.host import parse_host
    from arriero.lifecycle import Provisioner

    urls = {parse_host(host).url: host for host in hosts}
    chosen = {parse_host(host).url for host in only}
    if unknown := chosen - (set(urls) or {session.client.host}):
        raise RequestError(f"--only: {', '.join(sorted(unknown))} is no host of the file")
    with ExitStack() as stack:
        clients = [
            stack.enter_context(_client(session, host))
            for url, host in urls.items()
            if not chosen or url in chosen
        ]
        yield Provisioner(clients or [session.client], journal=journal)


def _client(session: Session, host: str) -> Client:
    from arriero import Client

    return Client(host, timeouts=session.client.timeouts)


def locked_for(
    session: Session, provisioner: Provisioner, wanted: Wanted, path: Path, *, frozen: bool
) -> Lock:
    """Give a lock that fits, mended and written unless `frozen`.

    Raises:
        RequestError: `frozen`, and the lock is stale.
    """
    from arriero.lifecycle import read_lock
    from arriero.lifecycle.lockfile import require_fresh

    old = read_lock(path)
    if frozen:
        require_fresh(old, wanted)
    if not old.stale(wanted):
        return old
    lock = provisioner.lock(wanted, old)
    lock.write(path)
    session.out.remark(f"Locked {counted(len(lock.models), 'model')} in {path}.")
    return lock


def record_of(change: Change) -> dict[str, Any]:
    """Give an entry of the journal as JSON has it."""
    names = ("id", "host", "model", "action", "reason", "state", "before", "after", "error", "who")
    record = {name: getattr(change, name) for name in names}
    seconds = change.duration_s
    return record | {
        "began_s": change.began_s,
        "duration_s": None if seconds is None else round(seconds, 3),
    }


def plain(value: Any) -> dict[str, Any]:
    """Give a small record of ours as JSON has it."""
    return dataclasses.asdict(value)
