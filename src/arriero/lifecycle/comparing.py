"""How two sides differ: locks, or hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arriero._core.registry import checked_name
from arriero.lifecycle.facts import Facts, differences
from arriero.lifecycle.lockfile import Lock
from arriero.lifecycle.survey import KEPT, STAGED, HostState

Side = Mapping[str, "Known"]


@dataclass(frozen=True, slots=True)
class Known:
    """What a side says of one model."""

    digest: str = ""
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One model that is not the same on both sides."""

    model: str
    kind: str
    """``added``: only the second side has it. ``removed``: only the first. ``changed``."""
    details: tuple[str, ...] = ()


def side_of_lock(lock: Lock) -> Side:
    """Give what a lock says."""
    return {name: Known(one.digest, one.facts) for name, one in lock.models.items()}


def side_of_host(state: HostState) -> Side:
    """Give what a host has, leaving out what only transactions need."""
    return {
        entry.name: Known(entry.digest)
        for entry in state.entries.values()
        if checked_name(entry.name, "diff").namespace not in (KEPT, STAGED)
    }


def difference(first: Side, second: Side) -> list[Difference]:
    """Say how two sides differ, by name. A digest that one side does not know is no difference."""
    found: list[Difference] = []
    for name in sorted({*first, *second}):
        one, other = first.get(name), second.get(name)
        if one is None or other is None:
            found.append(Difference(name, "added" if one is None else "removed"))
            continue
        details: list[str] = []
        if one.digest and other.digest and one.digest != other.digest:
            details.append(f"digest {one.digest[7:19]} -> {other.digest[7:19]}")
        if one.facts is not None and other.facts is not None:
            details += differences(other.facts, one.facts)
        if details:
            found.append(Difference(name, "changed", tuple(details)))
    return found
