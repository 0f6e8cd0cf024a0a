"""The way of a call through its policies, as scripts of effects."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.api import inference, models, service
from arriero._core.effects import Consult, ReadBody, Send, Sleep, Wait
from arriero._core.events import BreakerChanged, CallAdmitted, CallEnded, CallStarted, TryEnded
from arriero._core.governed import whole
from arriero._core.http import Fault
from arriero._core.policy.shared_rate import SharedRates
from arriero.errors import (
    CircuitOpen,
    ConnectFailed,
    DeadlineExceeded,
    LimitReached,
    ModelNotFound,
    NotFound,
    ServerBusy,
    ServerError,
    StreamIncomplete,
)
from arriero.settings import Breaker, CallPolicy, Limits, RedisRates, Retry, Timeouts
from tests.core.script import Clock, head, lost, returned, target

ASK = inference.generate("m", "hi")
ANSWER = b'{"response":"a","done":true,"prompt_eval_count":3,"eval_count":4}'
REFUSED = Fault("connect", "connect", "connection refused")
RETRY = Retry(attempts=3)


def answered(op: Any, status: int, body: bytes = b"{}", **headers: str) -> Any:
    """Answer the request that was sent; give the effect that follows."""
    assert op.send(head(status, **headers)) == ReadBody(110.0)
    return op.send(body)


def test_a_503_is_tried_again_after_a_wait() -> None:
    """The same request goes out again, and the answer says how often."""
    op = whole(ASK, target(retry=RETRY))
    first = next(op)
    assert isinstance(first, Send)
    assert answered(op, 503) == Sleep(0.2)
    assert op.send(None) == first
    assert answered(op, 503) == Sleep(0.4)
    assert op.send(None) == first
    op.send(head(200))
    assert returned(op, ANSWER).http.attempts == 3


def test_the_last_failure_is_raised() -> None:
    """After as many tries as are allowed; it knows how often it was sent."""
    op = whole(ASK, target(retry=Retry(attempts=2)))
    next(op)
    answered(op, 503)
    op.send(None)
    with pytest.raises(ServerBusy) as caught:
        answered(op, 503)
    assert caught.value.attempts == 2


def test_a_server_may_say_when_to_come_back() -> None:
    """``Retry-After`` lengthens the wait."""
    op = whole(ASK, target(retry=RETRY))
    next(op)
    assert answered(op, 429, retry_after="7") == Sleep(7.0)


@pytest.mark.parametrize(("fault", "sleeps"), [(REFUSED, True), (lost(), True)])
def test_a_lost_connection_is_tried_again(fault: Fault, sleeps: bool) -> None:
    """Inference may be repeated; a body that breaks off is no different."""
    op = whole(ASK, target(retry=RETRY))
    next(op)
    assert isinstance(op.throw(fault), Sleep) == sleeps
    op.send(None)
    op.send(head(200))
    assert isinstance(op.throw(lost(phase="body")), Sleep)


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_errors_that_stay_are_raised_at_once(status: int) -> None:
    """Asking again would give the same."""
    op = whole(ASK, target(retry=RETRY))
    next(op)
    with pytest.raises((ServerError, NotFound, Exception)) as caught:
        answered(op, status)
    assert caught.value.attempts == 1  # type: ignore[attr-defined]  # an ArrieroError


def test_an_answer_cut_short_by_its_server_is_not_repeated() -> None:
    """``done: false`` in a whole answer: its engine died at it, and may do so again."""
    op = whole(ASK, target(retry=RETRY))
    next(op)
    with pytest.raises(StreamIncomplete):
        answered(op, 200, b'{"response":"a","done":false}')


@pytest.mark.parametrize(
    ("call", "status", "again"),
    [
        (ASK, 502, True),
        (ASK, 504, True),
        (models.create("m", from_="b"), 503, True),
        (models.create("m", from_="b"), 502, False),
        (models.create("m", from_="b"), 504, False),
    ],
)
def test_a_proxy_that_does_not_know_is_only_asked_again_where_that_is_safe(
    call: Any, status: int, again: bool
) -> None:
    """502 and 504 say nothing of what the server behind it has done; 503 does."""
    op = whole(call, target(retry=RETRY))
    next(op)
    effect = op.send(head(status))
    assert isinstance(effect, ReadBody)
    if again:
        assert isinstance(op.send(b"{}"), Sleep)
    else:
        with pytest.raises(ServerError):
            op.send(b"{}")


def test_a_deletion_whose_answer_was_lost_is_done() -> None:
    """The 404 of the second try is the proof."""
    op = whole(models.delete("m"), target(retry=RETRY))
    next(op)
    assert isinstance(op.throw(lost()), Sleep)
    op.send(None)
    op.send(head(404))
    assert returned(op, b'{"error":"model \'m\' not found"}').status == "success"


def test_a_deletion_of_nothing_is_an_error() -> None:
    """If nothing was lost before."""
    op = whole(models.delete("m"), target(retry=RETRY))
    next(op)
    assert isinstance(answered(op, 503), Sleep)
    op.send(None)
    with pytest.raises(ModelNotFound):
        answered(op, 404, b'{"error":"model \'m\' not found"}')


def test_a_body_is_made_once() -> None:
    """An image file that was read is not read again for the second try."""
    from io import BytesIO

    from arriero._core.effects import LoadImage

    op = whole(inference.generate("m", "hi", images=BytesIO(b"x")), target(retry=RETRY))
    assert isinstance(next(op), LoadImage)
    first = op.send(b"x")
    assert isinstance(answered(op, 503), Sleep)
    assert op.send(None) == first


def test_a_call_may_bring_its_own_rules() -> None:
    """Instead of the client's, wholly."""
    op = whole(ASK, target(retry=RETRY), CallPolicy(retry=Retry.none()))
    next(op)
    with pytest.raises(ServerBusy):
        answered(op, 503)


