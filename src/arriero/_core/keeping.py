"""Waiting until the record of a call that is over is safe in the journal."""

from __future__ import annotations

from typing import Any

from arriero._core.calls import Call
from arriero._core.effects import Operation, Persist
from arriero._core.events import Outcome
from arriero._core.failures import described
from arriero._core.progress import Progress, Target
from arriero.errors import ArrieroError, AuditFailed


def kept(call: Call[Any], target: Target, progress: Progress, made: Any) -> Operation[None]:
    """Wait until the record of a call is safe, if there is anything to wait for.

    A call that went well is counted and told of after that: until then it may still fail.

    Raises:
        AuditFailed: it is not; what the call came to is in it.
    """
    receipt, progress.receipt = progress.receipt, None
    if receipt is None:
        return
    outcome: Outcome = "cancelled"
    failure: AuditFailed | None = None
    try:
        yield Persist(receipt)
        outcome = "ok"
    except AuditFailed as error:
        error.phase, error.partial = "body", made
        described(error, call=call.name, host=progress.host, attempts=progress.attempts)
        outcome, failure = "failed", error
        raise
    finally:
        target.governor.settled(progress, outcome, failure)


def noted(
    call: Call[Any], target: Target, progress: Progress, error: ArrieroError
) -> Operation[None]:
    """The same for a call that failed: its own error says more than ours."""
    try:
        yield from kept(call, target, progress, None)
    except AuditFailed as missing:
        error.add_note(f"and it is not in the audit log: {missing.reason}")
