"""What stands after an `apply` that was stopped, by the journal."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from arriero.cli.exits import ExitCode
from arriero.cli.models.provision import record_of
from arriero.cli.printable import complain
from arriero.errors import ArrieroError

if TYPE_CHECKING:
    from arriero.cli.session import Session
    from arriero.lifecycle import Change, Journal, Plan


@contextmanager
def shown_end(session: Session, journal: Journal, plan: Plan) -> Generator[None]:
    """Say what stands if Ctrl-C or SIGTERM ends the block, and end with their exit codes."""
    newest = max((entry.id for entry in journal.entries(limit=1)), default=0)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as signalled:
        code = ExitCode.INTERRUPTED
        if isinstance(signalled, SystemExit):
            code = ExitCode(int(str(signalled.code)))
        try:
            changes = [one for one in journal.entries() if one.id > newest][::-1]
        except ArrieroError:
            raise signalled from None
        _tell(session, plan, changes, code)
        raise typer.Exit(code) from signalled


def _tell(session: Session, plan: Plan, changes: Sequence[Change], code: ExitCode) -> None:
    text = stopped_text(changes)
    if not session.out.as_json:
        if sys.stderr.isatty():  # below what the terminal made of Ctrl-C
            print(file=sys.stderr)
        complain(text)
        return
    begun = {change.host for change in changes}
    session.out.document(
        {
            "ok": False,
            "interrupted": True,
            "changes": [record_of(change) for change in changes],
            "failures": {},
            "skipped": [host for host in plan.hosts if host not in begun],
        }
    )
    record = {"error": text, "type": "Interrupted", "exit_code": int(code), "retryable": True}
    print(json.dumps(record), file=sys.stderr)


def stopped_text(changes: Sequence[Change]) -> str:
    """Give the sentence for changes that were begun: what stands, and what to run next."""
    if any(change.is_open for change in changes):
        then = "'arriero models apply' finishes or undoes what was left, and does the rest"
    else:
        then = "'arriero models apply' does the rest"
    told = [
        f"{_names(changes, 'done')} done",
        f"{_names(changes, 'undone')} undone and as before",
        f"{_names(changes, 'open')} left in the middle, where every name is a whole model",
    ]
    stands = ", ".join(one for one in told if not one.startswith(" "))
    return f"stopped; {stands or 'nothing was changed'}; {then}"


def _names(changes: Sequence[Change], state: str) -> str:
    return ", ".join(
        f"{change.model} on {change.host}"
        for change in changes
        if ("open" if change.is_open else change.state) == state
    )
