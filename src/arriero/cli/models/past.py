"""`arriero models history`, `rollback`, `prune`, `diff`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arriero.cli.amounts import bytes_of, duration_of, when
from arriero.cli.exits import ExitCode
from arriero.cli.models.group import models
from arriero.cli.models.provision import (
    JournalFile,
    journal_of,
    plain,
    provisioner_of,
    record_of,
)
from arriero.cli.session import Session, command
from arriero.errors import RequestError

if TYPE_CHECKING:
    from arriero.lifecycle import Change, Journal, Provisioner
    from arriero.lifecycle.comparing import Side

_ENDED = ("done", "failed", "interrupted")
"""States of changes that may have left another model than there was before."""

OnHost = Annotated[
    list[str] | None,
    typer.Option("--on", metavar="HOST", help="Host; repeatable. Without it: --host."),
]


@command(models)
def history(
    session: Session,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Only changes of this one.")
    ] = None,
    limit: Annotated[int, typer.Option("-n", metavar="N", min=1, help="At most so many.")] = 20,
    journal: JournalFile = None,
) -> None:
    """Show what was changed, when and by whom, newest first. Asks no server."""
    from arriero._core.registry import checked_name

    name = None if model is None else checked_name(model, "history").shortest
    entries = journal_of(journal).entries(model=name, limit=limit)
    out = session.out
    if out.as_json:
        out.document({"changes": [record_of(one) for one in entries]})
        return
    now = datetime.now(UTC)
    rows = [_row(one, now) for one in entries]
    # What a narrow window has no room for goes from the right.
    out.table(["ID", "WHEN", "MODEL", "ACTION", "STATE", "DIGEST", "TOOK", "HOST", "WHO"], rows)
    if not out.quiet:
        out.lines(f"{one.id}: {one.error}" for one in entries if one.error)


def _row(change: Change, now: datetime) -> list[str]:
    took = change.duration_s
    return [
        str(change.id),
        when(datetime.fromtimestamp(change.began_s, UTC), now),
        change.model,
        change.action if change.reason in ("apply", "") else f"{change.action} ({change.reason})",
        change.state,
        f"{_short(change.before)} -> {_short(change.after)}",
        "-" if took is None else duration_of(took),
        change.host,
        change.who,
    ]


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12] or "none"


@command(models)
def rollback(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(metavar="MODEL|ID", help="Model whose last change, or number of the entry."),
    ],
    journal: JournalFile = None,
) -> None:
    """Bring a model back to what it was before a change.

    Works as long as the host has the old model, which it has until `prune`. Going back is a
    change of its own, which can be rolled back in turn.
    """
    book = journal_of(journal)
    change = _chosen(book, what)
    with provisioner_of(session, book, [change.host]) as provisioner:
        made = provisioner.rollback(change)
    if session.out.as_json:
        session.out.document(record_of(made))
    else:
        session.out.text(
            f"{made.host}  {made.model}  {_short(made.before)} -> {_short(change.before)}"
        )


def _chosen(book: Journal, what: str) -> Change:
    from arriero._core.registry import checked_name

    if what.isdecimal():
        return book.entry(int(what))
    name = checked_name(what, "rollback").shortest
    ended = (one for one in book.entries(model=name) if one.state in _ENDED)
    change = next((one for one in ended if one.before != one.after), None)
    if change is None:
        raise RequestError(f"{book.path} has no change of {name} that could be undone")
    return change


@command(models)
def prune(
    session: Session,
    on: OnHost = None,
    keep: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many old ones of each model stay.")
    ] = 1,
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="How old one has to be to go.")
    ] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    journal: JournalFile = None,
) -> None:
    """Delete models that were replaced. What goes cannot be rolled back to."""
    with provisioner_of(session, journal_of(journal), on or ()) as provisioner:
        gone = provisioner.prune(keep=keep, older_than=timedelta(days=older_than), dry_run=dry_run)
    out = session.out
    if out.as_json:
        named = {host: [one.name for one in entries] for host, entries in gone.items()}
        out.document({"dry_run": dry_run, "deleted": named})
        return
    word = "would go" if dry_run else "deleted"
    for host, entries in gone.items():
        for entry in entries:
            # What it shares with others stays, so nobody can say what becomes free.
            out.text(f"{host}  {entry.name}  {word}  up to {bytes_of(entry.size)}")
    out.remark(f"{sum(map(len, gone.values()))} {word}.")


@command(models)
def diff(
    session: Session,
    first: Annotated[str, typer.Argument(metavar="SIDE", help="Lock file or host.")],
    second: Annotated[str, typer.Argument(metavar="SIDE", help="Lock file or host.")],
) -> None:
    """Show how two locks, two hosts, or a lock and a host differ. Ends with 10 if they do."""
    from arriero.lifecycle import difference

    hosts = [side for side in (first, second) if not Path(side).is_file()]
    with provisioner_of(session, journal_of(None), hosts) as provisioner:
        found = difference(_side(provisioner, first), _side(provisioner, second))
    out = session.out
    if out.as_json:
        out.document({"differences": [plain(one) for one in found]})
    elif not out.quiet:
        signs = {"added": "+", "removed": "-", "changed": "~"}
        out.lines(
            f"{signs[one.kind]} {one.model}  {'; '.join(one.details)}".rstrip() for one in found
        )
    if found:
        raise typer.Exit(ExitCode.CHANGES)


def _side(provisioner: Provisioner, side: str) -> Side:
    from arriero._core.host import parse_host
    from arriero.lifecycle import read_lock, side_of_lock

    if Path(side).is_file():
        return side_of_lock(read_lock(side))
    if side.endswith((".lock", ".json")):
        raise RequestError(f"{side}: there is no such file")
    return provisioner.side(parse_host(side).url)
