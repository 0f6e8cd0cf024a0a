"""The way of a call, as scripts of effects."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.api import inference, models, service
from arriero._core.calls import Call
from arriero._core.effects import ReadBody, Send
from arriero._core.governed import whole
from arriero._core.http import Fault
from arriero._core.operations import failure
from arriero._core.progress import begun, earliest
from arriero.errors import (
    ArrieroError,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ModelNotFound,
    NotFound,
    ParseError,
    ProtocolError,
    ServerBusy,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import Timeouts
from tests.core.script import Clock, head, lost, returned, target

VERSION = service.version()
PULL = models.pull("m")
DELETE = models.delete("m")
ASK = inference.generate("m", "hi")
ANSWER = b'{"response":"a","done":true}'


# Stale connections


def test_a_stale_connection_is_replaced() -> None:
    """A pooled connection that broke before an answer costs nothing but a new one."""
    op = whole(ASK, target())
    first = next(op)

    assert op.throw(lost(reused=True)) == first
    assert op.throw(lost(reused=True)) == first
    op.send(head())
    assert returned(op, ANSWER).http.attempts == 3


def test_stale_connections_come_to_an_end() -> None:
    """After three in a row it is not the connections' fault."""
    op = whole(ASK, target())
    next(op)
    for _ in range(3):
        op.throw(lost(reused=True))

    with pytest.raises(ConnectionLost) as caught:
        op.throw(lost(reused=True))
    assert (caught.value.attempts, caught.value.retryable) == (4, True)


@pytest.mark.parametrize(
    ("call", "fault", "cls", "retryable"),
    [
        (ASK, lost(), ConnectionLost, True),
        (PULL, lost(reused=True), ConnectionLost, False),
        (PULL, lost(), ConnectionLost, False),
        (DELETE, lost(), ConnectionLost, True),
        (ASK, Fault("connect", "connect", "refused"), ConnectFailed, True),
        (ASK, Fault("protocol", "head", "no HTTP", reused=True), ProtocolError, False),
        (ASK, Fault("closed", "head", "closed", reused=True), ClientClosed, False),
        (ASK, Fault("timeout", "head", "slow", reused=True), DeadlineExceeded, False),
    ],
)
def test_other_faults_end_the_call(
    call: Call[Any], fault: Fault, cls: type[ArrieroError], retryable: bool
) -> None:
    """A call that may have run is not repeated by itself; the error says if it could be."""
    op = whole(call, target())
    next(op)

    with pytest.raises(cls) as caught:
        op.throw(fault)
    error = caught.value
    assert type(error) is cls
    assert (error.call, error.host, error.attempts) == (call.name, "http://server:80", 1)
    assert (error.phase, error.retryable, error.__cause__) == (fault.phase, retryable, fault)


def test_a_deletion_whose_answer_was_lost_has_worked() -> None:
    """Sent again, a 404 means that the first one did it."""
    op = whole(DELETE, target())
    next(op)
    op.throw(lost(reused=True))

    assert op.send(head(404)) == ReadBody(110.0)
    assert returned(op, b'{"error":"model \'m\' not found"}').status == "success"


def test_a_deletion_of_nothing_is_an_error() -> None:
    """Without a lost answer a 404 is a 404."""
    op = whole(DELETE, target())
    next(op)
    op.send(head(404))

    with pytest.raises(ModelNotFound):
        op.send(b'{"error":"model \'m\' not found"}')


# Answers


def test_an_error_answer_carries_all_there_is() -> None:
    """Class, text, headers and the facts of the call."""
    op = whole(ASK, target())
    next(op)

    assert op.send(head(503, retry_after="3")) == ReadBody(110.0)
    with pytest.raises(ServerBusy) as caught:
        op.send(b'{"error":"server busy"}')
    error = caught.value
    assert (error.error, error.retry_after_s, error.headers) == (
        "server busy",
        3.0,
        {"retry-after": "3"},
    )
    assert (error.call, error.host, error.phase, error.attempts) == (
        "POST /api/generate",
        "http://server:80",
        "head",
        1,
    )


def test_a_status_says_more_than_its_lost_text() -> None:
    """If the error's body breaks off, the status is still told."""
    op = whole(VERSION, target())
    next(op)
    op.send(head(404))

    with pytest.raises(NotFound, match="Not Found"):
        op.throw(lost(phase="body"))


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (service.request("GET", "/x", check=False), 500),
        (models.blob_exists("sha256:" + "0" * 64), 404),
        (models.blob_exists("sha256:" + "0" * 64), 200),
        (service.request("POST", "/x"), 201),
    ],
)
def test_some_statuses_are_answers(call: Call[Any], status: int) -> None:
    """What a call takes for an answer is not raised."""
    op = whole(call, target())
    next(op)
    op.send(head(status))
    made = returned(op, b"body")

    assert made in (True, False) if isinstance(made, bool) else made.status == status


def test_a_body_that_breaks_off_is_lost() -> None:
    """Half an answer is no answer; whether to repeat it is up to the call."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(ConnectionLost) as caught:
        op.throw(lost(phase="body"))
    assert (caught.value.phase, caught.value.retryable) == ("body", True)


@pytest.mark.parametrize("body", [b"", b" \n", b"<html>", b"[]", b'{"response":5}'])
def test_a_body_that_is_no_answer_breaks_the_protocol(body: bytes) -> None:
    """Empty, HTML, wrong types: the error says which call it was."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(ProtocolError) as caught:
        op.send(body)
    assert (caught.value.call, caught.value.phase) == ("POST /api/generate", "body")


