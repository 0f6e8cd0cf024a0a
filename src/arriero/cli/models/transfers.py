"""`arriero models pull`, `push`, `create`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arriero.cli.inputs import text_of
from arriero.cli.models.group import models
from arriero.cli.models.provision import JournalFile
from arriero.cli.models.recording import Keep, NoJournal, recorded
from arriero.cli.names import ModelName, ModelNames, complete_model
from arriero.cli.pairs import options_of
from arriero.cli.progress import follow, follow_pull
from arriero.cli.session import Session, command
from arriero.errors import RequestError

Insecure = Annotated[
    bool, typer.Option("--insecure", help="Let the server speak plain http to the registry.")
]


@command(models)
def pull(
    session: Session,
    names: ModelNames,
    insecure: Insecure = False,
    keep: Keep = False,
    journal: JournalFile = None,
    no_journal: NoJournal = False,
) -> None:
    """Have the server download models.

    Ctrl-C stops; the server keeps what has arrived, and the same command goes on from there.
    """
    for name in names:
        session.out.remark(f"Pulling {name} to {session.client.host}")
        with (
            recorded(session, "pull", name, journal, no_journal=no_journal, keep=keep),
            session.client.pull(name, insecure=insecure or None, stream=True) as steps,
        ):
            follow_pull(session.out, name, steps)


@command(models)
def push(
    session: Session,
    name: ModelName,
    insecure: Insecure = False,
    journal: JournalFile = None,
    no_journal: NoJournal = False,
) -> None:
    """Have the server upload a model to the registry in its name."""
    with (
        recorded(session, "push", name, journal, no_journal=no_journal),
        session.client.push(name, insecure=insecure or None, stream=True) as steps,
    ):
        follow(session.out, steps)


@command(models)
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new model.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Model to build on; pulled if the server does not have it.",
            autocompletion=complete_model,
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="GGUF", help="Weights, instead of --from; repeatable."),
    ] = None,
    adapters: Annotated[
        list[Path] | None,
        typer.Option("--adapter", metavar="GGUF", help="LoRA adapter; repeatable."),
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System text.")] = None,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prompt template, in Go's syntax.")
    ] = None,
    licence: Annotated[
        list[Path] | None,
        typer.Option("--license", metavar="FILE", help="Text of a licence; repeatable."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", "-p", metavar="NAME=VALUE", help="Option it will have; repeatable."
        ),
    ] = None,
    quantize: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Quantize to this, such as Q4_K_M.")
    ] = None,
    keep: Keep = False,
    journal: JournalFile = None,
    no_journal: NoJournal = False,
) -> None:
    """Have the server build a model, from another one or GGUF files.

    A model of the same name is replaced once the new one is whole.
    """
    if (base is None) == (not files):
        raise RequestError("create takes --from MODEL or --file GGUF: one of them")
    with (
        recorded(session, "create", name, journal, no_journal=no_journal, keep=keep),
        session.client.create(
            name,
            quantize,
            base,
            _uploaded(session, files),
            _uploaded(session, adapters),
            template=None if template is None else text_of(template),
            license=[text_of(path) for path in licence or ()] or None,
            system=system,
            parameters=options_of(parameter),
            stream=True,
        ) as steps,
    ):
        follow(session.out, steps)


def _uploaded(session: Session, paths: list[Path] | None) -> dict[str, str] | None:
    """Upload files the server does not have; give their names and digests."""
    digests: dict[str, str] = {}
    for path in paths or ():
        session.out.remark(f"Uploading {path}")
        digests[path.name] = session.client.create_blob(path)
    return digests or None