def test_a_rule_that_raises_does_not_hide_the_error() -> None:
    """It is counted, and the other rules decide."""

    def rule(error: Exception) -> bool:
        raise ZeroDivisionError

    knows = target(retry=Retry(rule=rule))
    op = whole(ASK, knows)
    next(op)
    assert isinstance(answered(op, 503), Sleep)
    assert knows.governor.statistics().observer_errors == 1


# Waiting


def test_a_permit_is_waited_for() -> None:
    """Nothing is sent before; the next is admitted when the first has ended."""
    knows = target(limits=Limits(concurrency=1))
    first, second = whole(ASK, knows), whole(ASK, knows)
    assert isinstance(next(first), Send)
    wait = next(second)
    assert isinstance(wait, Wait)
    assert (wait.ticket.is_ready, wait.until) == (False, 400.0)

    first.send(head(200))
    returned(first, ANSWER)
    assert wait.ticket.is_ready
    assert isinstance(second.send(None), Send)
    assert (knows.governor.statistics().running, knows.governor.statistics().waiting) == (1, 0)


def test_the_wait_for_a_permit_is_counted() -> None:
    """Once for each call, in its own end and in what the client did so far."""
    clock, told = Clock(), list[Any]()
    knows = target(limits=Limits(concurrency=1), clock=clock, observers=[told.append])
    first, second = whole(ASK, knows), whole(ASK, knows)
    next(first)
    next(second)
    clock.now_s += 3.0
    first.send(head(200))
    returned(first, ANSWER)
    second.send(None)
    clock.now_s += 1.0
    second.send(head(200))
    returned(second, ANSWER)
    assert [one.queued_s for one in told if isinstance(one, CallEnded)] == [0.0, 3.0]
    assert knows.governor.statistics().queued_s == 3.0


@pytest.mark.parametrize("end", ["close", "throw"])
def test_a_call_that_is_dropped_gives_its_permit_back(end: str) -> None:
    """Waiting, or running at any effect; a cancelled task closes its generator."""
    knows = target(limits=Limits(concurrency=1))
    running, waiting, third = whole(ASK, knows), whole(ASK, knows), whole(ASK, knows)
    next(running)
    next(waiting)
    wait = next(third)
    for op in (waiting, running):
        if end == "close":
            op.close()
        else:
            with pytest.raises(ZeroDivisionError):
                op.throw(ZeroDivisionError())
    assert isinstance(wait, Wait)
    assert wait.ticket.is_ready
    third.close()
    left = knows.governor.statistics()
    assert (left.running, left.waiting, left.cancelled) == (0, 0, 3)


def test_a_call_dropped_while_rates_are_asked_for_keeps_what_others_owe() -> None:
    """Nobody hears the answer, so what it was to settle is settled by the next question."""
    limits = Limits(tokens_per_s=100, shared=RedisRates("redis://r:1"))
    assert limits.shared is not None
    rates = SharedRates(limits, limits.shared, "me")
    knows = target(limits=limits, shared=lambda: rates)
    rates.give_back(0.0, -20.0)
    asking = whole(ASK, knows)
    consult = next(asking)
    assert isinstance(consult, Consult)
    assert consult.arguments[0].settled == (20.0,)
    asking.close()
    later = next(whole(ASK, knows))
    assert isinstance(later, Consult)
    took = consult.arguments[0].amounts[0]
    assert later.arguments[0].settled == (20.0 - took,)  # the call itself sent nothing