def test_an_error_in_a_good_answer_is_raised() -> None:
    """Status 200 with an error inside, as proxies make of a one-line stream."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(StreamFailed, match="broke"):
        op.send(b'{"error":"broke"}')


def test_an_answer_that_is_not_done_is_incomplete() -> None:
    """The engine stopped early: what there is comes with the error."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(StreamIncomplete) as caught:
        op.send(b'{"response":"half","done":false,"created_at":"0001-01-01T00:00:00Z"}')
    assert caught.value.partial.response == "half"
    assert caught.value.phase == "body"


# Structured output


def parse(text: str) -> Any:
    """Take digits for a number, and nothing else."""
    if text.isdigit():
        return int(text)
    raise ParseError("no number", text)


def asking(call: Call[Any]) -> Call[Any]:
    """Give the call with a format."""
    return Call(call.method, call.path, call.decoder, body=call.body, parse=parse)


CHAT = inference.chat("m", [])


@pytest.mark.parametrize(
    ("call", "body", "parsed"),
    [
        (ASK, b'{"response":"7","done":true}', 7),
        (CHAT, b'{"message":{"content":"7"},"done":true}', 7),
        (ASK, b'{"done":true,"done_reason":"load"}', None),
        (CHAT, b'{"message":{},"done":true,"done_reason":"unload"}', None),
        (CHAT, b'{"message":{"tool_calls":[{"function":{"name":"f"}}]},"done":true}', None),
        (CHAT, b'{"message":{"content":"7","tool_calls":[{"function":{}}]},"done":true}', 7),
        (ASK, b'{"tool_calls":[{"function":{"name":"f"}}],"done":true}', None),
    ],
)
def test_the_object_comes_with_the_answer(call: Call[Any], body: bytes, parsed: Any) -> None:
    """``parsed`` is made from the text; loading and calling tools have none."""
    op = whole(asking(call), target())
    next(op)
    op.send(head())

    assert returned(op, body).parsed == parsed


def test_only_inference_has_an_object() -> None:
    """A format means nothing elsewhere."""
    op = whole(asking(VERSION), target())
    next(op)
    op.send(head())

    assert returned(op, b'{"version":"1"}').version == "1"


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (ASK, b'{"response":"x","done":true}'),
        (ASK, b'{"done":true}'),
        (CHAT, b'{"message":{},"done":true}'),
    ],
)
def test_text_that_does_not_fit_comes_with_the_error(call: Call[Any], body: bytes) -> None:
    """The whole response is attached, so that nothing has to be asked twice."""
    op = whole(asking(call), target())
    next(op)
    op.send(head())

    with pytest.raises(ParseError) as caught:
        op.send(body)
    assert caught.value.response is caught.value.partial
    assert caught.value.response.done is True
    assert caught.value.call == call.name


# Time


def test_each_attempt_has_its_own_budget() -> None:
    """`first_token_s` begins with each sending, `total_s` with the call."""
    clock = Clock()
    op = whole(ASK, target(clock=clock, timeouts=Timeouts(first_token_s=10, total_s=15)))

    assert next(op).until == 110.0  # type: ignore[union-attr]  # a Send
    clock.now_s += 4
    assert op.throw(lost(reused=True)).until == 114.0  # type: ignore[union-attr]  # a Send
    clock.now_s += 4
    assert op.throw(lost(reused=True)).until == 115.0  # type: ignore[union-attr]  # a Send


def test_a_call_may_bring_its_own_budgets() -> None:
    """They replace the client's wholly."""
    op = whole(service.version(timeouts=Timeouts(connect_s=None, first_token_s=None)), target())
    effect = next(op)

    assert isinstance(effect, Send)
    assert (effect.connect_s, effect.until) == (None, None)


@pytest.mark.parametrize(
    ("timeouts", "until"),
    [(None, None), (Timeouts(first_token_s=7), 107.0), (Timeouts(total_s=9), 109.0)],
)
def test_a_patient_call_waits_unless_told_not_to(
    timeouts: Timeouts | None, until: float | None
) -> None:
    """A pull without stream may be silent for hours; budgets of its own count."""
    effect = next(whole(models.pull("m", timeouts=timeouts), target()))

    assert isinstance(effect, Send)
    assert effect.until == until


def test_a_patient_call_keeps_the_total() -> None:
    """Only the budget for the first answer is lifted."""
    effect = next(whole(PULL, target(timeouts=Timeouts(total_s=60))))

    assert isinstance(effect, Send)
    assert effect.until == 160.0


def test_the_total_is_named_when_it_runs_out() -> None:
    """A call that spent its whole time says so, in whatever phase it was."""
    clock = Clock()
    op = whole(ASK, target(clock=clock, timeouts=Timeouts(total_s=15)))
    next(op)
    clock.now_s += 15

    with pytest.raises(DeadlineExceeded) as caught:
        op.throw(Fault("timeout", "head", "slow"))
    assert (caught.value.budget, caught.value.limit_s) == ("total_s", 15)


@pytest.mark.parametrize(
    ("part_s", "total_s", "until"),
    [(None, None, None), (1, None, 11), (None, 5, 8), (1, 5, 8), (1, 50, 11)],
)
def test_the_earlier_deadline_counts(
    part_s: float | None, total_s: float | None, until: float | None
) -> None:
    """None is no limit; the total counts from the beginning."""
    assert earliest(10, part_s, 3, total_s) == until


def test_a_lost_stream_is_not_safe_to_repeat() -> None:
    """Once records were given out, a repetition would give them twice."""
    knows = target()
    error = failure(ASK, knows, begun(ASK, knows), lost(phase="body"), streaming=True)

    assert isinstance(error, ConnectionLost)
    assert not error.retryable
