"""`Statistics`: what a client has done so far, as one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arriero._core.policy.breaker import Key, State
from arriero._core.policy.concurrency import Queue
from arriero.errors import ArrieroError


@dataclass(slots=True)
class Counts:
    """Counters of one client, while they run."""

    started: int = 0
    ok: int = 0
    cancelled: int = 0
    failed: Counter[str] = field(default_factory=Counter[str])
    tries: int = 0
    decisions: Counter[str] = field(default_factory=Counter[str])
    refused: int = 0
    queued_s: float = 0.0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    observer_errors: int = 0

    def add(self, outcome: str, error: ArrieroError | None, last: Any) -> None:
        """Count a call that is over; `last` has the server's counts."""
        if outcome == "ok":
            self.ok += 1
            self.prompt_tokens += getattr(last, "prompt_eval_count", None) or 0
            self.answer_tokens += getattr(last, "eval_count", None) or 0
        elif outcome == "cancelled":
            self.cancelled += 1
        else:
            self.failed[type(error).__name__] += 1


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
    cache: CacheStatistics


def snapshot(
    counts: Counts,
    queue: Queue | None,
    breakers: Mapping[Key, State],
    cache: CacheStatistics,
) -> Statistics:
    """Give what the counters show at this moment."""
    return Statistics(
        started=counts.started,
        ok=counts.ok,
        cancelled=counts.cancelled,
        failed=dict(counts.failed),
        tries=counts.tries,
        retries=counts.decisions["again"],
        requeued=counts.decisions["requeued"],
        resumed=counts.decisions["resumed"],
        refused=counts.refused,
        running=queue.running if queue is not None else 0,
        waiting=queue.waiting if queue is not None else 0,
        limit=queue.limit if queue is not None else None,
        queued_s=counts.queued_s,
        prompt_tokens=counts.prompt_tokens,
        answer_tokens=counts.answer_tokens,
        breakers=breakers,
        observer_errors=counts.observer_errors,
        cache=cache,
    )
