"""Which files a model's name stands for, asked of its server once for many calls.

The audit log writes it down, and kept answers belong to it. A name can be given to other files
at any time: what was read is believed for as long as whoever asks puts up with, and forgotten at
once when this client itself pulls, creates, copies or deletes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from arriero._core.answers.flights import Flights, landing
from arriero._core.calls import Call
from arriero._core.effects import Operation
from arriero._core.ndjson import RecordDecoder
from arriero._core.operations import exchanged
from arriero._core.progress import Progress, Target, begun, earliest
from arriero.errors import ArrieroError
from arriero.names import folded_name
from arriero.settings import Timeouts
from arriero.types.models import ListResponse

PAUSE_S = 5.0
"""How long a server that would not list its models is not asked for them again."""

PATIENCE_S = 5.0
"""Longest a call is held up by the question; a list comes in milliseconds."""

AUDIT_AGE_S = 300.0
"""How old what the audit log writes down may be; it says how old it is."""

_CHANGES = frozenset({"/api/pull", "/api/create", "/api/copy", "/api/delete"})
"""Paths of calls after which a name may stand for another model."""

_LIST = RecordDecoder(ListResponse)


class _Model(NamedTuple):
    digest: str
    is_remote: bool


class Listed:
    """What a server said it has.

    Attributes:
        seen_s: When it last said so.
        is_list: False if it would not say.
    """

    __slots__ = ("_models", "is_list", "seen_s")

    def __init__(self, models: Mapping[str, _Model] | None, seen_s: float) -> None:
        self._models = models or {}
        self.is_list = models is not None
        self.seen_s = seen_s

    def of(self, model: str) -> str:
        """Give the digest of a model; "" if it is not known."""
        found = self._models.get(folded_name(model))
        return found.digest if found is not None else ""

    def reliable(self, model: str) -> str:
        """The same, but for models that run elsewhere: what answers may be another one then."""
        found = self._models.get(folded_name(model))
        return found.digest if found is not None and not found.is_remote else ""

    def lacks(self, model: str) -> bool:
        """Tell whether a model of this server is not on its list."""
        name = folded_name(model)
        return self.is_list and bool(name) and name not in self._models

    def confirmed(self, models: Mapping[str, _Model], now_s: float) -> bool:
        """Take in a later list; False if it says something else."""
        is_same = self.is_list and self._models == models
        if is_same:
            self.seen_s = now_s
        return is_same


class Digests:
    """What is known of the models of each host. Its methods decide at once.

    Attributes:
        flights: Questions under way, by host.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.forget_all()

    def forget_all(self) -> None:
        """Begin anew, in a child after a fork."""
        self.flights = Flights()
        self._listed: dict[str, Listed] = {}
        self._doubted: dict[str, float] = {}

    def at(self, host: str, max_age_s: float) -> Listed | None:
        """Give what is known of a host; None if it should be asked now."""
        listed = self._listed.get(host)
        if listed is None:
            return None
        age_s = self._clock() - listed.seen_s
        return listed if age_s < (max_age_s if listed.is_list else PAUSE_S) else None

    def is_current(self, host: str, listed: Listed | None) -> bool:
        """Tell whether nothing was learnt or forgotten since `listed` was given."""
        return listed is not None and self._listed.get(host) is listed

    def learn(self, host: str, answer: ListResponse | None) -> None:
        """Take in a list; None if there was none to be had."""
        now_s = self._clock()
        if answer is None:
            self._listed[host] = Listed(None, now_s)
            return
        models = {
            folded_name(one.model or one.name or ""): _Model(one.digest, bool(one.remote_host))
            for one in answer.models
            if one.digest
        }
        listed = self._listed.get(host)
        if listed is None or not listed.confirmed(models, now_s):
            self._listed[host] = Listed(models, now_s)

    def answered(self, host: str, model: str, max_age_s: float) -> None:
        """Take in that a model answered which was not listed: the list is old.

        Believed once in a while, as some servers do not list all they have.
        """
        listed, now_s = self._listed.get(host), self._clock()
        if listed is None or not listed.lacks(model):
            return
        if now_s >= self._doubted.get(model, now_s):
            self._doubted[model] = now_s + max_age_s
            del self._listed[host]

    def changed(self, call: Call[Any]) -> None:
        """Take in that a call begins or ends; after some, names stand for something else."""
        if call.path in _CHANGES:
            self._listed.clear()


def asked(
    call: Call[Any], target: Target, progress: Progress, max_age_s: float
) -> Operation[Listed | None]:
    """Give what the server of a call has; None if it could not be asked in time.

    Calls at the same time share one question. It is no call of the user's: no limit counts it,
    no observer sees it, and no failure of it is one of the call.
    """
    digests, host = target.governor.digests, target.base.origin
    assert digests is not None
    while (listed := digests.at(host, max_age_s)) is None:
        flight, is_mine = digests.flights.join(host)
        until = earliest(target.clock(), PATIENCE_S, progress.started_s, progress.timeouts.total_s)
        assert until is not None
        if is_mine:
            try:
                yield from _question(target, digests, until)
            finally:
                digests.flights.end(host, flight)
            listed = digests.at(host, max_age_s)
            break
        yield from landing(flight, until)
        if target.clock() >= until:
            listed = digests.at(host, max_age_s)
            break
    if listed is not None and (digest := listed.of(progress.model)):
        progress.named = host, digest, listed.seen_s
    return listed


def _question(target: Target, digests: Digests, until: float) -> Operation[None]:
    left_s = until - target.clock()
    if left_s <= 0:
        return
    budgets = Timeouts(connect_s=left_s, total_s=left_s)
    question: Call[ListResponse] = Call("GET", "/api/tags", _LIST, timeouts=budgets)
    answer: ListResponse | None = None
    with suppress(ArrieroError):
        answer = yield from exchanged(question, target, begun(question, target))
    digests.learn(target.base.origin, answer)


def looked_up(call: Call[Any], target: Target, progress: Progress) -> Operation[None]:
    """See to it that the audit log can say which model a call was for."""
    if call.base is None and progress.model:
        yield from asked(call, target, progress, AUDIT_AGE_S)
