"""Acts that are no transactions, such as a plain pull, written into the journal.

The journal is a witness here and not a part of the act: where it cannot be written, the act goes
on, and somebody is told.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias

from arriero._core.api.models import list_models
from arriero._core.governed import whole
from arriero._core.registry import checked_name
from arriero.errors import ArrieroError, CallCancelled, RequestError
from arriero.lifecycle.journal import UNKNOWN, Change, Journal, State, one_line
from arriero.lifecycle.survey import HostState, entries_of
from arriero.lifecycle.transaction import Copy, Delete, act, kept_name
from arriero.lifecycle.work import Ask, Work, noted
from arriero.settings import CallPolicy, Retry, Timeouts
from arriero.types.models import ListResponse

RecordedAction: TypeAlias = Literal["pull", "push", "create", "copy", "delete"]

OnLost: TypeAlias = Callable[[ArrieroError], object]
"""Told why something could not be written into the journal."""

_GLANCE = CallPolicy(retry=Retry(attempts=1))
_GLANCE_TIMEOUTS = Timeouts(total_s=5.0)
"""A host that does not even tell its models shall not hold up what was asked of it."""


def begun(change: Change, *, keep: bool, on_lost: OnLost | None) -> Work[Change]:
    """Write down what is about to be done, with the digest there is before it.

    Args:
        change: Host, model and action.
        keep: Whether the model that is there gets a second name, so that it outlives the act.
        on_lost: Told if this cannot be written; None warns.

    Raises:
        ArrieroError: the model could not be kept; nothing else was done.
    """
    with suppress(RequestError):  # a name we cannot read is for the server to judge
        change = dataclasses.replace(change, model=checked_name(change.model, "").shortest)
    try:
        state = yield from _glanced()
    except ArrieroError:
        if keep:
            raise
        state = None
    change = dataclasses.replace(change, state="running", before=_digest(state, change.model))
    if keep and state is not None and change.before:
        kept = kept_name(change.model, change.before)
        change = dataclasses.replace(change, kept=kept, keeps=not state.digest_of(kept))
    change = yield from _written(change, lambda journal: journal.begin(change), on_lost)
    if change.kept:
        try:
            yield from act(Copy(change.model, change.kept))
        except ArrieroError as error:
            yield from ended(change, error, on_lost=on_lost)
            raise
    return change


def ended(change: Change, error: BaseException | None, *, on_lost: OnLost | None) -> Work[Change]:
    """Write down how it ended, with the digest there is then. No failure of this is raised."""
    state = None
    if error is None or change.before != UNKNOWN:  # else it would not tell now either
        with suppress(ArrieroError):
            state = yield from _glanced()
    after = _digest(state, change.model)
    if change.keeps and after == change.before:  # nothing was replaced
        with suppress(ArrieroError):
            yield from act(Delete(change.kept))
    if not change.id:  # its beginning was lost
        return change
    outcome, told = outcome_of(error), "" if error is None else one_line(error)

    def write(journal: Journal) -> Change:
        return journal.advance(change, outcome, after=after, error=told)

    return (yield from _written(change, write, on_lost))


def outcome_of(error: BaseException | None) -> State:
    """Give the state of an act that ended with an error, or with None."""
    if error is None:
        return "done"
    is_stopped = isinstance(error, CallCancelled) or not isinstance(error, Exception)
    return "interrupted" if is_stopped else "failed"


def _glanced() -> Work[HostState]:
    call = list_models(timeouts=_GLANCE_TIMEOUTS)
    answer: ListResponse = yield Ask(lambda target: whole(call, target, _GLANCE))
    return HostState("", entries=entries_of(answer))


def _digest(state: HostState | None, model: str) -> str:
    try:
        return UNKNOWN if state is None else state.digest_of(model)
    except RequestError:
        return UNKNOWN


def _written(
    change: Change, write: Callable[[Journal], Change], on_lost: OnLost | None
) -> Work[Change]:
    try:
        return (yield from noted(write))
    except ArrieroError as error:
        if on_lost is None:
            text = f"the {change.action} of {change.model} is not recorded: {error}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        else:
            on_lost(error)
        return change
