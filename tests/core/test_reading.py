"""Reading a stream."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.api import inference, models, service
from arriero._core.calls import Call
from arriero._core.http import Fault, HttpInfo
from arriero._core.progress import begun
from arriero._core.reading import GRACE_S, Reading
from arriero.errors import (
    CallCancelled,
    ConnectionLost,
    DeadlineExceeded,
    ParseError,
    ProtocolError,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import Timeouts
from tests.core.script import Clock, head, lost, target

ASK = inference.generate("m", "hi", stream=True)
LIMITS = Timeouts(connect_s=1, first_token_s=10, idle_s=5)


def reading(call: Call[Any] = ASK, clock: Clock | None = None, **more: Any) -> Reading[Any]:
    """Give an open stream whose head has arrived."""
    knows = target(clock=clock, **more)
    progress = begun(call, knows)
    progress.attempts, progress.host = 1, "http://server:80"
    progress.url, progress.until = "http://server:80/api/generate", 110.0
    return Reading(call, knows, progress, head(200, x="1"))


def test_records_queue_up() -> None:
    """Feeding says whether there is something to give out."""
    stream = reading()

    assert not stream.feed(b'{"response":"a"}')
    assert stream.feed(b'\n{"response":"b"}\n')
    assert [record.response for record in stream.ready] == ["a", "b"]
    assert (stream.text, stream.complete, stream.ended) == ("ab", False, False)
    assert stream.http == HttpInfo(200, {"x": "1"}, "http://server:80/api/generate", 1)


def test_a_complete_stream_ends_well() -> None:
    """The last record and the end of the body: no failure."""
    stream = reading()
    stream.feed(b'{"response":"a"}\n{"response":"","done":true,"done_reason":"stop"}\n')
    assert stream.complete
    assert not stream.ended
    stream.end()

    assert (stream.ended, stream.failure) == (True, None)
    total = stream.total()
    assert (total.response, total.done_reason, total.http) == ("a", "stop", stream.http)


def test_one_object_may_answer_a_stream() -> None:
    """A load, an unload and a rendered prompt come as one object without a line feed."""
    stream = reading()
    stream.feed(b'{"done":true,"done_reason":"load"}')
    stream.end()

    assert (len(stream.ready), stream.failure) == (1, None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "before it was done"),
        (b'{"response":"a"}\n', "before it was done"),
        (b'{"response":"a"}\n{"resp', "inside a line of 6 bytes"),
    ],
)
def test_an_early_end_is_no_success(data: bytes, message: str) -> None:
    """Without the last record the stream is incomplete, with what arrived attached."""
    stream = reading()
    stream.feed(data)
    stream.end()

    error = stream.failure
    assert isinstance(error, StreamIncomplete)
    assert message in str(error)
    assert (error.partial and error.partial.response) == ("a" if data else None)
    assert (error.call, error.phase, error.attempts) == ("POST /api/generate", "body", 1)


def test_an_error_line_is_raised_after_what_came_before() -> None:
    """Records before the error are given out; they are also its partial."""
    stream = reading()

    assert stream.feed(b'{"response":"a"}\n{"error":"broke"}\n')
    assert len(stream.ready) == 1
    assert isinstance(stream.failure, StreamFailed)
    assert stream.failure.partial.response == "a"
    assert stream.ended


def test_an_error_without_a_line_feed_is_an_error() -> None:
    """The last line counts whether it is ended or not."""
    stream = reading()
    stream.feed(b'{"error":"broke"}')
    stream.end()

    assert isinstance(stream.failure, StreamFailed)


def test_a_broken_line_ends_the_stream() -> None:
    """HTML in the middle of a stream is no record."""
    stream = reading()

    assert stream.feed(b'{"response":"a"}\n<html>\n')
    assert isinstance(stream.failure, ProtocolError)
    assert stream.failure.partial.response == "a"


@pytest.mark.parametrize(
    ("data", "retryable", "phase"),
    [(b"", True, "first_token"), (b'{"response":"a"}\n', False, "body")],
)
def test_a_lost_connection_tells_how_far_it_got(data: bytes, retryable: bool, phase: str) -> None:
    """Before the first record a repetition is safe, afterwards it is not."""
    stream = reading()
    stream.feed(data)
    fault = lost(phase="body")
    stream.fault(fault)

    error = stream.failure
    assert isinstance(error, ConnectionLost)
    assert (error.retryable, error.phase, error.__cause__) == (retryable, phase, fault)


def test_a_connection_lost_at_the_end_is_no_failure() -> None:
    """Everything has arrived; only the connection cannot be kept."""
    stream = reading()
    stream.feed(b'{"done":true}\n')
    stream.fault(lost(phase="body"))

    assert (stream.ended, stream.failure) == (True, None)


def test_budgets_follow_the_phases() -> None:
    """Until the first record `first_token_s` counts, then `idle_s`, then a moment's grace."""
    clock = Clock()
    stream = reading(clock=clock)
    clock.now_s = 103.0

    assert stream.until() == 110.0
    stream.feed(b'{"response":"a"}\n')
    assert stream.until() == 108.0
    clock.now_s = 104.0
    assert stream.until() == 109.0
    stream.feed(b'{"done":true}\n')
    assert stream.until() == 104.0 + GRACE_S