def test_calls_that_run_no_model_need_no_permit() -> None:
    """Looking at a busy server must not have to wait for it."""
    knows = target(limits=Limits(concurrency=1))
    next(whole(ASK, knows))
    assert isinstance(next(whole(service.version(), knows)), Send)


def test_the_longest_wait_ends_with_limit_reached() -> None:
    """Phase ``queue``: nothing was sent."""
    clock = Clock()
    knows = target(limits=Limits(concurrency=1, max_wait_s=5), clock=clock)
    running, waiting = whole(ASK, knows), whole(ASK, knows)
    next(running)
    assert next(waiting).until == 105.0  # type: ignore[union-attr]  # a Wait
    clock.now_s = 105.0
    with pytest.raises(LimitReached, match="max_wait_s=5") as caught:
        waiting.send(None)
    error = caught.value
    assert (error.phase, error.attempts, error.retryable) == ("queue", 0, True)
    assert knows.governor.statistics().waiting == 0


def test_the_deadline_counts_while_waiting() -> None:
    """`total_s` is the whole call's; it is what ran out."""
    clock = Clock()
    knows = target(limits=Limits(concurrency=1), timeouts=Timeouts(total_s=2), clock=clock)
    running, waiting = whole(ASK, knows), whole(ASK, knows)
    next(running)
    next(waiting)
    clock.now_s = 102.0
    with pytest.raises(DeadlineExceeded) as caught:
        waiting.send(None)
    assert (caught.value.budget, caught.value.phase) == ("total_s", "queue")


def test_the_rate_is_kept_between_calls() -> None:
    """The second call of a second waits for the next."""
    knows = target(limits=Limits(requests_per_s=1))
    assert isinstance(next(whole(ASK, knows)), Send)
    op = whole(ASK, knows)
    assert next(op) == Sleep(1.0)
    assert isinstance(op.send(None), Send)


def test_a_turn_that_is_not_used_goes_to_the_next() -> None:
    """A call that is cancelled while it waits for its time has taken none."""
    knows = target(limits=Limits(requests_per_s=1))
    next(whole(ASK, knows))
    for _ in range(3):
        op = whole(ASK, knows)
        assert next(op) == Sleep(1.0)
        op.close()


def test_a_rate_that_would_break_the_deadline_refuses_at_once() -> None:
    """And takes nothing from those who come after."""
    knows = target(limits=Limits(requests_per_s=1), timeouts=Timeouts(total_s=0.5))
    next(whole(ASK, knows))
    for _ in range(2):
        with pytest.raises(LimitReached, match="its turn under the rate limit is in 1 s"):
            next(whole(ASK, knows))
    assert knows.governor.statistics().refused == 2


def test_a_retry_pays_for_a_request_and_not_for_tokens() -> None:
    """The tokens of a call are reserved once."""
    knows = target(retry=RETRY, limits=Limits(requests_per_s=1, tokens_per_s=1000))
    op = whole(ASK, knows)
    next(op)
    assert answered(op, 503) == Sleep(0.2)
    assert op.send(None) == Sleep(1.0)
    assert isinstance(op.send(None), Send)


# Full servers


def test_a_503_under_an_adaptive_limit_is_no_retry() -> None:
    """The call goes back to the head of the queue, as often as it takes."""
    knows = target(limits=Limits(adaptive=True), retry=Retry.none())
    op = whole(ASK, knows)
    next(op)
    for pause_s in (0.2, 0.4, 0.8, 1.6):
        assert answered(op, 503) == Sleep(pause_s)
        assert isinstance(op.send(None), Send)
    op.send(head(200))
    returned(op, ANSWER)
    seen = knows.governor.statistics()
    assert (seen.requeued, seen.retries, seen.running, seen.ok) == (4, 0, 0, 1)


def test_a_call_that_goes_back_leaves_its_place_to_others() -> None:
    """While it pauses and waits, it runs nowhere."""
    knows = target(limits=Limits(adaptive=True, concurrency=2))
    one, two, three = (whole(ASK, knows) for _ in range(3))
    next(one)
    next(two)
    next(three)
    answered(one, 503)
    assert knows.governor.statistics().running == 1
    wait = one.send(None)
    assert isinstance(wait, Wait)
    two.send(head(200))
    returned(two, ANSWER)
    assert wait.ticket.is_ready  # before the third, which came later
    assert isinstance(one.send(None), Send)


# Breakers


