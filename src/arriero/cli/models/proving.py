"""`arriero models ensure`, `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from arriero.cli.amounts import bytes_of
from arriero.cli.exits import ExitCode
from arriero.cli.models.findings import finding_lines
from arriero.cli.models.group import models
from arriero.cli.models.provision import (
    WANTED,
    File,
    JournalFile,
    LockFile,
    Only,
    journal_of,
    lock_path,
    plain,
    provisioner_of,
    wanted_of,
)
from arriero.cli.models.recording import Keep, NoJournal, recorded
from arriero.cli.models.transfers import Insecure
from arriero.cli.names import ModelNames
from arriero.cli.progress import progress_of
from arriero.cli.session import Session, command
from arriero.errors import RequestError


@command(models)
def ensure(
    session: Session,
    names: ModelNames,
    digest: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Version it has to be; for a single MODEL."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Question it has to answer.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="What has to be found in the answer to --prompt."),
    ] = None,
    insecure: Insecure = False,
    keep: Keep = False,
    journal: JournalFile = None,
    no_journal: NoJournal = False,
) -> None:
    """Pull models unless they are there, and check them.

    Each is asked a question if one is given.
    A pull that breaks or stalls goes on where it stopped. Ends well only if every model is there.
    """
    from arriero import SmokeTest

    if digest is not None and len(names) > 1:
        raise RequestError("--digest is for a single MODEL")
    if expect is not None and prompt is None:
        raise RequestError("--expect needs --prompt: what is asked")
    smoke = () if prompt is None else (SmokeTest(prompt, expect),)
    out, client = session.out, session.client
    for name in names:
        with (
            recorded(
                session,
                "pull",
                name,
                journal,
                no_journal=no_journal,
                keep=keep,
                reason="ensure",
            ),
            progress_of(out) as progress,
        ):
            made = client.ensure(
                name, digest=digest, smoke=smoke, insecure=insecure, on_progress=progress.take
            )
        if out.as_json:
            out.line(plain(made))
        word = "pulled" if made.pulled else "is there"
        out.remark(f"{made.model} {word}: {made.digest}, {bytes_of(made.size)}")


@command(models)
def verify(
    session: Session,
    file: File = WANTED,
    lock_file: LockFile = None,
    only: Only = None,
    smoke: Annotated[
        bool, typer.Option("--smoke/--no-smoke", help="Ask the smoke tests, or not.")
    ] = True,
    content: Annotated[
        bool,
        typer.Option(
            "--content", help="Read every file, too, where they are on this machine: takes time."
        ),
    ] = False,
) -> None:
    """Check that every host has what is locked, and answering. Changes nothing.

    Says of each model what was checked and what was not; of another machine's files only that
    they are there can be known. Ends with 9 if a model is not as it is locked.
    """
    from arriero.lifecycle import read_lock

    wanted = wanted_of(file)
    lock = read_lock(lock_path(file, lock_file))
    with provisioner_of(session, journal_of(None), wanted.hosts, only or ()) as provisioner:
        found = provisioner.verify(wanted, lock, smoke=smoke, content=content)
    out, bad = session.out, [one for one in found if not one.ok]
    if out.as_json:
        out.document({"ok": not bad, "findings": [plain(one) | {"ok": one.ok} for one in found]})
    elif shown := bad if out.quiet else found:
        out.lines(finding_lines(shown))
    if bad:
        raise typer.Exit(ExitCode.BROKEN)
