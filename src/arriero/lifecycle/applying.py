"""Apply a plan to one host, verify one, roll one back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arriero._core.api import ensure, models
from arriero.errors import ArrieroError, RequestError, VerificationFailed
from arriero.lifecycle.journal import UNKNOWN, Change
from arriero.lifecycle.lockfile import Lock
from arriero.lifecycle.plan import Plan, Step, steps_for
from arriero.lifecycle.survey import HostState, listed, surveyed
from arriero.lifecycle.transaction import Manner, ended, taken
from arriero.lifecycle.wanted import Wanted
from arriero.lifecycle.work import Ask, Work, asked, noted


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


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one model on one host."""

    host: str
    model: str
    check: str = ""
    """What failed: ``missing``, ``digest``, ``recipe``, ``layers``, ``show``, ``smoke``; "" if
    nothing did."""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return not self.check


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


def verified(wanted: Wanted, lock: Lock, host: str, *, smoke: bool) -> Work[list[Finding]]:
    """Check every model that belongs on a host; nothing is changed."""
    state = yield from surveyed(host, wanted.on(host), lock)
    findings: list[Finding] = []
    for step in steps_for(wanted, lock, state):
        finding = _of_step(step)
        if finding.ok:
            finding = yield from _looked_into(step, smoke=smoke)
        findings.append(finding)
    return findings


def _of_step(step: Step) -> Finding:
    if not step.before:
        return Finding(step.host, step.model, "missing", "it is not there")
    if step.action == "keep":
        return Finding(step.host, step.model)
    check = "recipe" if step.entry is not None and step.entry.is_made else "digest"
    return Finding(step.host, step.model, check, "; ".join(step.reasons))


def _looked_into(step: Step, *, smoke: bool) -> Work[Finding]:
    assert step.locked is not None
    assert step.entry is not None
    try:
        for kind, digest in step.locked.blobs:
            if not (yield from asked(models.blob_exists(digest))):
                reason = f"{kind} layer {digest} is not there"
                return Finding(step.host, step.model, "layers", reason)
        yield Ask(lambda target: ensure.verified(target, step.model, step.before, None, None))
        for test in step.entry.smoke if smoke else ():
            yield Ask(lambda target, test=test: ensure.smoked(target, step.model, test.test()))  # type: ignore[misc]
    except VerificationFailed as error:
        return Finding(step.host, step.model, error.check, error.reason)
    return Finding(step.host, step.model)


def state_of(host: str, wanted: Wanted, lock: Lock) -> Work[HostState]:
    """Give what is on a host, for a plan."""
    return (yield from surveyed(host, wanted.on(host), lock))
