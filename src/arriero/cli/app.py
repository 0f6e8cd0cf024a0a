"""The commands together, and what holds for all of them."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from arriero import __version__
from arriero.cli.audit import audit
from arriero.cli.bench import bench
from arriero.cli.chat import chat
from arriero.cli.config import config
from arriero.cli.demo import demo
from arriero.cli.doctor import doctor
from arriero.cli.embed import embed
from arriero.cli.exits import endings_told
from arriero.cli.models import models
from arriero.cli.printable import wrapped
from arriero.cli.run import run
from arriero.cli.running import ps, stop, version
from arriero.cli.serve import serve
from arriero.cli.session import command


class _Commands(TyperGroup):
    """Commands whose early endings are one line on stderr at most, and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with endings_told():
            try:
                return super().invoke(ctx)
            except _UsageError as error:
                _fit(error)
                raise


_UsageError: Any = typer.BadParameter.__bases__[0]
"""Typer brings a copy of Click in new versions, and needs Click itself in old ones."""


def _fit(error: Any) -> None:
    """Have an error of usage broken between words on a terminal."""
    if sys.stderr.isatty():
        line = wrapped(f"Error: {error.format_message()}", shutil.get_terminal_size().columns)
        error.format_message = lambda: line.removeprefix("Error: ")


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: pipes, logs and docs/cli.md show the same
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
command(app)(chat)
command(app)(run)
command(app)(embed)
command(app)(bench)
command(app)(ps)
command(app)(stop)
command(app)(doctor)
app.add_typer(models, name="models")
app.add_typer(audit, name="audit")
app.add_typer(config, name="config")
app.command()(serve)
app.command()(demo)
command(app)(version)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"arriero {__version__}")
        raise typer.Exit


@app.callback()
def arriero(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """The Ollama client for production, and an embedded server that speaks its protocol."""
