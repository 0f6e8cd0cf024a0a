"""Which models that were replaced may go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from arriero._core.registry import checked_name
from arriero.lifecycle.journal import Change, Journal
from arriero.lifecycle.survey import KEPT, STAGED, Entry, HostState, folded, listed
from arriero.lifecycle.transaction import Delete, act
from arriero.lifecycle.work import Work, noted


def prunable(
    state: HostState,
    *,
    now: datetime,
    keep: int,
    older_than: timedelta,
    in_use: Iterable[str] = (),
) -> list[Entry]:
    """Give the kept models that may go, oldest first, and temporary names nobody needs.

    Args:
        state: What is on the host.
        now: The time, with a zone.
        keep: How many of each model stay, the newest.
        older_than: How old one has to be.
        in_use: Names that open changes need.
    """
    used = {folded(name) for name in in_use if name}
    by_model: dict[str, list[Entry]] = {}
    found: list[Entry] = []
    for name, entry in state.entries.items():
        parts = checked_name(entry.name, "prune")
        if name in used:
            continue
        if parts.namespace == STAGED:
            found.append(entry)
        elif parts.namespace == KEPT:
            by_model.setdefault(parts.model.lower(), []).append(entry)
    for entries in by_model.values():
        entries.sort(key=lambda one: _age(one, now))
        found += [one for one in entries[keep:] if _age(one, now) >= older_than]
    return sorted(found, key=lambda one: _age(one, now), reverse=True)


def _age(entry: Entry, now: datetime) -> timedelta:
    return timedelta.max if entry.modified_at is None else now - entry.modified_at


def candidates(host: str, *, now: datetime, keep: int, older_than: timedelta) -> Work[list[Entry]]:
    """Look for what may go on a host."""
    opened = yield from noted(lambda journal: journal.entries(host=host, only_open=True))
    used = [name for one in opened for name in (one.staged, one.kept, one.landing_kept)]
    state = yield from listed()
    return prunable(state, now=now, keep=keep, older_than=older_than, in_use=used)


def pruned(host: str, entries: Iterable[Entry]) -> Work[list[Change]]:
    """Delete models that may go, and write it down."""
    made: list[Change] = []
    for entry in entries:
        change = Change(host, entry.name, "delete", "prune", "running", before=entry.digest)
        change = yield from noted(partial(_begun, change=change))
        yield from act(Delete(entry.name))
        made.append((yield from noted(partial(_done, change=change))))
    return made


def _begun(journal: Journal, change: Change) -> Change:
    return journal.begin(change)


def _done(journal: Journal, change: Change) -> Change:
    return journal.advance(change, "done")
