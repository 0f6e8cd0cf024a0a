"""Streams: sent when asked, ended when left, broken out loud."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from arriero.errors import (
    ArrieroError,
    CallCancelled,
    ConnectionLost,
    DeadlineExceeded,
    ModelNotFound,
    ParseError,
    ProtocolError,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import Timeouts

from .scripted import HANG, LAST, PART, Colour, lost, reply


def test_nothing_is_sent_before_the_first_record_is_asked_for(colour: Colour) -> None:
    """Making a stream costs nothing; then records come as they arrive."""
    client = colour.client(reply(PART + PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    assert colour.script.events == []
    assert (stream.response, stream.text, stream.complete, stream.http) == (None, "", False, None)
    assert "not sent" in repr(stream)

    assert colour.next(stream).response == "a"
    assert "open" in repr(stream)
    assert colour.script.events == ["open", "read"]
    assert colour.next(stream).response == "a"
    assert colour.script.events == ["open", "read"]
    assert colour.next(stream).done is True
    assert stream.complete
    assert colour.next(stream) is Colour.END
    assert colour.script.events == ["open", "read", "read", "read", "close"]
    assert "ended" in repr(stream)
    assert colour.next(stream) is Colour.END
    assert (stream.text, stream.response.response) == ("aa", "aa")
    assert stream.response.http == stream.http
    assert stream.http.attempts == 1


def test_entering_sends_at_once(colour: Colour) -> None:
    """So an error of the call is raised there."""
    client = colour.client(reply(PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert colour.enter(stream) is stream
    assert colour.script.events == ["open"]
    assert len(colour.list(stream)) == 2
    colour.leave(stream)
    assert colour.script.events.count("close") == 1
    assert colour.do(stream.open()) is stream


def test_leaving_early_stops_the_server(colour: Colour) -> None:
    """The answer is not read to its end, so its connection is not kept."""
    client = colour.client(reply(PART, PART, HANG))
    stream = colour.enter(colour.do(client.generate("m", "hi", stream=True)))
    colour.next(stream)
    colour.leave(stream)

    assert colour.script.events[-1] in ("close", "abort")
    assert colour.script.events.count("read") == 1
    assert colour.next(stream) is Colour.END
    assert "closed" in repr(stream)
    assert stream.text == "a"


def test_closing_discards_what_was_not_read(colour: Colour) -> None:
    """After `close` there are no more records, even if some had arrived."""
    client = colour.client(reply(PART + PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    colour.do(stream.close())
    colour.do(stream.close())

    assert colour.next(stream) is Colour.END


def test_a_stream_closed_before_it_began_sends_nothing(colour: Colour) -> None:
    """It is an empty one."""
    client = colour.client()
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.do(stream.close())

    assert colour.next(stream) is Colour.END
    assert colour.script.sent == []


def test_a_forgotten_stream_is_ended(colour: Colour) -> None:
    """Dropping the last reference closes the socket, which stops the server's work."""
    client = colour.client(reply(PART, HANG))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    del stream
    gc.collect()

    assert colour.script.events[-1] == "abort"


@pytest.mark.parametrize(
    ("pieces", "cls"),
    [
        ((PART,), StreamIncomplete),
        ((PART, b'{"resp'), StreamIncomplete),
        ((PART + b'{"error":"broke"}\n',), StreamFailed),
        ((PART, b'{"error":"broke"}\n'), StreamFailed),
        ((PART, b"<html>\n"), ProtocolError),
        ((PART, lost("body")), ConnectionLost),
        ((PART, HANG), DeadlineExceeded),
    ],
)
def test_a_broken_stream_gives_what_came_and_raises(
    colour: Colour, pieces: Any, cls: type[ArrieroError]
) -> None:
    """Records first, then the error with them as its partial; then nothing more."""
    client = colour.client(reply(*pieces), timeouts=Timeouts(idle_s=0.1 if HANG in pieces else 60))
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert colour.next(stream).response == "a"
    with pytest.raises(cls) as caught:
        colour.next(stream)
    error = caught.value
    assert error.partial.response == "a"
    assert (error.call, error.host) == ("POST /api/generate", "http://server:80")
    assert (error.phase, error.attempts, error.retryable) == ("body", 1, False)
    assert colour.script.events[-1] in ("abort", "close")
    assert not stream.complete
    assert colour.next(stream) is Colour.END
    if cls is DeadlineExceeded:
        assert error.budget == "idle_s"  # type: ignore[attr-defined]  # it is one


