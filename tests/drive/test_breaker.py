"""What opens a circuit, in either colour: the table of `docs/governance/breaker.md`."""

from __future__ import annotations

from typing import Any

import pytest

from arriero import Breaker, CircuitOpen, Content, Limits, Refuse, Retry
from arriero._core.http import Fault
from arriero.errors import ArrieroError, LimitReached

from .scripted import HANG, LAST, PART, Colour, lost, reply

ONE = Breaker(failures=1)
GOOD = reply(b'{"response":"a","done":true,"done_reason":"stop"}')
KEY = ("http://server:80", "m")


def state(client: Any) -> str | None:
    """Give the state of the only circuit there is."""
    found: str | None = client.statistics().breakers.get(KEY)
    return found


def fails(colour: Colour, client: Any, *, streams: bool) -> ArrieroError:
    """Make a call that fails."""

    def ask() -> None:
        made = colour.do(client.generate("m", "hi", stream=streams))
        if streams:
            colour.list(made)

    with pytest.raises(ArrieroError) as caught:
        ask()
    return caught.value


def leave(colour: Colour, stream: Any) -> None:
    """Close a stream before its end."""
    closing = stream.close()
    if colour.is_async:
        colour.do(closing)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        reply(b'{"error":"the model crashed"}\n'),
        reply(PART, b'{"error":"the model crashed"}\n'),
        reply(b'{"response":"a","done":false}\n', b""),
        reply(b"<html>\n"),
        reply(b"{}", status=500),
        lost(),
        Fault("connect", "connect", "connection refused"),
        Fault("timeout", "head", "no answer in time"),
    ],
)
def test_what_says_that_the_host_is_ill_opens_it(
    colour: Colour, answer: Any, streams: bool
) -> None:
    """Streams that break count as well; then nothing is sent."""
    client = colour.client(answer, breaker=ONE)
    fails(colour, client, streams=streams)
    assert state(client) == "open"
    assert isinstance(fails(colour, client, streams=streams), CircuitOpen)
    assert len(colour.script.sent) == 1


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_what_the_caller_did_wrong_does_not(colour: Colour, status: int, streams: bool) -> None:
    """The host is well: it has answered."""
    client = colour.client(*[reply(b"{}", status=status)] * 2, breaker=ONE)
    for _ in "ab":
        fails(colour, client, streams=streams)
    assert state(client) == "closed"


def test_a_stream_counts_when_it_has_ended(colour: Colour) -> None:
    """Neither its head nor its records say how it will end."""
    client = colour.client(reply(PART, PART, b'{"error":"x"}\n'), breaker=ONE)
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    assert state(client) == "closed"
    with pytest.raises(ArrieroError):
        colour.list(stream)
    assert state(client) == "open"


def test_a_stream_that_is_left_says_nothing(colour: Colour) -> None:
    """Not even to a probe, which makes room for another."""
    client = colour.client(reply(PART, HANG), reply(PART, LAST), breaker=ONE)
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    leave(colour, stream)
    assert state(client) == "closed"


def test_what_never_reached_the_host_says_nothing(colour: Colour) -> None:
    """A full queue, a refused text."""
    content = Content(before=lambda _: Refuse("no"))
    client = colour.client(breaker=ONE, content=content)
    fails(colour, client, streams=False)
    assert state(client) is None
    client = colour.client(reply(PART, HANG), breaker=ONE, limits=Limits(concurrency=1, queue=0))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    assert isinstance(fails(colour, client, streams=False), LimitReached)
    assert state(client) == "closed"
    leave(colour, stream)


def test_a_503_under_an_adaptive_limit_is_the_limits_matter(colour: Colour) -> None:
    """It is a full queue, and the limit answers to it."""
    client = colour.client(
        reply(b"{}", status=503),
        GOOD,
        breaker=ONE,
        limits=Limits(adaptive=True, concurrency=2),
        retry=Retry(first_wait_s=0),
    )
    assert colour.do(client.generate("m", "hi")).response == "a"
    assert state(client) == "closed"
    assert client.statistics().requeued == 1
