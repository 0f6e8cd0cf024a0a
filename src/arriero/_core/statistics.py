"""`Statistics`: what a client has done so far, as one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arriero._core.policy.breaker import Key, State
from arriero._core.sketch import Sketch, Spread

if TYPE_CHECKING:
    from arriero._core.gate import Gate
    from arriero._core.progress import Progress
    from arriero._core.witnesses import Witnesses


@dataclass(slots=True)
class Counts:
    """Counters of one client, while they run."""

    started: int = 0
    ok: int = 0
    cancelled: int = 0
    failed: Counter[str] = field(default_factory=Counter[str])
    tries: int = 0
    decisions: Counter[str] = field(default_factory=Counter[str])
    queued_s: float = 0.0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    spent_s: Sketch = field(default_factory=Sketch)
    first_record_s: Sketch = field(default_factory=Sketch)
    load_s: Sketch = field(default_factory=Sketch)
    tokens_per_s: Sketch = field(default_factory=Sketch)

    def add(self, progress: Progress, last: Any, now_s: float) -> None:
        """Count a call that is over; `last` has the server's counts."""
        outcome, error = progress.outcome, progress.error
        self.tries += progress.tries
        self.queued_s += progress.queued_s
        if progress.first_record_s is not None:
            self.first_record_s.add(progress.first_record_s)
        if outcome == "ok":
            self.ok += 1
            self.spent_s.add(now_s - progress.started_s)
            self._add_counts(last)
        elif outcome == "cancelled":
            self.cancelled += 1
        else:
            self.failed[type(error).__name__] += 1

    def _add_counts(self, last: Any) -> None:
        self.prompt_tokens += getattr(last, "prompt_eval_count", None) or 0
        tokens = getattr(last, "eval_count", None) or 0
        self.answer_tokens += tokens
        writing_ns = getattr(last, "eval_duration", None)
        if tokens and writing_ns:
            self.tokens_per_s.add(tokens * 1e9 / writing_ns)
        load_ns = getattr(last, "load_duration", None)
        if load_ns:
            self.load_s.add(load_ns / 1e9)


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What `Cache` did; all zero without one. Hits, misses and coalesced calls are calls that
    might have shared an answer; others are not counted."""

    hits: int = 0
    misses: int = 0
    stores: int = 0
    evictions: int = 0
    """Entries that made room for others; Redis does not tell."""
    coalesced: int = 0
    """Calls that got the answer of another that was under way."""
    errors: int = 0
    """How often the store could not be used; each was a miss."""
    entries: int | None = 0
    """Answers kept now; None if the store is not in this process."""
    size_bytes: int | None = 0


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections to one host."""

    in_use: int = 0
    """They serve a call, a stream until its end; or are being made for one."""
    idle: int = 0
    """Kept for the next call, `Pool.keep_idle` at most."""

    @property
    def open(self) -> int:
        """All of them."""
        return self.in_use + self.idle

    def __add__(self, other: Connections) -> Connections:
        return Connections(self.in_use + other.in_use, self.idle + other.idle)


