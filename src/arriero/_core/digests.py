"""Which files a model's name stands for, asked of its server once for many calls.

A name can be given to other weights at any time, so what was read is believed for `AGE_S`,
and forgotten at once when this client itself pulls, creates, copies or deletes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from arriero._core.calls import Call
from arriero._core.effects import Operation
from arriero._core.ndjson import RecordDecoder
from arriero._core.operations import Progress, Target, begun, exchanged
from arriero.errors import ArrieroError
from arriero.names import ConflictingSource, InvalidName, parse_name, split_source
from arriero.settings import Timeouts
from arriero.types.models import ListResponse

AGE_S = 300.0
"""How long a list is believed. Somebody else's pull shows at the latest after this."""

PAUSE_S = 30.0
"""How long a server is left alone that could not be asked."""

PATIENCE_S = 5.0
"""Longest a call is held up by the question; a list comes in milliseconds."""

_CHANGES = frozenset({"/api/pull", "/api/create", "/api/copy", "/api/delete"})

_LIST = RecordDecoder(ListResponse)


class Digests:
    """What is known of the models of each host. Its methods decide at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lists: dict[str, tuple[float, dict[str, str] | None]] = {}

    def needs_list(self, host: str) -> bool:
        """Tell whether the host should be asked now."""
        seen_s, listed = self._lists.get(host, (0.0, {}))
        age_s = self._clock() - seen_s
        return host not in self._lists or age_s >= (PAUSE_S if listed is None else AGE_S)

    def learn(self, host: str, listed: ListResponse | None) -> None:
        """Take in a list; None if there was none to be had."""
        known = None
        if listed is not None:
            known = {
                _folded(one.model or one.name or ""): one.digest or "" for one in listed.models
            }
        self._lists[host] = self._clock(), known

    def forget(self, call: Call[Any], host: str) -> None:
        """Take in a call that may have given a name to other files."""
        if call.path in _CHANGES:
            self._lists.pop(host, None)

    def of(self, host: str, model: str) -> tuple[str, float] | None:
        """Give a model's ``sha256:...`` and the seconds since it was read, if it is known."""
        seen_s, listed = self._lists.get(host, (0.0, None))
        digest = (listed or {}).get(_folded(model))
        return (f"sha256:{digest}", self._clock() - seen_s) if digest else None


@functools.lru_cache(256)
def _folded(model: str) -> str:
    """Give the name as the server compares it; one that is none as it is."""
    try:
        return parse_name(split_source(model.strip())[0]).folded
    except (InvalidName, ConflictingSource):
        return model


def looked_up(call: Call[Any], target: Target, progress: Progress) -> Operation[None]:
    """Ask the host of a call for its models if that is not known; no failure is one of the call.

    The question is no call of the user's: no limit counts it and no observer sees it.
    """
    digests = target.governor.witnesses.digests
    if digests is None or call.base is not None or not call.model:
        return
    host = target.base.origin
    if not digests.needs_list(host):
        return
    budget_s, until = PATIENCE_S, progress.total_until()
    if until is not None:
        budget_s = min(budget_s, until - target.clock())
    if budget_s <= 0:
        return
    budgets = Timeouts(connect_s=budget_s, total_s=budget_s)
    question: Call[ListResponse] = Call("GET", "/api/tags", _LIST, timeouts=budgets)
    listed: ListResponse | None = None
    with suppress(ArrieroError):
        listed = yield from exchanged(question, target, begun(question, target))
    digests.learn(host, listed)
