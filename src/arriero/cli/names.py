"""Arguments that name a model, and their completion in the shell."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer

from arriero._core.known_models import nearest
from arriero.errors import ModelNotFound

_PATIENCE_S = 1.0
"""A shell that waits longer for a completion seems to hang."""

_NAMED = re.compile(r"""model ['"]([^'"]+)['"] not found""")


def names_at(host: str | None) -> list[str]:
    """Give the names of a server's models; none if it does not tell them at once."""
    from arriero import ArrieroError, Client, Timeouts

    budgets = Timeouts(connect_s=_PATIENCE_S, first_token_s=_PATIENCE_S, total_s=_PATIENCE_S)
    try:
        with Client(host, timeouts=budgets) as client:
            return [model.model or "" for model in client.list().models]
    except ArrieroError:
        return []


def complete_model(incomplete: str) -> list[str]:
    """Give the names of the server's models that begin with `incomplete`.

    Whatever goes wrong gives none: a completion has nowhere to tell it.
    """
    names = names_at(os.environ.get("OLLAMA_HOST"))
    # Shells break words at colons, but a name without its tag means the same model.
    names += [name.removesuffix(":latest") for name in names]
    return sorted({name for name in names if name.startswith(incomplete)})


def advise(error: ModelNotFound, host: str) -> None:
    """Add to an error which model may have been meant, or where to look."""
    found = _NAMED.search(error.error)
    if found is None or "nearest known" in error.error:
        return
    here = names_at(host)
    near = [name for name in nearest(found[1], here) if f"{name}:latest" in here or name in here]
    if near:
        error.add_note(f"did you mean {' or '.join(near)}?")
    else:
        error.add_note("'arriero models list' shows what there is, 'models pull' fetches more")


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
