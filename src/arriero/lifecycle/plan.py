"""A plan: what has to be done so that each host has what is locked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from arriero.lifecycle.facts import Facts, differences, facts_of, text_digest
from arriero.lifecycle.journal import Change
from arriero.lifecycle.licences import refused
from arriero.lifecycle.lockfile import Lock, LockedModel
from arriero.lifecycle.preflight import Check
from arriero.lifecycle.survey import HostState
from arriero.lifecycle.wanted import Wanted, WantedModel

Action: TypeAlias = Literal["keep", "pull", "create", "switch", "remove", "refuse"]
"""``keep`` does nothing; ``switch`` goes to a model that is on the host under another name;
``remove`` takes the name away, for a rollback; ``refuse`` would do something and may not."""


@dataclass(frozen=True, slots=True)
class Step:
    """What has to be done with one model on one host."""

    host: str
    model: str
    action: Action
    before: str = ""
    """Digest it has now; "" if it is not there."""
    wanted: str = ""
    """Digest it will have; "" for a made model, whose digest its server decides."""
    reasons: tuple[str, ...] = ()
    """What differs; for ``refuse``, why not."""
    download_bytes: int | None = None
    """What a pull brings; None if nobody knows."""
    source: str = ""
    """Name it is pulled under, made from, or already there under."""
    entry: WantedModel | None = None
    locked: LockedModel | None = None
    checks: tuple[Check, ...] = ()
    """What the preflight found."""
    because: str = "apply"
    """What goes into the journal."""

    @property
    def changes(self) -> bool:
        """True if applying it would change the host."""
        return self.action not in ("keep", "refuse")


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps for every host, in the order in which each host's are taken."""

    steps: tuple[Step, ...]
    wanted: Wanted
    lock: Lock
    unfinished: tuple[Change, ...] = ()
    """Changes that a crash left open: they are finished or undone first."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts with something to do or to say."""
        named = [step.host for step in self.steps] + [one.host for one in self.unfinished]
        return tuple(dict.fromkeys(named))

    @property
    def changes(self) -> tuple[Step, ...]:
        """Steps that would change something."""
        return tuple(step for step in self.steps if step.changes)

    @property
    def refused(self) -> tuple[Step, ...]:
        """Steps that may not be taken."""
        return tuple(step for step in self.steps if step.action == "refuse")

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to do and nothing was refused."""
        return not (self.changes or self.refused or self.unfinished)

    def on(self, host: str) -> tuple[Step, ...]:
        """Give the steps of one host."""
        return tuple(step for step in self.steps if step.host == host)


def steps_for(wanted: Wanted, lock: Lock, state: HostState) -> Iterator[Step]:
    """Decide what to do on one host, bases before what is made of them."""
    for model in wanted.on(state.host):
        locked = lock.models[model.name]
        step = _made(model, locked, state) if model.is_made else _pulled(model, locked, state)
        yield _allowed(step, model, locked)


def _pulled(model: WantedModel, locked: LockedModel, state: HostState) -> Step:
    before = state.digest_of(model.name)
    base = Step(state.host, model.name, "keep", before, locked.digest, entry=model, locked=locked)
    if before == locked.digest:
        return base
    reasons = (f"{_short(before)} -> {_short(locked.digest)}",) if before else ()
    there = state.with_digest(locked.digest)
    if there is not None:
        return _with(base, "switch", reasons, there, 0)
    download = state.missing_bytes.get(model.name)
    return _with(base, "pull", reasons, model.pull_name, download)


def _made(model: WantedModel, locked: LockedModel, state: HostState) -> Step:
    before = state.digest_of(model.name)
    base = Step(state.host, model.name, "keep", before, entry=model, locked=locked)
    shown = state.shown.get(model.name)
    if not before or shown is None:
        return _with(base, "create", (), locked.base, 0)
    found = facts_of(shown)
    reasons = differences(expected_of(model, locked), found, shown, model.template)
    return _with(base, "create", reasons, locked.base, 0) if reasons else base


def expected_of(model: WantedModel, locked: LockedModel) -> Facts:
    """Give what a made model must show: its recipe over the facts of its base."""
    base = locked.facts
    return Facts(
        weights=tuple(locked.files[name] for name in model.files) or base.weights,
        adapters=tuple(locked.files[name] for name in model.adapters) or base.adapters,
        parameters={**base.parameters, **model.parameters},
        template=text_digest(model.template) or base.template,
        system=text_digest(model.system) or base.system,
    )


def _with(
    step: Step, action: Action, reasons: Sequence[str], source: str, download: int | None
) -> Step:
    return dataclasses.replace(
        step, action=action, reasons=tuple(reasons), source=source, download_bytes=download
    )


def _allowed(step: Step, model: WantedModel, locked: LockedModel) -> Step:
    if not step.changes:
        return step
    if model.licences is not None and not locked.licences:
        reason = "its licence is unknown: lock it where the registry or a host can be asked"
        return _with(step, "refuse", (reason,), step.source, step.download_bytes)
    outside = refused(locked.licences, model.licences)
    if not outside:
        return step
    allowed = ", ".join(model.licences or ())
    reason = f"licence {', '.join(outside)} is not allowed (allowed: {allowed or 'none'})"
    return _with(step, "refuse", (reason,), step.source, step.download_bytes)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
