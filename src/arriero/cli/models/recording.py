"""What single commands do to models, written into the journal."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arriero.cli.session import Session
from arriero.errors import ArrieroError, RequestError

if TYPE_CHECKING:
    from arriero.lifecycle.recording import RecordedAction

NoJournal = Annotated[bool, typer.Option("--no-journal", help="Do not write it into the journal.")]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep",
        help="Keep the model that is replaced or deleted until 'prune', for 'rollback'.",
    ),
]


@contextmanager
def recorded(
    session: Session,
    action: RecordedAction,
    model: str,
    journal: Path | None = None,
    *,
    no_journal: bool = False,
    keep: bool = False,
    reason: str = "command",
) -> Generator[None]:
    """Write what a block does to a model of the session's server into the journal.

    The block runs whether or not that works; a failure is told on stderr.

    Args:
        session: Whose server.
        action: What the block does.
        model: The name it changes.
        journal: File; None is the user's own.
        no_journal: True writes nothing.
        keep: True keeps the model that is there for `rollback`.
        reason: Who asks, as `history` shows it.

    Raises:
        RequestError: `keep` without a journal.
    """
    from arriero.lifecycle import Journal, Provisioner

    if no_journal:
        if keep:
            raise RequestError("--keep is for 'rollback', which needs the journal: no --no-journal")
        yield
        return

    def lost(error: ArrieroError) -> None:
        session.out.warning(
            f"this {action} of {model} is not recorded (--no-journal does without): {error}"
        )

    provisioner = Provisioner(session.client, journal=Journal(journal))
    with provisioner.recording(action, model, reason=reason, keep=keep, on_lost=lost):
        yield
