"""Arguments that name a model, and their completion in the shell."""

from __future__ import annotations

import os
from typing import Annotated

import typer

_PATIENCE_S = 1.0
"""A shell that waits longer for a completion seems to hang."""


def complete_model(incomplete: str) -> list[str]:
    """Give the names of the server's models that begin with `incomplete`.

    Whatever goes wrong gives none: a completion has nowhere to tell it.
    """
    from arriero import ArrieroError, Client, Timeouts

    budgets = Timeouts(connect_s=_PATIENCE_S, first_token_s=_PATIENCE_S, total_s=_PATIENCE_S)
    try:
        with Client(os.environ.get("OLLAMA_HOST"), timeouts=budgets) as client:
            names = [model.model or "" for model in client.list().models]
    except ArrieroError:
        return []
    # Shells break words at colons, but a name without its tag means the same model.
    names += [name.removesuffix(":latest") for name in names]
    return sorted({name for name in names if name.startswith(incomplete)})


ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Name, with tag if not :latest.", autocompletion=complete_model
    ),
]
ModelNames = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL", help="Names, with tag if not :latest.", autocompletion=complete_model
    ),
]
