"""The group itself, which the modules with its commands import."""

import typer

models = typer.Typer(no_args_is_help=True, help="List, fetch, build and delete models.")
