"""The preflight of a plan's steps: what they bring, against what the host has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from arriero.lifecycle.journal import Load
from arriero.lifecycle.lockfile import LockedModel
from arriero.lifecycle.plan import Step
from arriero.lifecycle.preflight import Check, Machine, disk_check, memory_check

_WEIGHTS = ("model", "projector", "adapter")


def preflighted(
    steps: Iterable[Step], machine: Machine, loads: Sequence[Load], *, enforce: bool
) -> list[Step]:
    """Add to each step whether it will fit.

    Args:
        steps: Of one host, in order: a download leaves less disk for the next.
        machine: What the host has.
        loads: What it has held in memory before.
        enforce: Whether a disk that is too small refuses the step. Memory never does: what
            fills it now may be gone when the model is loaded.
    """
    made: list[Step] = []
    for step in steps:
        if not step.changes or step.locked is None or step.entry is None:
            made.append(step)
            continue
        checks = checks_of(step, step.locked, machine, loads)
        if machine.disk_free is not None:
            left = machine.disk_free - (step.download_bytes or 0)
            machine = dataclasses.replace(machine, disk_free=left)
        step = dataclasses.replace(step, checks=checks)
        disk = checks[0]
        if enforce and disk.verdict == "no":
            reason = f"{disk.what}: {disk.arithmetic}"
            step = dataclasses.replace(step, action="refuse", reasons=(reason,))
        made.append(step)
    return made


def checks_of(
    step: Step, locked: LockedModel, machine: Machine, loads: Sequence[Load]
) -> tuple[Check, ...]:
    """Ask of one step whether it will fit."""
    weights = sum(layer.size for layer in locked.layers if layer.kind in _WEIGHTS)
    context = step.entry.num_ctx if step.entry is not None else None
    memory = memory_check(weights, locked.facts.shape, context, machine, step.wanted, loads)
    return disk_check(step.download_bytes, machine), memory
