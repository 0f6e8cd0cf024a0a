"""`arriero config ...`: what a file and the environment make of a client, and what is wrong."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from arriero.cli.amounts import counted
from arriero.cli.exits import ExitCode
from arriero.cli.printable import one_line
from arriero.cli.session import Session, command
from arriero.errors import ArrieroError

if TYPE_CHECKING:
    from arriero._config.checking import Problem
    from arriero._config.effective import Effective

config = typer.Typer(
    no_args_is_help=True, help="Show and check settings from a file. No server is asked."
)

File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="Instead of ARRIERO_CONFIG, or the nearest arriero.toml or pyproject.toml upward.",
    ),
]


@command(config, "show")
def show(
    session: Session,
    file: File = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Instead of ARRIERO_PROFILE, or default.")
    ] = None,
) -> None:
    """Show every setting of a client, and where each comes from.

    Of secrets, it shows where they are; exit code 1 if one is not there. With --quiet: only what
    is no default.
    """
    from arriero._config.effective import effective
    from arriero._config.reading import file_named, read_profile

    found = file_named(file, os.environ)
    read = read_profile(found, profile, os.environ)
    settings = [one for one in effective(read) if not session.out.quiet or one.source != "default"]
    missing = sum(bool(one.missing) for one in settings)
    if session.out.as_json:
        shown = [dataclasses.asdict(one) for one in settings]
        session.out.document({"file": str(found), "profile": read.profile, "settings": shown})
    else:
        lacks = f", {missing} of its secrets missing" if missing else ""
        session.out.remark(f"{found}, profile {read.profile}{lacks}")
        rows = [[one.name, one_line(_value(one)), one.where or one.source] for one in settings]
        session.out.table(["SETTING", "VALUE", "FROM"], rows)
    if missing:
        raise typer.Exit(ExitCode.FAILED)


def _value(one: Effective) -> str:
    return f"<missing: {one.missing}>" if one.missing else _told(one.value)


def _told(value: object) -> str:
    """Write a value as a file would have it, without quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_told, cast("list[object]", value))) or "none"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return ", ".join(f"{name}={_told(one)}" for name, one in pairs) or "none"
    return str(value)


@command(config, "check")
def check(
    session: Session,
    file: File = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this profile; without it, all.")
    ] = None,
) -> None:
    """Find all that is wrong with a file and the environment over it.

    Unknown names, wrong values, secrets that are not where the file says, settings that do not
    fit each other. Exit code 1 if there is something; 2 if there is no file.
    """
    from arriero._config.checking import checked
    from arriero._config.reading import file_named

    found = file_named(file, os.environ)
    made = checked(found, profile, os.environ)
    problems = {name: said or _of_client(found, name) for name, said in made.items()}
    is_good = not any(problems.values())
    if session.out.as_json:
        listed = [
            {"profile": name, "where": one.where, "text": one.text}
            for name, said in problems.items()
            for one in said
        ]
        session.out.document(
            {"file": str(found), "ok": is_good, "profiles": list(problems), "problems": listed}
        )
    else:
        for said in problems.values():
            for one in said:
                session.out.text(one_line(str(one)))
        state = "all is well" if is_good else counted(sum(map(len, problems.values())), "problem")
        session.out.remark(f"{found}, profiles {', '.join(filter(None, problems))}: {state}")
    if not is_good:
        raise typer.Exit(ExitCode.FAILED)


def _of_client(file: Path, profile: str) -> list[Problem]:
    """Make a client of a profile, which looks at how its settings fit; nothing is sent."""
    from arriero import Client
    from arriero._config.checking import Problem

    try:
        Client.from_config(file, profile=profile).close()
    except ArrieroError as error:
        text = str(error).removeprefix(f"{file}: ")
        return [Problem(profile, text)]
    return []