def test_a_host_that_fails_is_left_alone_and_asked_again() -> None:
    """Calls fail at once until its rest is over; then one finds out."""
    clock, told = Clock(), list[Any]()
    knows = target(breaker=Breaker(failures=2, open_s=15), clock=clock, observers=[told.append])
    for _ in range(2):
        op = whole(ASK, knows)
        next(op)
        with pytest.raises(ServerError):
            answered(op, 500)
    with pytest.raises(CircuitOpen, match="asked again in 15 s") as caught:
        next(whole(ASK, knows))
    assert (caught.value.retry_after_s, caught.value.attempts) == (15.0, 0)
    assert isinstance(next(whole(service.version(), knows)), Send)
    assert isinstance(next(whole(inference.generate("other", "hi"), knows)), Send)

    clock.now_s = 115.0
    op = whole(ASK, knows)
    next(op)
    op.send(head(200))
    returned(op, ANSWER)
    changes = [event.state for event in told if isinstance(event, BreakerChanged)]
    assert changes == ["open", "half-open", "closed"]
    assert knows.governor.statistics().breakers[("http://server:80", "m")] == "closed"


def test_answers_that_are_the_callers_fault_say_nothing_bad() -> None:
    """A host that answers 404 is well."""
    knows = target(breaker=Breaker(failures=1))
    for _ in range(3):
        op = whole(ASK, knows)
        next(op)
        with pytest.raises(NotFound):
            answered(op, 404)


# What is told


def test_events_tell_the_story_of_a_call() -> None:
    """In order, with the decisions and how it ended."""
    told: list[Any] = []
    limits = Limits(concurrency=1)
    knows = target(retry=RETRY, limits=limits, observers=[told.append])
    op = whole(ASK, knows, CallPolicy(tenant="t"))
    next(op)
    answered(op, 503)
    op.send(None)
    op.send(head(200))
    made = returned(op, ANSWER)

    started, admitted, tried, ended = told
    assert isinstance(started, CallStarted)
    assert (started.call, started.model, started.policy.tenant) == ("POST /api/generate", "m", "t")
    assert admitted == CallAdmitted(started.id, 0.0)
    assert isinstance(tried, TryEnded)
    assert (tried.tries, tried.decision, tried.wait_s) == (1, "again", 0.2)
    assert isinstance(ended, CallEnded)
    assert (ended.id, ended.outcome, ended.tries, ended.sends) == (started.id, "ok", 2, 2)
    assert ended.response is made
    assert ended.trail == ("ServerBusy, again after 0.2 s",)


def test_an_observer_that_raises_breaks_nothing() -> None:
    """It is counted."""

    def observer(event: Any) -> None:
        raise ZeroDivisionError

    knows = target(observers=[observer])
    op = whole(ASK, knows)
    next(op)
    op.send(head(200))
    returned(op, ANSWER)
    assert knows.governor.statistics().observer_errors == 2


def test_statistics_add_up() -> None:
    """Each call is counted once, by how it ended."""
    knows = target(retry=Retry(attempts=2))
    for status, error in ((200, None), (404, ModelNotFound), (503, ServerBusy)):
        op = whole(ASK, knows)
        next(op)
        op.send(head(status))
        if error is None:
            returned(op, ANSWER)
        elif error is ModelNotFound:
            with pytest.raises(error):
                op.send(b'{"error":"model \'m\' not found"}')
        else:
            op.send(b"{}")
            op.send(None)
            with pytest.raises(error):
                answered(op, status)
    dropped = whole(ASK, knows)
    next(dropped)
    dropped.close()

    seen = knows.governor.statistics()
    assert (seen.started, seen.ok, seen.cancelled) == (4, 1, 1)
    assert seen.failed == {"ModelNotFound": 1, "ServerBusy": 1}
    assert (seen.tries, seen.retries) == (5, 1)
    assert (seen.prompt_tokens, seen.answer_tokens) == (3, 4)


def test_a_child_process_begins_with_free_permits() -> None:
    """Those of the parent's threads are nobody's there."""
    knows = target(limits=Limits(concurrency=1))
    next(whole(ASK, knows))
    knows.governor.forget()
    assert isinstance(next(whole(ASK, knows)), Send)


def test_a_failure_in_the_queue_is_no_failure_of_the_host() -> None:
    """A breaker hears only of tries."""
    knows = target(breaker=Breaker(failures=1), limits=Limits(concurrency=1, queue=0))
    running = whole(ASK, knows)
    next(running)
    with pytest.raises(LimitReached):
        next(whole(ASK, knows))
    running.close()
    op = whole(ASK, knows)
    assert isinstance(next(op), Send)
    with pytest.raises(ConnectFailed):
        op.throw(REFUSED)
    with pytest.raises(CircuitOpen):
        next(whole(ASK, knows))
