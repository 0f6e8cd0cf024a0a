"""A call meets the egress policy: before its turn, before each request, and in its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from arriero._core.calls import Call
from arriero._core.effects import Operation
from arriero._core.failures import described
from arriero._core.ndjson import RecordDecoder
from arriero._core.policy.egress import Guard, denied_error
from arriero.egress import EgressDecision
from arriero.errors import ModelNotFound, NotFound
from arriero.types.chat import InferenceResponse
from arriero.types.models import ShowResponse

if TYPE_CHECKING:
    from arriero._core.progress import Progress, Target
    from arriero.types.record import Record

Ask: TypeAlias = "Callable[[Call[Any], Target], Operation[Any]]"

_SHOW = RecordDecoder(ShowResponse)


def require_allowed(
    call: Call[Any],
    target: Target,
    progress: Progress,
    url: str,
    came_from: str | None = None,
) -> None:
    """Let a request pass.

    Raises:
        EgressDenied: it would go where it may not.
    """
    if target.egress is not None:
        _require(target.egress.decide(call, url, came_from), call, target, progress)


def cleared(
    guard: Guard, call: Call[Any], target: Target, progress: Progress, ask: Ask
) -> Operation[None]:
    """Let a call pass, asking the server where it must be asked.

    Raises:
        EgressDenied: it would go where it may not.
        ArrieroError: the server could not be asked.
    """
    base = call.base or target.base
    require_allowed(call, target, progress, base.join(call.path))
    guard.forget(call)
    for model in guard.wants_to_know(call, base.origin):
        question: Call[ShowResponse] = Call(
            "POST", "/api/show", _SHOW, body={"model": model}, timeouts=progress.timeouts
        )
        try:
            shown = yield from ask(question, target)
        except NotFound as error:
            # Running it will fail by itself; making another of it would pull it.
            decision = guard.missing(call, model)
            if decision.allowed and not isinstance(error, ModelNotFound):
                raise  # a server that cannot be asked
        else:
            decision = guard.learnt(base.origin, model, shown.remote_host)
        _require(decision, call, target, progress)


def require_ours(record: Record, call: Call[Any], target: Target, progress: Progress) -> None:
    """Look at an answer, or its first record: who made it?

    Raises:
        EgressDenied: a host that may not be reached. It was.
    """
    guard = target.egress
    if guard is None or not isinstance(record, InferenceResponse) or not record.remote_host:
        return
    decision = guard.learnt(progress.host, call.model, record.remote_host)
    _require(decision, call, target, progress, was_sent=True)


def _require(
    decision: EgressDecision,
    call: Call[Any],
    target: Target,
    progress: Progress,
    *,
    was_sent: bool = False,
) -> None:
    if decision.allowed:
        return
    error = denied_error(decision, was_sent=was_sent)
    error.phase = "body" if was_sent else "head" if progress.attempts else "prepare"
    progress.trail.append(f"egress, {decision.rule}: {decision.reason}")
    host = progress.host or (call.base or target.base).origin
    raise described(error, call=call.name, host=host, attempts=progress.attempts)
