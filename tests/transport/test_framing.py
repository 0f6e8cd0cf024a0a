"""Where a body ends, and that a body cut short is never taken for a whole one."""

from __future__ import annotations

import pytest

from arriero._core.http import Fault

from .adapters import Adapter, fault_of, get, post, rest_of
from .peer import CHUNKED, Line, Peer, answering, chunk, whole

BODY = b'{"a":1}\n{"b":2}\n'
SIZED = whole(BODY)
IN_CHUNKS = (
    CHUNKED + b"7\r\n" + BODY[:7] + b"\r\n" + b"009;x=y\r\n" + BODY[7:] + b"\r\n0\r\nX-T: 1\r\n\r\n"
)
TO_THE_END = b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n" + BODY


@pytest.mark.parametrize("answer", [SIZED, IN_CHUNKS], ids=["sized", "chunked"])
def test_writes_may_fall_anywhere(adapter: Adapter, answer: bytes) -> None:
    """An answer split in two writes at any byte is the same answer."""
    cuts = iter(range(1, len(answer)))

    def script(line: Line) -> None:
        for cut in cuts:
            line.request()
            line.send(answer[:cut])
            line.pause(0.0005)
            line.send(answer[cut:])
        line.drain()

    with Peer(script) as peer:
        for _ in range(1, len(answer)):
            got = adapter.open(get(peer.url))
            assert rest_of(got) == BODY
            got.close()
        assert peer.accepted == 1


@pytest.mark.parametrize("answer", [SIZED, IN_CHUNKS, TO_THE_END], ids=["sized", "chunked", "eof"])
def test_an_answer_may_trickle(adapter: Adapter, answer: bytes) -> None:
    """An answer that comes byte by byte, in time, is the same answer."""

    def script(line: Line) -> None:
        line.request()
        line.trickle(answer, 0.0005)
        line.close()

    with Peer(script) as peer:
        got = adapter.open(get(peer.url))
        assert rest_of(got) == BODY
        got.close()


@pytest.mark.parametrize("answer", [SIZED, IN_CHUNKS], ids=["sized", "chunked"])
@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
def test_a_cut_body_is_lost(adapter: Adapter, answer: bytes, is_reset: bool) -> None:
    """A connection that ends anywhere inside the body ends in a fault, never in success."""
    begin = answer.index(b"\r\n\r\n") + 4
    cuts = iter(range(begin, len(answer)))

    def script(line: Line) -> None:
        line.request()
        line.send(answer[: next(cuts)])
        if is_reset:
            line.pause(0.001)  # a reset may overtake what was sent just before
            line.reset()
        else:
            line.close()

    with Peer(script) as peer:
        for _ in range(begin, len(answer)):
            assert fault_of(adapter, get(peer.url)).kind == "lost"


def test_what_came_before_a_break_is_given_first(adapter: Adapter) -> None:
    """The part of an answer that arrived is not lost with the rest."""

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one") + chunk(b"two"))
        line.close()

    with Peer(script) as peer:
        got = adapter.open(post(peer.url))
        arrived = b""
        while len(arrived) < 6:
            arrived += got.read()
        with pytest.raises(Fault) as caught:
            got.read()
        got.close()
    assert arrived == b"onetwo"
    assert (caught.value.kind, caught.value.phase) == ("lost", "body")


def test_chunks_are_not_records(adapter: Adapter) -> None:
    """Bytes come out in order however they were cut into chunks."""
    framed = b"".join(chunk(BODY[at : at + 3]) for at in range(0, len(BODY), 3))
    with Peer(answering(CHUNKED + framed + b"0\r\n\r\n")) as peer:
        got = adapter.open(get(peer.url))
        assert rest_of(got) == BODY
        got.close()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3_000_000])
def test_bodies_of_any_size_arrive_whole(adapter: Adapter, size: int) -> None:
    """Sizes around the buffers' sizes are nothing special."""
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    chunks = b"".join(chunk(body[at : at + 50_000]) for at in range(0, size, 50_000))
    with Peer(answering(whole(body), CHUNKED + chunks + b"0\r\n\r\n")) as peer:
        for _ in range(2):
            got = adapter.open(get(peer.url))
            assert rest_of(got) == body
            assert got.read() == b""
            got.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16" + b"\0" * 40,
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=["ssh", "tls", "status", "field", "length", "lengths", "huge"],
)
def test_what_is_not_http_is_refused(adapter: Adapter, answer: bytes) -> None:
    """A head that is wrong or endless is a protocol fault."""

    def script(line: Line) -> None:
        line.request()
        line.send(answer)
        line.drain()

    with Peer(script) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(get(peer.url))
        assert (caught.value.kind, caught.value.phase) == ("protocol", "head")
        peer.wait_ended()


@pytest.mark.parametrize("junk", [b"zz\r\n", b"5\r\nhelloXX0\r\n\r\n", b"-5\r\nhello\r\n"])
def test_wrong_chunks_never_pass(adapter: Adapter, junk: bytes) -> None:
    """Framing that makes no sense ends in a fault."""

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"good") + junk)
        line.drain()

    with Peer(script) as peer:
        assert fault_of(adapter, get(peer.url)).kind in ("protocol", "lost")
        peer.wait_ended()
