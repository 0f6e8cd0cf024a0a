"""The commands together, and what holds for all of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from arriero import __version__
from arriero.cli.demo import demo
from arriero.cli.serve import serve
from arriero.errors import ArrieroError


class _Commands(TyperGroup):
    """Commands whose errors of ours are one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ArrieroError as error:
            text = " ".join(str(error).split())
            typer.echo(f"arriero: {text}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: pipes, logs and docs/cli.md show the same
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"arriero {__version__}")
        raise typer.Exit


@app.callback()
def arriero(
    version: Annotated[
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
