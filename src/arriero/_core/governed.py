"""The way of a call through the policies of its client, as generators over effects.

In this order: the deadline starts, a permit is waited for, the rates are waited for, the
breaker is asked, a try is made; after a failed one it goes on with the rates. `whole` gives
a whole answer, unless it is there already: see `arriero._core.answers`. `streamed` leaves the
answer open for `arriero._core.reading`; the call then ends with the stream, which may come
back to `tried_again`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from arriero._core.answers.way import answered
from arriero._core.calls import Call
from arriero._core.clearance import require_allowed
from arriero._core.digests import looked_up
from arriero._core.effects import Operation, Sleep
from arriero._core.http import Head
from arriero._core.judging import judged_answer, judged_request
from arriero._core.keeping import kept, noted
from arriero._core.operations import exchanged, opened
from arriero._core.policy.retry import Stop
from arriero._core.progress import Progress, Target, begun
from arriero.errors import ArrieroError, CallCancelled, ModelNotFound
from arriero.settings import CallPolicy

T = TypeVar("T")

Try: TypeAlias = Callable[[Call[Any], Target, Progress], Operation[T]]


def whole(call: Call[T], target: Target, policy: CallPolicy | None = None) -> Operation[T]:
    """Make a call and give its whole answer."""
    progress = begun(call, target, policy)
    target.governor.began(call, progress, target.base.origin)
    made = shown = None
    try:
        call = yield from judged_request(call, target, progress)
        made = yield from answered(call, target, progress, _asked)
        shown = yield from judged_answer(call, target, progress, made)
        progress.outcome = "ok"
    except ArrieroError as error:
        failed(progress, error)
        target.governor.ended(call, progress, made, lambda: shown)
        yield from noted(call, target, progress, error)
        raise
    finally:
        # What another call brought was counted with that one.
        last = made if progress.source == "server" else None
        target.governor.ended(call, progress, last, lambda: shown)
    yield from kept(call, target, progress, shown)
    return shown  # type: ignore[no-any-return]  # what the call's decoder makes


def _asked(call: Call[Any], target: Target, progress: Progress) -> Operation[Any]:
    require_allowed(call, target, progress, (call.base or target.base).join(call.path))
    return (yield from _tried(call, target, progress, exchanged))


def streamed(call: Call[Any], target: Target, progress: Progress) -> Operation[Head]:
    """Open a stream. If this fails the call is over, else it goes on."""
    target.governor.began(call, progress, target.base.origin)
    is_open = False
    try:
        call = progress.judged = yield from judged_request(call, target, progress)
        require_allowed(call, target, progress, (call.base or target.base).join(call.path))
        head = yield from _tried(call, target, progress, opened)
        is_open = True
    except ArrieroError as error:
        failed(progress, error)
        target.governor.ended(call, progress, None, lambda: None)
        yield from noted(call, target, progress, error)
        raise
    finally:
        if not is_open:
            target.governor.ended(call, progress, None, lambda: None)
    target.governor.witnesses.opened(progress)
    return head


def tried_again(
    call: Call[Any], target: Target, progress: Progress, error: ArrieroError, *, is_resumed: bool
) -> Operation[Head]:
    """Open a stream once more that failed with `error`; raise that if it is not to be."""
    yield from _after(call, target, progress, error, is_resumed=is_resumed)
    return (yield from _tried(call, target, progress, opened))


def failed(progress: Progress, error: ArrieroError) -> None:
    """Write down what a call failed with."""
    progress.error = error
    progress.outcome = "cancelled" if isinstance(error, CallCancelled) else "failed"


def _tried(call: Call[Any], target: Target, progress: Progress, attempt: Try[T]) -> Operation[T]:
    """Try until it works, or the policies have enough."""
    governor, host = target.governor, (call.base or target.base).origin
    while True:
        effect = governor.step(call, progress, host)
        while effect is not None:
            effect = governor.step(call, progress, host, (yield effect))
        if governor.witnesses.journal is not None:
            yield from looked_up(call, target, progress)
        progress.tries += 1
        try:
            return (yield from attempt(call, target, progress))
        except ArrieroError as caught:
            error = caught
        if (yield from _provided(call, target, progress, error)):
            continue
        yield from _after(call, target, progress, error)


_ANSWERED_BY_MODELS = frozenset({"/api/chat", "/api/generate", "/api/embed", "/api/embeddings"})
"""Calls that a missing model is pulled for: not those about models themselves."""


def _provided(
    call: Call[Any], target: Target, progress: Progress, error: ArrieroError
) -> Operation[bool]:
    """Bring the model a call asks for, once, if the server lacks it and it may be pulled."""
    if target.provide is None or progress.is_provided or not isinstance(error, ModelNotFound):
        return False
    if call.path not in _ANSWERED_BY_MODELS or call.body is None:
        return False
    progress.is_provided = True
    target.governor.tried(progress, error)
    timeouts, until = progress.timeouts, progress.total_until()
    if until is not None:
        left_s = max(until - target.clock(), 0.001)
        timeouts = dataclasses.replace(timeouts, total_s=left_s)
    return (yield from target.provide(target, call.body["model"], timeouts))


def _after(
    call: Call[Any],
    target: Target,
    progress: Progress,
    error: ArrieroError,
    *,
    is_resumed: bool = False,
) -> Operation[None]:
    """Wait for the next try, or raise `error`."""
    governor = target.governor
    governor.tried(progress, error)
    wait_s = governor.goes_back(progress, error)
    if wait_s is not None:
        yield Sleep(wait_s)
        return
    decision = governor.next_try(progress, error, progress.total_until(), is_resumed=is_resumed)
    if isinstance(decision, Stop):
        raise error
    yield Sleep(decision.wait_s)
    progress.paced_s += decision.wait_s
