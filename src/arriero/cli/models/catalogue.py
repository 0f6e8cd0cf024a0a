"""`arriero models list`, `show`, `copy`, `delete`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from arriero.cli.amounts import bytes_of, when
from arriero.cli.models.group import models
from arriero.cli.models.provision import JournalFile
from arriero.cli.models.recording import Keep, NoJournal, recorded
from arriero.cli.names import ModelName, ModelNames, complete_model
from arriero.cli.session import Session, command

if TYPE_CHECKING:
    from arriero import ShowResponse


@command(models, "list")
def list_models(
    session: Session,
    beginning: Annotated[
        str,
        typer.Argument(
            metavar="BEGINNING",
            help="Only models whose names begin so.",
            autocompletion=complete_model,
        ),
    ] = "",
) -> None:
    """List the models the server has, newest first."""
    out, answer = session.out, session.client.list()
    answer.models = [one for one in answer.models if (one.model or "").startswith(beginning)]
    if out.as_json:
        out.document({"models": [one.model_dump(mode="json") for one in answer.models]})
        return
    if out.quiet:
        for model in answer.models:
            out.text(model.model or "")
        return
    now = datetime.now(UTC)
    rows = [
        [
            model.model or "",
            bytes_of(model.size),
            when(model.modified_at, now),
            (model.digest or "")[:12],
        ]
        for model in answer.models
    ]
    out.table(["NAME", "SIZE", "MODIFIED", "DIGEST"], rows)


@command(models)
def show(
    session: Session,
    model: ModelName,
    modelfile: Annotated[
        bool, typer.Option("--modelfile", help="Show only a Modelfile that would make it.")
    ] = False,
    template: Annotated[
        bool, typer.Option("--template", help="Show only its prompt template.")
    ] = False,
    system: Annotated[bool, typer.Option("--system", help="Show only its system text.")] = False,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="Show only its parameters.")
    ] = False,
    licence: Annotated[bool, typer.Option("--license", help="Show only its licence.")] = False,
) -> None:
    """Show what a model is made of and what it can do."""
    answer, out = session.client.show(model), session.out
    wanted = {
        "modelfile": modelfile,
        "template": template,
        "system": system,
        "parameters": parameters,
        "license": licence,
    }
    chosen = [name for name, is_wanted in wanted.items() if is_wanted]
    if out.as_json:
        everything = answer.model_dump(mode="json")
        out.document({name: everything.get(name) for name in chosen} if chosen else everything)
    elif chosen:
        out.text("\n".join((getattr(answer, name) or "").rstrip() for name in chosen))
    else:
        out.text(sheet_of(answer))


def sheet_of(answer: ShowResponse) -> str:
    """Give the facts of a model, one a line, then its longer texts."""
    details = answer.details
    facts = {
        "architecture": details and details.family,
        "parameters": details and details.parameter_size,
        "quantization": details and details.quantization_level,
        "context length": answer.context_length,
        "capabilities": ", ".join(answer.capabilities or ()),
        "runs at": answer.remote_host,
        "needs Ollama": answer.requires,
    }
    lines = [f"{name:<16}{value}" for name, value in facts.items() if value]
    for title, text in (
        ("Parameters", answer.parameters),
        ("System", answer.system),
        ("Licence", answer.license),
    ):
        if text and text.strip():
            lines += ["", title, *(f"  {line}" for line in text.strip().splitlines()[:8])]
            more = len(text.strip().splitlines()) - 8
            lines += [f"  ({more} more lines)"] if more > 0 else []
    return "\n".join(lines)


@command(models)
def copy(
    session: Session,
    source: ModelName,
    target: Annotated[
        str, typer.Argument(metavar="NAME", help="Second name; a model of that name is replaced.")
    ],
    keep: Keep = False,
    journal: JournalFile = None,
    no_journal: NoJournal = False,
) -> None:
    """Give a model a second name."""
    with recorded(session, "copy", target, journal, no_journal=no_journal, keep=keep):
        session.client.copy(source, target)
    _tell(session, target, "copied", f"Copied {source} to {target}.")


@command(models)
def delete(
    session: Session,
    names: ModelNames,
    keep: Keep = False,
    journal: JournalFile = None,
    no_journal: NoJournal = False,
) -> None:
    """Delete models, and what no other model needs of them. Stops at the first failure."""
    for name in names:
        with recorded(session, "delete", name, journal, no_journal=no_journal, keep=keep):
            session.client.delete(name)
        _tell(session, name, "deleted", f"Deleted {name}.")


def _tell(session: Session, model: str, status: str, text: str) -> None:
    if session.out.as_json:
        session.out.line({"model": model, "status": status})
    session.out.remark(text)
