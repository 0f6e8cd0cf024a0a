"""Apply a plan to one host, roll a change back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arriero.errors import ArrieroError, RequestError
from arriero.lifecycle.journal import UNKNOWN, Change
from arriero.lifecycle.lockfile import Lock
from arriero.lifecycle.plan import Plan, Step, steps_for
from arriero.lifecycle.survey import HostState, listed, surveyed
from arriero.lifecycle.transaction import Manner, ended, taken
from arriero.lifecycle.wanted import Wanted
from arriero.lifecycle.work import Work, noted


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a plan."""

    changes: tuple[Change, ...] = ()
    """Entries of the journal, host by host."""
    failures: Mapping[str, ArrieroError] | None = None
    """Why a host failed; its old models go on serving."""
    skipped: tuple[str, ...] = ()
    """Hosts that were not begun, as too many had failed."""

    @property
    def ok(self) -> bool:
        """True if every host was done."""
        return not self.failures and not self.skipped


def recovered(host: str) -> Work[list[Change]]:
    """Finish or undo what a crash left open on a host."""
    opened = yield from noted(lambda journal: journal.entries(host=host, only_open=True))
    made: list[Change] = []
    for change in reversed(opened):
        made.append((yield from ended(change, "ended by a later run")))
    return made


def applied(plan: Plan, host: str, manner: Manner) -> Work[list[Change]]:
    """Take the steps of one host, in order, until one fails.

    Raises:
        ArrieroError: why it failed; `partial` has the changes made before.
    """
    made = yield from recovered(host)
    steps: Sequence[Step] = plan.on(host)
    if made:
        # What was finished or undone may have changed what there is to do.
        state = yield from surveyed(host, plan.wanted.on(host), plan.lock)
        refused = {step.model for step in steps if step.action == "refuse"}
        anew = steps_for(plan.wanted, plan.lock, state)
        steps = [step for step in anew if step.model not in refused]
    for step in steps:
        if not step.changes:
            continue
        try:
            made.append((yield from taken(step, manner)))
        except ArrieroError as error:
            error.partial = tuple(made)
            raise
    return made


def rolled_back(change: Change, manner: Manner) -> Work[Change]:
    """Bring a name back to what it was before a change.

    Raises:
        RequestError: the change is open, changed nothing, or what was there before is gone.
    """
    if change.is_open:
        raise RequestError(f"entry {change.id} is not ended: run 'arriero models apply' first")
    if change.before == UNKNOWN:
        raise RequestError(f"{change.host} did not say what was there before entry {change.id}")
    state = yield from listed()
    now = state.digest_of(change.model)
    if now == change.before:
        raise RequestError(
            f"{change.model} on {change.host} is what it was before entry {change.id} already"
        )
    source = state.with_digest(change.before) if change.before else None
    if change.before and source is None:
        raise RequestError(
            f"{change.model} cannot go back to {change.before}: {change.host} no longer has it."
            " Pull or create it again, with its digest in models.toml; 'apply' keeps what it"
            " replaces, single commands do with --keep"
        )
    step = Step(
        change.host,
        change.model,
        "switch" if change.before else "remove",
        before=now,
        wanted=change.before,
        source=source or "",
        because=f"rollback of {change.id}",
    )
    return (yield from taken(step, manner))


def state_of(host: str, wanted: Wanted, lock: Lock) -> Work[HostState]:
    """Give what is on a host, for a plan."""
    return (yield from surveyed(host, wanted.on(host), lock))
