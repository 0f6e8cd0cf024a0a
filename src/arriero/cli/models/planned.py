"""`arriero models lock`, `plan`, `apply`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arriero.cli.amounts import counted
from arriero.cli.exits import ExitCode
from arriero.cli.models.group import models
from arriero.cli.models.plan_text import plan_lines, plan_record
from arriero.cli.models.provision import (
    WANTED,
    File,
    Frozen,
    JournalFile,
    LockFile,
    Only,
    journal_of,
    lock_path,
    locked_for,
    provisioner_of,
    record_of,
    wanted_of,
)
from arriero.cli.models.stopped import shown_end
from arriero.cli.session import Session, command
from arriero.errors import ApplyFailed, RequestError

if TYPE_CHECKING:
    from arriero.lifecycle import Plan, Provisioner, Report

Force = Annotated[
    bool,
    typer.Option("--ignore-preflight", help="Go on where the disk seems too small."),
]


@command(models)
def lock(
    session: Session,
    file: File = WANTED,
    lock_file: LockFile = None,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest version of every model.")
    ] = False,
    only_models: Annotated[
        list[str] | None,
        typer.Option("--upgrade-model", metavar="MODEL", help="Only of this one; repeatable."),
    ] = None,
    frozen: Frozen = False,
) -> None:
    """Pin every wanted model to a version, in models.lock.

    What is pinned already stays. Else it is what the first host has; if that has none, or with
    --upgrade, what the registry has, which is asked from here. Nothing is pulled.
    """
    from arriero.lifecycle import difference, read_lock, side_of_lock
    from arriero.lifecycle.lockfile import require_fresh

    wanted, path = wanted_of(file), lock_path(file, lock_file)
    old = read_lock(path)
    if frozen:
        require_fresh(old, wanted)
        new = old
    else:
        with provisioner_of(session, journal_of(None), wanted.hosts) as provisioner:
            names = [_known(name, wanted.models) for name in only_models or ()]
            new = provisioner.lock(wanted, old, upgrade=upgrade or names)
        new.write(path)
    changed = difference(side_of_lock(old), side_of_lock(new))
    if session.out.as_json:
        session.out.document(
            {
                "lock": str(path),
                "changed": [one.model for one in changed],
                "models": len(new.models),
            }
        )
        return
    session.out.lines(
        f"{one.kind} {one.model}{': ' if one.details else ''}{', '.join(one.details)}"
        for one in changed
    )
    session.out.remark(f"{path}: {counted(len(new.models), 'model')}, {len(changed)} changed.")


def _known(name: str, models: Any) -> str:
    from arriero._core.registry import checked_name

    shortest = checked_name(name, "--upgrade-model").shortest
    if shortest not in models:
        raise RequestError(f"--upgrade-model: {name} is not in the file")
    return shortest


@command(models)
def plan(
    session: Session,
    file: File = WANTED,
    lock_file: LockFile = None,
    frozen: Frozen = False,
    only: Only = None,
    journal: JournalFile = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 10 if there is something to do.")
    ] = False,
    ignore_preflight: Force = False,
) -> None:
    """Show what 'apply' would do, and why. Changes nothing on a host."""
    wanted = wanted_of(file)
    with provisioner_of(session, journal_of(journal), wanted.hosts, only or ()) as provisioner:
        lock = locked_for(session, provisioner, wanted, lock_path(file, lock_file), frozen=frozen)
        made = provisioner.plan(wanted, lock, enforce_preflight=not ignore_preflight)
    _show(session, made)
    if made.refused:
        raise typer.Exit(ExitCode.REFUSED)
    if exit_code and not made.is_empty:
        raise typer.Exit(ExitCode.CHANGES)


def _show(session: Session, plan: Plan) -> None:
    if session.out.as_json:
        session.out.document(plan_record(plan))
    elif not session.out.quiet:
        session.out.lines(plan_lines(plan))


@command(models)
def apply(
    session: Session,
    file: File = WANTED,
    lock_file: LockFile = None,
    frozen: Frozen = False,
    only: Only = None,
    journal: JournalFile = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before.")] = False,
    parallel: Annotated[int, typer.Option(metavar="N", min=1, help="Most hosts at a time.")] = 1,
    max_failed: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0,
            max=1,
            help="Share of the hosts that may fail before no further one is begun.",
        ),
    ] = 0.0,
    ignore_preflight: Force = False,
) -> None:
    """Give every host what is locked.

    On each the old model serves until the new one is proven.
    What was broken off before is finished or undone first. Stops at the first host that fails,
    unless --max-failed says otherwise; there the old models go on serving. Ctrl-C undoes the
    step that is being taken, and ends with 130; a second one leaves that to the next apply.
    """
    wanted = wanted_of(file)
    with provisioner_of(session, journal_of(journal), wanted.hosts, only or ()) as provisioner:
        lock = locked_for(session, provisioner, wanted, lock_path(file, lock_file), frozen=frozen)
        made = provisioner.plan(wanted, lock, enforce_preflight=not ignore_preflight)
        if not session.out.as_json:
            _show(session, made)
        if made.refused:
            raise typer.Exit(ExitCode.REFUSED)
        if not yes and not made.is_empty:
            _agree()
        _apply(session, provisioner, made, parallel, max_failed)


def _agree() -> None:
    if not sys.stdin.isatty():
        raise RequestError("apply asks before it changes anything; here nobody can answer: --yes")
    if not typer.confirm("Apply this plan?", err=True):
        raise typer.Exit(ExitCode.FAILED)


def _apply(
    session: Session, provisioner: Provisioner, plan: Plan, parallel: int, max_failed: float
) -> None:
    from arriero.cli.models.steps import shown_steps

    with shown_end(session, provisioner.journal, plan), shown_steps(session.out) as on_step:
        try:
            report = provisioner.apply(
                plan, parallel=parallel, max_failed=max_failed, on_step=on_step
            )
        except ApplyFailed as error:
            _tell(session, error.report)
            raise
    _tell(session, report)


def _tell(session: Session, report: Report) -> None:
    failures = report.failures or {}
    if session.out.as_json:
        session.out.document(
            {
                "ok": report.ok,
                "interrupted": False,
                "changes": [record_of(change) for change in report.changes],
                "failures": {host: str(error) for host, error in failures.items()},
                "skipped": list(report.skipped),
            }
        )
        return
    session.out.lines(
        f"{change.host}  {change.model}  {change.action}: {change.state}"
        for change in report.changes
    )
    if not report.changes and not failures:
        return
    done = sum(change.state == "done" for change in report.changes)
    session.out.remark(f"Applied: {done} changed, {counted(len(failures), 'host')} failed.")