@pytest.mark.parametrize(("answer", "phase"), [(HANG, "head"), (reply(HANG), "first_token")])
def test_the_first_record_has_its_own_budget(colour: Colour, answer: Any, phase: str) -> None:
    """However long the pauses between records may be."""
    client = colour.client(answer, timeouts=Timeouts(first_token_s=0.3, idle_s=60))
    stream = colour.do(client.generate("m", "hi", stream=True))

    with pytest.raises(DeadlineExceeded) as caught:
        colour.next(stream)
    assert (caught.value.budget, caught.value.phase) == ("first_token_s", phase)
    assert caught.value.partial is None


def test_a_stream_that_is_done_waits_for_its_end_a_moment_only(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All has arrived: a server that does not close costs a connection, not an error."""
    monkeypatch.setattr("arriero._core.reading.GRACE_S", 0.01)
    client = colour.client(reply(PART + LAST, HANG))
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert len(colour.list(stream)) == 2
    assert stream.complete


def test_a_refused_stream_raises_when_it_is_read(colour: Colour) -> None:
    """As the call without stream would."""
    client = colour.client(reply(b'{"error":"model \'m\' not found"}', status=404))
    stream = colour.do(client.generate("m", "hi", stream=True))

    with pytest.raises(ModelNotFound) as caught:
        colour.next(stream)
    assert caught.value.partial is None


def test_cancelling_before_the_first_record_sends_nothing(colour: Colour) -> None:
    """The next step gets the error, and so does every other."""
    client = colour.client()
    stream = colour.do(client.generate("m", "hi", stream=True))
    stream.cancel()

    for _ in range(2):
        with pytest.raises(CallCancelled) as caught:
            colour.next(stream)
        assert caught.value.call == "POST /api/generate"
        assert caught.value.host == "http://server:80"
    assert colour.script.sent == []


def test_cancelling_between_records_ends_the_stream(colour: Colour) -> None:
    """What had arrived is given out first; then the error says why there is no more."""
    client = colour.client(reply(PART + PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    stream.cancel()
    assert colour.script.events[-1] == "abort"

    assert colour.next(stream).response == "a"
    with pytest.raises(CallCancelled) as caught:
        colour.next(stream)
    assert caught.value.partial.response == "aa"


def test_cancelling_what_has_ended_does_nothing(colour: Colour) -> None:
    """Its connection may serve another call by now."""
    client = colour.client(reply(PART + LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.list(stream)
    stream.cancel()

    assert "abort" not in colour.script.events
    assert colour.next(stream) is Colour.END


def test_the_object_of_a_format_comes_with_the_response(colour: Colour) -> None:
    """Whole and streamed; text that does not fit is raised with its response."""
    good = reply(b'{"response":"[1]","done":true}\n')
    bad = reply(b'{"response":"no","done":true}\n')
    client = colour.client(good, good, bad, bad)

    assert colour.do(client.generate("m", "hi", format=list[int])).parsed == [1]
    stream = colour.do(client.generate("m", "hi", format=list[int], stream=True))
    colour.list(stream)
    assert stream.response.parsed == [1]
    with pytest.raises(ParseError) as caught:
        colour.do(client.generate("m", "hi", format=list[int]))
    assert caught.value.response.response == "no"
    stream = colour.do(client.generate("m", "hi", format=list[int], stream=True))
    colour.list(stream)
    with pytest.raises(ParseError, match="POST /api/generate"):
        stream.response  # noqa: B018  # the access is the test