def test_the_total_limits_every_record() -> None:
    """The earlier of idle and total counts."""
    clock = Clock()
    stream = reading(clock=clock, timeouts=Timeouts(idle_s=5, total_s=7))
    stream.feed(b'{"response":"a"}\n')

    assert stream.until() == 105.0
    clock.now_s = 104.0
    assert stream.until() == 107.0


@pytest.mark.parametrize(
    ("data", "spent_s", "budget"),
    [(b"", 10, "first_token_s"), (b'{"response":"a"}\n', 6, "idle_s"), (b"", 20, "total_s")],
)
def test_a_timeout_names_its_budget(data: bytes, spent_s: float, budget: str) -> None:
    """The error says which of the budgets was too short."""
    clock = Clock()
    stream = reading(
        clock=clock, timeouts=Timeouts(connect_s=1, first_token_s=10, idle_s=5, total_s=20)
    )
    stream.feed(data)
    clock.now_s += spent_s
    stream.fault(Fault("timeout", "body", "slow"))

    assert isinstance(stream.failure, DeadlineExceeded)
    assert stream.failure.budget == budget


def test_a_cancelled_stream_says_so_and_keeps_what_came() -> None:
    """Cancelling is no success either."""
    stream = reading()
    stream.feed(b'{"response":"a"}\n')
    stream.cancelled()

    assert isinstance(stream.failure, CallCancelled)
    assert (stream.failure.partial.response, stream.failure.phase) == ("a", "body")


def test_cancelling_after_the_end_does_nothing() -> None:
    """There is nothing left to stop."""
    stream = reading()
    stream.feed(b'{"done":true}\n')
    stream.end()
    stream.cancelled()

    assert stream.failure is None


RAW = service.request("POST", "/x", stream=True)


@pytest.mark.parametrize("data", [b"", b'{"a":1}\n', b'{"a":1}\n{"b":2}'])
def test_an_unknown_stream_ends_cleanly_at_any_record(data: bytes) -> None:
    """Nothing is known of its last record, so a clean end is a good one."""
    stream = reading(RAW)
    stream.feed(data)
    stream.end()

    assert (stream.failure, stream.complete) == (None, True)


def test_an_unknown_stream_may_pause_and_may_not_break() -> None:
    """It is not complete before its end: silence and loss count as anywhere."""
    stream = reading(RAW, timeouts=LIMITS)
    stream.feed(b'{"a":1}\n')

    assert stream.until() == 105.0
    stream.fault(lost(phase="body"))
    assert isinstance(stream.failure, ConnectionLost)


def test_an_unknown_stream_cut_inside_a_line_is_incomplete() -> None:
    """Half a line is not a clean end."""
    stream = reading(RAW)
    stream.feed(b'{"a":1}\n{"b"')
    stream.end()

    assert isinstance(stream.failure, StreamIncomplete)


def test_nothing_adds_up_to_nothing() -> None:
    """Before the first record there is no response."""
    assert reading().total() is None
    assert reading().text == ""


def test_a_pull_that_stops_is_incomplete() -> None:
    """Only ``success`` ends a pull."""
    stream = reading(models.pull("m", stream=True))
    stream.feed(b'{"status":"pulling manifest"}\n{"status":"verifying"}\n')
    stream.end()

    assert isinstance(stream.failure, StreamIncomplete)
    assert stream.failure.partial.status == "verifying"


def structured(parse: Any) -> Call[Any]:
    """Give a call whose answer is to be made into an object."""
    return Call("POST", "/x", ASK.decoder, body={}, stream=True, tally=ASK.tally, parse=parse)


def test_the_object_is_made_at_the_end_only() -> None:
    """Half a text is not parsed."""
    stream = reading(structured(int))
    stream.feed(b'{"response":"4"}\n')
    assert stream.total().parsed is None
    stream.feed(b'{"response":"2","done":true}\n')

    assert stream.total().parsed == 42


def test_text_that_does_not_fit_is_told_with_its_call() -> None:
    """The whole response is attached."""

    def refuse(text: str) -> Any:
        raise ParseError("no", text)

    stream = reading(structured(refuse))
    stream.feed(b'{"response":"x","done":true}\n')

    with pytest.raises(ParseError) as caught:
        stream.total()
    assert (caught.value.call, caught.value.response.response) == ("POST /x", "x")


def test_a_line_too_long_ends_the_stream() -> None:
    """The client's limit is the stream's."""
    stream = reading(max_line_bytes=30)
    stream.feed(b'{"response":"' + b"x" * 40)

    assert isinstance(stream.failure, ProtocolError)
