"""Streams the official client gets wrong: cut, broken, left, never sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx
import pytest

from arriero import (
    AsyncClient,
    Client,
    ConnectFailed,
    ConnectionLost,
    ProtocolError,
    ResponseError,
    StreamFailed,
    StreamIncomplete,
)

from .conftest import Caller
from .scripted import DONE, NOWHERE, WAIT_S, Held, Serve, answer, lines, part


def test_a_refused_connection_is_our_error_in_streams_too(call: Caller) -> None:
    """Officially `httpx.ConnectError` leaks; handlers for it and for the builtin work here."""
    for how in ({}, {"stream": True}):
        for caught in (ConnectFailed, ConnectionError, httpx.ConnectError, httpx.HTTPError):
            with pytest.raises(caught):
                call(NOWHERE, "chat", "m", **how)


def test_blank_lines_are_skipped(scripted: Serve, call: Caller) -> None:
    """Proxies send them; officially a JSONDecodeError."""
    there = scripted(lines(b"\n", part("a"), b"\r\n\n", DONE, b"\n"))
    made = call(there.url, "chat", "m", stream=True)
    assert [record.message.content for record in made] == ["a", ""]


def test_only_line_feeds_end_lines(scripted: Serve, call: Caller) -> None:
    """Go leaves U+0085 raw in texts; officially the record breaks there."""
    text = "a\x85b\u2028c\u2029d\x1ce"
    raw = json.dumps(part(text), ensure_ascii=False).encode() + b"\n"
    there = scripted(lines(raw, DONE))
    assert call(there.url, "chat", "m", stream=True)[0].message.content == text


def test_records_may_be_cut_anywhere(scripted: Serve, call: Caller) -> None:
    """Inside a character too."""
    raw = json.dumps(part("ñandú"), ensure_ascii=False).encode() + b"\n"
    there = scripted(lines(*[raw[at : at + 1] for at in range(len(raw))], DONE))
    assert call(there.url, "chat", "m", stream=True)[0].message.content == "ñandú"


@pytest.mark.parametrize("method", ["chat", "generate", "pull"])
def test_a_stream_without_its_end_is_no_success(scripted: Serve, call: Caller, method: str) -> None:
    """Officially it cannot be told from a whole one; here what came is attached."""
    record = {"chat": part("a"), "generate": {"response": "a"}, "pull": {"status": "a"}}[method]
    for end in (True, False):
        there = scripted(lines(record, end=end))
        error = StreamIncomplete if end else (StreamIncomplete, ConnectionLost)
        with pytest.raises(error) as caught:
            call(there.url, method, "m", stream=True)
        assert caught.value.partial is not None


def test_a_whole_answer_that_is_not_done_is_no_success(scripted: Serve, call: Caller) -> None:
    """The server says ``done: false`` when its engine stopped early."""
    with pytest.raises(StreamIncomplete):
        call(scripted(answer(part("a", done=False))).url, "chat", "m")


def test_an_error_inside_a_stream_says_what_came_before(scripted: Serve, call: Caller) -> None:
    """The class tells it from a refused call; the text and -1 are as officially."""
    there = scripted(lines(part("one "), part("two"), {"error": "the engine broke"}))
    with pytest.raises(StreamFailed) as caught:
        call(there.url, "chat", "m", stream=True)
    error = caught.value
    assert isinstance(error, ResponseError)
    assert (error.error, error.status_code) == ("the engine broke", -1)
    assert str(error) == "the engine broke (status code: -1)"
    assert error.partial.message.content == "one two"


def test_a_record_of_endless_length_is_refused(scripted: Serve, call: Caller) -> None:
    """There is a limit, and it can be set."""
    there = scripted(lines(part("x" * 5000), DONE))
    with pytest.raises(ProtocolError, match="max_line_bytes=1000"):
        call(there.url, "chat", "m", stream=True, client={"max_line_bytes": 1000})


def test_streams_are_lazy_and_can_be_opened(scripted: Serve) -> None:
    """Nothing is sent before the first record is wanted, or ``with`` is entered."""
    there = scripted(lines(part("a"), DONE))
    with Client(there.url) as client:
        stream = client.chat("m", stream=True)
        assert there.asked == []
        with stream as opened:
            assert len(there.asked) == 1
            assert [record.message.content for record in opened] == ["a", ""]
        assert stream.response is not None
        assert stream.response.message.content == stream.text == "a"


@pytest.mark.parametrize("how", ["close", "with", "drop"])
def test_ending_a_stream_hangs_up(scripted: Serve, how: str) -> None:
    """Like a generator's ``close``: the server is told to stop."""
    there = scripted(Held(lines(part("a"), end=False)))
    with Client(there.url) as client:
        stream = client.chat("m", stream=True)
        next(stream)
        if how == "close":
            stream.close()
            assert list(stream) == []
        elif how == "with":
            with stream:
                pass
            assert list(stream) == []
        else:
            del stream
        assert there.hung_up.wait(WAIT_S)


def test_async_streams_have_aclose(scripted: Serve) -> None:
    """As async generators do."""
    there = scripted(Held(lines(part("a"), end=False)))

    async def run() -> list[Any]:
        async with AsyncClient(there.url) as client:
            stream = await client.chat("m", stream=True)
            async with contextlib.aclosing(stream):
                await anext(stream)
            return [record async for record in stream]

    assert asyncio.run(run()) == []
    assert there.hung_up.wait(WAIT_S)


def test_cancelling_a_call_hangs_up(scripted: Serve) -> None:
    """Whole answers too, which stops the server's work."""
    there = scripted(Held(b""))

    async def run() -> None:
        async with AsyncClient(there.url) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.chat("m"), 0.1)

    asyncio.run(run())
    assert there.hung_up.wait(WAIT_S)


def test_streams_add_up(scripted: Serve, call: Caller) -> None:
    """Text, thinking and tool calls; officially every caller writes that."""
    tool = {"function": {"name": "f", "arguments": {}}}
    records = [
        part("", thinking="x"),
        {"message": {"role": "assistant", "content": "", "thinking": "hm"}},
        part("a"),
        {"message": {"role": "assistant", "content": "b", "tool_calls": [tool]}},
        {**DONE, "eval_count": 7},
    ]
    with Client(scripted(lines(*records)).url) as client:
        stream = client.chat("m", stream=True)
        for _ in stream:
            pass
        total = stream.response
    assert total is not None
    assert (total.message.content, total.message.thinking) == ("ab", "hm")
    assert total.message.tool_calls is not None
    assert total.message.tool_calls[0].function.name == "f"
    assert (total.done, total.eval_count) == (True, 7)
