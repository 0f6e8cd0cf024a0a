"""A model that is not there yet: pulled only if somebody says so."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from arriero.cli.models.recording import recorded
from arriero.cli.printable import printable
from arriero.cli.progress import follow_pull
from arriero.errors import ModelNotFound

if TYPE_CHECKING:
    from arriero.cli.session import Session


def make_present(session: Session, model: str, *, pulls: bool) -> None:
    """See that the server has a model.

    Args:
        session: With whom to talk.
        model: Which.
        pulls: True pulls it without asking; else a person at a terminal is asked.

    Raises:
        ModelNotFound: it is not there, and is not to be pulled.
    """
    try:
        session.client.show(model)
    except ModelNotFound:
        if not pulls and not _wants(model):
            raise
        with (
            recorded(session, "pull", model, reason="chat"),
            session.client.pull(model, stream=True) as steps,
        ):
            follow_pull(session.out, model, steps)


def _wants(model: str) -> bool:
    """Ask whether to pull; nobody there means no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"The server has no {printable(model)}. Pull it? [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
