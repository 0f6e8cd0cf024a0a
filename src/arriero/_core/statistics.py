"""`Statistics`: what a client has done so far, as one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arriero._core.policy.breaker import State


@dataclass(slots=True)
class Counts:
    """Counters of one client, while they run."""

    started: int = 0
    ok: int = 0
    cancelled: int = 0
    failed: dict[str, int] = field(default_factory=dict[str, int])
    tries: int = 0
    retries: int = 0
    requeued: int = 0
    resumed: int = 0
    refused: int = 0
    queued_s: float = 0.0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    observer_errors: int = 0


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
    breakers: Mapping[tuple[str, str], State]
    """By host and model; those that have seen a call."""
    observer_errors: int