@dataclass(frozen=True, slots=True)
class Statistics:
    """One moment of a client, since it was made. Counts of calls add up:
    ``started == running + waiting + ok + cancelled + sum(failed.values())``, but for calls
    that neither wait nor run at this very moment.
    """

    started: int
    ok: int
    cancelled: int
    failed: Mapping[str, int]
    """By the name of the error's class."""
    tries: int
    retries: int
    requeued: int
    """Calls put back into the queue by a 503, with an adaptive limit."""
    resumed: int
    """Cut streams that were continued."""
    refused: int
    """Calls that found no place in the queue, or waited too long."""
    running: int
    """Calls that hold a permit; 0 without `Limits`."""
    waiting: int
    limit: int | None
    """How many may run at a time now; None without a limit."""
    queued_s: float
    """Time all calls together waited in the queue."""
    prompt_tokens: int
    answer_tokens: int
    breakers: Mapping[Key, State]
    """By host and model; those that have seen a call."""
    observer_errors: int
    rate_errors: int
    """How often rates that others share could not be asked for."""
    cache: CacheStatistics
    spent_s: Spread
    """Seconds of the calls that went well, from beginning to end, waits included."""
    first_record_s: Spread
    """Seconds until the first record of a stream, waits included."""
    load_s: Spread
    """Seconds the server spent on loading the model, as it says itself."""
    tokens_per_s: Spread
    """Tokens of an answer by the second, as the server says itself."""
    audit_written: int
    """Records in the audit log, of all clients that share it."""
    audit_failed: int
    """Records the audit log could not take."""
    connections: Mapping[str, Connections] = field(default_factory=dict[str, Connections])
    """By origin; those made through a proxy count for the host behind it. Empty over an
    `httpx` client, which keeps its own."""

    def __str__(self) -> str:
        """Give it in a few lines, for whoever is woken at night."""
        failed = sum(self.failed.values())
        of_what = "".join(f", {name} {count}" for name, count in sorted(self.failed.items()))
        lines = [
            f"calls: {self.started} started, {self.ok} ok, {failed} failed{of_what},"
            f" {self.cancelled} cancelled, {self.refused} refused",
            f"tries: {self.tries}, {self.retries} retries, {self.requeued} requeued,"
            f" {self.resumed} resumed",
            f"now: {self.running} running, {self.waiting} waiting, limit {self.limit or 'none'};"
            f" {self.queued_s:.3g} s waited in all",
            f"tokens: {self.prompt_tokens} in, {self.answer_tokens} out,"
            f" {_shown(self.tokens_per_s, '/s')}",
            f"time: {_shown(self.spent_s, ' s')}",
            f"first record: {_shown(self.first_record_s, ' s')}",
            f"model load: {_shown(self.load_s, ' s')}",
            f"cache: {self.cache.hits} hits, {self.cache.misses} misses,"
            f" {self.cache.coalesced} coalesced, {self.cache.stores} stored,"
            f" {self.cache.errors} errors",
            f"audit: {self.audit_written} written, {self.audit_failed} failed;"
            f" observers: {self.observer_errors} errors; shared rates: {self.rate_errors} errors",
        ]
        lines += [
            f"connections: {host} {held.in_use} in use, {held.idle} idle"
            for host, held in sorted(self.connections.items())
        ] or ["connections: none"]
        lines += [
            f"breaker: {host} {model or '-'} is {state}"
            for (host, model), state in sorted(self.breakers.items())
        ]
        return "\n".join(lines)


def _shown(spread: Spread, unit: str) -> str:
    if not spread.count:
        return "none yet"
    return (
        f"p50 {spread.p50:.3g}{unit}, p90 {spread.p90:.3g}{unit}, p99 {spread.p99:.3g}{unit},"
        f" max {spread.max:.3g}{unit}"
    )


def snapshot(
    counts: Counts,
    witnesses: Witnesses,
    gate: Gate,
    cache: CacheStatistics,
) -> Statistics:
    """Give what the counters show at this moment."""
    journal, queue, circuits, shared = witnesses.journal, gate.queue, gate.circuits, gate.shared
    return Statistics(
        started=counts.started,
        ok=counts.ok,
        cancelled=counts.cancelled,
        failed=dict(counts.failed),
        tries=counts.tries,
        retries=counts.decisions["again"],
        requeued=counts.decisions["requeued"],
        resumed=counts.decisions["resumed"],
        refused=gate.refused,
        running=queue.running if queue is not None else 0,
        waiting=queue.waiting if queue is not None else 0,
        limit=queue.limit if queue is not None else None,
        queued_s=counts.queued_s,
        prompt_tokens=counts.prompt_tokens,
        answer_tokens=counts.answer_tokens,
        breakers=circuits.states() if circuits is not None else {},
        rate_errors=shared.errors if shared is not None else 0,
        cache=cache,
        observer_errors=witnesses.errors,
        spent_s=counts.spent_s.spread(),
        first_record_s=counts.first_record_s.spread(),
        load_s=counts.load_s.spread(),
        tokens_per_s=counts.tokens_per_s.spread(),
        audit_written=journal.written if journal is not None else 0,
        audit_failed=journal.failed if journal is not None else 0,
    )
