"""Streams that failed: what is asked again, what is continued, and what is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from arriero._core.api import inference
from arriero._core.calls import Call
from arriero._core.effects import Send, Sleep
from arriero._core.progress import begun
from arriero._core.reading import Reading
from arriero.errors import (
    ConnectionLost,
    DeadlineExceeded,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import Retry
from tests.core.script import head, lost, returned, target

QUESTION = [{"role": "user", "content": "hi"}]
ASK = inference.chat("m", QUESTION, stream=True)
RAW = inference.generate("m", "Once", raw=True, stream=True)
CONTINUE = Retry(continue_stream=True)


def record(content: str, **more: Any) -> bytes:
    """Give a record of a chat."""
    return (
        msgspec.json.encode({"message": {"role": "assistant", "content": content}, **more}) + b"\n"
    )


def opened(call: Call[Any] = ASK, retry: Retry = CONTINUE) -> Reading[Any]:
    """Give a stream that was tried once and has begun."""
    knows = target(retry=retry)
    progress = begun(call, knows)
    progress.tries = progress.attempts = 1
    return Reading(call, knows, progress, head(200))


def asked(stream: Reading[Any]) -> dict[str, Any]:
    """Let it be asked again, up to the request; give the request's body."""
    op = stream.again()
    assert op is not None
    assert isinstance(next(op), Sleep)
    effect = op.send(None)
    assert isinstance(effect, Send)
    assert isinstance(effect.request.body, bytes)
    stream.reopened(returned(op, head(200)))
    return msgspec.json.decode(effect.request.body)  # type: ignore[no-any-return]  # an object


def test_before_the_first_record_it_is_simply_asked_again() -> None:
    """Nothing was delivered, so nothing can be delivered twice."""
    stream = opened(retry=Retry(attempts=2))
    stream.fault(lost(phase="body"))
    assert isinstance(stream.failure, ConnectionLost)
    assert asked(stream)["messages"] == QUESTION

    assert (stream.failure, stream.ended) == (None, False)
    stream.feed(record("Hello") + record("", done=True))
    stream.end()
    assert (stream.text, stream.complete) == ("Hello", True)
    assert stream.http.resumed_at == ()


def test_after_it_nothing_is_asked_again() -> None:
    """Unless the user wants it."""
    stream = opened(retry=Retry())
    stream.feed(record("Hel"))
    stream.fault(lost(phase="body"))
    assert stream.again() is None


def test_a_cut_chat_goes_on_with_its_beginning() -> None:
    """What a continuing server repeats is not given twice; the seam is told."""
    stream = opened()
    stream.feed(record("Hel"))
    stream.fault(lost(phase="body"))
    assert asked(stream)["messages"] == [*QUESTION, {"role": "assistant", "content": "Hel"}]

    stream.feed(record("Hello ") + record("you.") + record("", done=True))
    stream.end()
    assert [part.message.content for part in stream.ready] == ["Hel", "lo ", "you.", ""]
    assert (stream.text, stream.complete, stream.http.resumed_at) == ("Hello you.", True, (3,))


def test_a_cut_chat_that_had_thought_hands_its_thoughts_back() -> None:
    """They belong to the beginning."""
    stream = opened()
    part = {"message": {"role": "assistant", "content": "Hel", "thinking": "hm"}}
    stream.feed(msgspec.json.encode(part) + b"\n")
    stream.end()
    assert asked(stream)["messages"][-1]["thinking"] == "hm"


def test_another_answer_is_not_taken_for_the_rest() -> None:
    """A server that begins anew gets no second chance: the first failure is raised."""
    stream = opened()
    stream.feed(record("Hel"))
    stream.end()
    cut = stream.failure
    assert isinstance(cut, StreamIncomplete)
    asked(stream)

    assert stream.feed(record("Good morning"))
    assert stream.failure is cut
    assert stream.text == "Hel"
    assert cut.partial.message.content == "Hel"
    assert stream.again() is None


def test_a_raw_prompt_is_simply_longer() -> None:
    """Its server repeats nothing."""
    stream = opened(RAW)
    stream.feed(b'{"response":" upon"}\n')
    stream.fault(lost(phase="body"))
    assert asked(stream)["prompt"] == "Once upon"
    stream.feed(b'{"response":" a time","done":true}\n')
    stream.end()
    assert (stream.text, stream.complete, stream.http.resumed_at) == (" upon a time", True, (5,))


def test_it_may_be_cut_again() -> None:
    """Each continuation is a try."""
    stream = opened()
    for text in ("a", "ab", "abc"):
        stream.feed(record(text))
        stream.fault(lost(phase="body"))
        if text != "abc":
            asked(stream)
    op = stream.again()
    assert op is not None
    with pytest.raises(ConnectionLost):
        next(op)
    assert stream.http.resumed_at == (1, 2)


@pytest.mark.parametrize(
    ("call", "record_"),
    [
        (inference.chat("m", QUESTION, stream=True, format="json"), record('{"a"')),
        (inference.generate("m", "hi", stream=True), b'{"response":"a"}\n'),
        (
            ASK,
            b'{"message":{"role":"assistant","content":"a",'
            b'"tool_calls":[{"function":{"name":"f","arguments":{}}}]}}\n',
        ),
        (ASK, b'{"message":{"role":"assistant","content":"","thinking":"hm"}}\n'),
    ],
    ids=["format", "template", "tool calls", "thinking"],
)
def test_what_cannot_be_continued_is_not(call: Call[Any], record_: bytes) -> None:
    """The model could not know where it was."""
    stream = opened(call)
    stream.feed(record_)
    stream.fault(lost(phase="body"))
    assert stream.again() is None


def test_only_cuts_are_continued() -> None:
    """A garbled answer would be garbled again; a cancelled one was not wanted."""
    stream = opened()
    stream.feed(record("Hel") + b"<html>\n")
    assert stream.again() is None

    stream = opened()
    stream.feed(record("Hel"))
    stream.cancelled()
    assert stream.again() is None


def test_errors_inside_a_stream_and_silence_are_cuts() -> None:
    """A runner that died is started again by its server."""
    stream = opened()
    stream.feed(record("Hel") + b'{"error":"runner died"}\n')
    assert isinstance(stream.failure, StreamFailed)
    assert asked(stream)

    from arriero._core.http import Fault

    stream = opened()
    stream.feed(record("Hel"))
    stream.fault(Fault("timeout", "body", "no record in time"))
    assert isinstance(stream.failure, DeadlineExceeded)
    assert asked(stream)
