"""The way of a call that may get an answer which is there already, or on its way.

Such a call takes no place in the queue and none of a rate; it has its own deadline. One that
others wait for goes the usual way, which `ask` stands for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from arriero._core.answers.flights import Flight, is_for_all, landing
from arriero._core.answers.kept import answer_of, is_sound, kept
from arriero._core.answers.sameness import key_of
from arriero._core.answers.state import Answers
from arriero._core.calls import Call
from arriero._core.digests import asked
from arriero._core.effects import Consult, Operation
from arriero._core.failures import described
from arriero._core.http import AnswerSource, Head, HttpInfo
from arriero._core.operations import made_of
from arriero._core.progress import Progress, Target, earliest
from arriero._core.requesting import prepared
from arriero.errors import ArrieroError, DeadlineExceeded, ParseError
from arriero.types.record import Record

Ask: TypeAlias = Callable[[Call[Any], Target, Progress], Operation[Any]]


def answered(call: Call[Any], target: Target, progress: Progress, ask: Ask) -> Operation[Any]:
    """Give the answer to a call: a kept one, another call's, or its own by `ask`."""
    answers, policy = target.governor.answers, progress.policy
    if answers is None or not answers.concern(call, policy):
        return (yield from ask(call, target, progress))
    yield from prepared(call, progress)
    store, tenant = answers.store, answers.tenant(policy)
    digest, known = "", None
    if store is not None:
        known = yield from asked(call, target, progress, answers.cache.digest_ttl_s)
        digest = known.reliable(call.model) if known is not None else ""
    key = key_of(call, digest or call.model, tenant)
    if store is not None and digest and policy.cache == "use":
        data: bytes | None = yield Consult(store.get, (key,))
        made = None if data is None else answer_of(call, data)
        if made is not None:
            answers.count(hits=1)
            return _given(made, "cache", call, target, progress, Head(200, {}))
        answers.count(misses=1)
    if answers.cache.coalesce:
        made = yield from _together(call, target, progress, key, ask)
    else:
        made = yield from ask(call, target, progress)
    digests, host = target.governor.digests, target.base.origin
    if digests is None or store is None:
        return made
    if not digest:
        digests.answered(host, call.model, answers.cache.digest_ttl_s)
    # A model that changed meanwhile may have answered under the old one's digest.
    elif digests.is_current(host, known) and progress.source == "server":
        yield from _keep(call, progress, answers, key, made)
    return made


def _keep(
    call: Call[Any], progress: Progress, answers: Answers, key: str, made: Any
) -> Operation[None]:
    assert answers.store is not None
    assert progress.answer is not None
    head, body = progress.answer
    if head.status != 200 or not is_sound(call, made):
        return
    if (yield Consult(answers.store.put, (key, kept(made, body)))):
        answers.count(stores=1)


def _given(
    made: Any,
    source: AnswerSource,
    call: Call[Any],
    target: Target,
    progress: Progress,
    head: Head,
) -> Any:
    progress.source, progress.host = source, target.base.origin
    if isinstance(made, Record):
        about = HttpInfo(head.status, head.headers, target.base.join(call.path), 0, source=source)
        cast("dict[str, Any]", made.__dict__)["_http"] = about
    return made


def _together(
    call: Call[Any], target: Target, progress: Progress, key: str, ask: Ask
) -> Operation[Any]:
    """Lead the call that brings the answer, or wait for who does."""
    answers = target.governor.answers
    assert answers is not None
    retry = progress.policy.retry or target.governor.retry
    until, budget = _patience(target, progress)
    while True:
        flight, is_mine = answers.flights.join(key)
        if is_mine:
            return (yield from _led(call, target, progress, answers, key, flight, ask))
        yield from landing(flight, until)
        if flight.answer is not None:
            answers.count(coalesced=1)
            head, body = flight.answer
            return _given(made_of(call, head, body), "shared", call, target, progress, head)
        error = flight.error
        if error is not None and is_for_all(error, is_same_retry=retry == flight.retry):
            raise copy.copy(error) from error.__cause__
        if until is not None and target.clock() >= until:
            late = DeadlineExceeded(budget, getattr(progress.timeouts, budget))
            late.phase = "queue"
            late.reason = "another call was to bring the answer for this one too, see Cache"
            raise described(late, call=call.name, host="", attempts=progress.attempts)


def _led(
    call: Call[Any],
    target: Target,
    progress: Progress,
    answers: Answers,
    key: str,
    flight: Flight[Any],
    ask: Ask,
) -> Operation[Any]:
    try:
        made = yield from ask(call, target, progress)
        flight.answer = progress.answer
    except ParseError:  # a good answer; what each makes of it is its own matter
        flight.answer = progress.answer
        raise
    except ArrieroError as error:
        flight.error, flight.retry = error, progress.policy.retry or target.governor.retry
        raise
    finally:
        answers.flights.end(key, flight)
    return made


def _patience(target: Target, progress: Progress) -> tuple[float | None, str]:
    """Give when a call has waited for another as long as it might have taken itself."""
    limits, budgets = target.governor.limits, progress.timeouts
    first_s, queue_s = budgets.first_token_s, 0.0
    if limits is not None and limits.queues:
        queue_s = float("inf") if limits.max_wait_s is None else limits.max_wait_s
    first_s = None if first_s is None or queue_s == float("inf") else first_s + queue_s
    until = earliest(target.clock(), first_s, progress.started_s, budgets.total_s)
    total = progress.total_until()
    return until, "total_s" if until is not None and until == total else "first_token_s"
