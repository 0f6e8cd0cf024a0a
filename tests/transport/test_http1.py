"""Heads and framing as pure functions of bytes."""

from __future__ import annotations

import itertools

import pytest

from arriero._transport.http1 import (
    MAX_HEAD_BYTES,
    MAX_SIZE_LINE_BYTES,
    Chunked,
    Head,
    HeadReader,
    Malformed,
    Sized,
    Unsized,
    body_of,
)

HEAD = b"HTTP/1.1 200 OK\r\nA: 1\r\na:  2\t\r\nContent-Length: 0\r\n\r\n"
PARSED = Head(200, {"a": "1, 2", "content-length": "0"}, keeps_alive=True)
FRAMED = b"5;q=1\r\nhello\r\n6 \r\n world\r\n00\r\nT: x\r\n\r\n"


def head_of(data: bytes) -> Head | None:
    return HeadReader().feed(data)


def with_headers(**headers: str) -> Head:
    return Head(200, {name.replace("_", "-"): value for name, value in headers.items()}, True)


def test_a_head_is_found_however_it_is_cut() -> None:
    """Two pieces make the same head as one, and what follows is kept."""
    for cut in range(len(HEAD)):
        reader = HeadReader()
        assert reader.feed(HEAD[:cut]) is None
        assert reader.feed(HEAD[cut:] + b"rest") == PARSED
        assert reader.rest == b"rest"


def test_bare_line_feeds_end_lines_too() -> None:
    """RFC 9112, section 2.2: a recipient may take a single LF for a line's end."""
    assert head_of(HEAD.replace(b"\r\n", b"\n")) == PARSED


@pytest.mark.parametrize(
    ("line", "connection", "keeps"),
    [
        (b"HTTP/1.1 200 OK", b"", True),
        (b"HTTP/1.1 200", b"", True),
        (b"HTTP/1.1 200 OK", b"Connection: Close\r\n", False),
        (b"HTTP/1.0 200 OK", b"", False),
        (b"HTTP/1.0 200 OK", b"Connection: keep-alive\r\n", True),
    ],
)
def test_the_version_decides_about_reuse(line: bytes, connection: bytes, keeps: bool) -> None:
    """HTTP/1.1 keeps connections unless told otherwise, HTTP/1.0 the other way round."""
    head = head_of(line + b"\r\n" + connection + b"\r\n")
    assert head is not None
    assert head.keeps_alive is keeps


@pytest.mark.parametrize(
    "data",
    [
        b"HTTX",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 99 X\r\n\r\n",
        b"HTTP/1.1 2000 X\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * MAX_HEAD_BYTES,
        b"HTTP/1.1 102 X\r\n\r\n" * (MAX_HEAD_BYTES // 18 + 1),
    ],
)
def test_wrong_heads_are_refused(data: bytes) -> None:
    """Garbage is refused as soon as it shows, an endless head at its limit."""
    with pytest.raises(Malformed):
        head_of(data)


@pytest.mark.parametrize(
    ("data", "may_be_final"),
    [(b"", False), (b"HTTP/1.1", False), (b"HTTP/1.1 1", False), (b"HTTP/1.1 4", True)],
)
def test_the_status_tells_interim_from_final(data: bytes, may_be_final: bool) -> None:
    """While sending, only what cannot be an interim answer stops us."""
    reader = HeadReader()
    reader.feed(b"HTTP/1.1 103 Early\r\n\r\n" + data)
    assert reader.may_be_final is may_be_final


@pytest.mark.parametrize(
    ("method", "head", "kind"),
    [
        ("GET", with_headers(content_length="5"), Sized),
        ("GET", with_headers(content_length="5, 5"), Sized),
        ("GET", with_headers(transfer_encoding="Chunked"), Chunked),
        ("GET", with_headers(transfer_encoding="chunked", content_length="5"), Chunked),
        ("GET", with_headers(), Unsized),
        ("HEAD", with_headers(transfer_encoding="chunked"), Sized),
    ],
)
def test_the_head_tells_the_framing(method: str, head: Head, kind: type) -> None:
    """RFC 9112, section 6.3."""
    assert type(body_of(method, head)) is kind


@pytest.mark.parametrize(
    "head",
    [
        with_headers(transfer_encoding="gzip, chunked"),
        with_headers(content_length="-1"),
        with_headers(content_length="5, 6"),
        with_headers(content_length=""),
        with_headers(content_length="9" * 19),
        with_headers(content_length="\N{SUPERSCRIPT TWO}"),
    ],
)
def test_framing_that_makes_no_sense_is_refused(head: Head) -> None:
    """Guessing where a body ends could join two answers."""
    with pytest.raises(Malformed):
        body_of("GET", head)


def test_chunks_are_joined_however_they_are_cut() -> None:
    """Three pieces make the same content as one."""
    for first, second in itertools.combinations(range(1, len(FRAMED)), 2):
        body = Chunked()
        pieces = FRAMED[:first], FRAMED[first:second], FRAMED[second:]
        assert b"".join(body.feed(piece) for piece in pieces) == b"hello world"
        assert body.is_done
        assert not body.has_surplus


def test_a_cut_chunked_body_is_not_whole() -> None:
    """Only the empty line after the last chunk ends it."""
    for cut in range(len(FRAMED)):
        body = Chunked()
        body.feed(FRAMED[:cut])
        assert not body.end()


def test_chunks_that_arrive_together_come_out_together() -> None:
    """One read of the socket gives one piece of content."""
    assert Chunked().feed(b"1\r\na\r\n" * 100) == b"a" * 100


@pytest.mark.parametrize(
    "junk",
    [
        b"g\r\n",
        b"\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_0\r\n",
        b"5\nhello",
        b"f" * 16 + b"\r\n",
        b"1;" + b"x" * MAX_SIZE_LINE_BYTES,
        b"0\r\nT: " + b"x" * MAX_HEAD_BYTES,
    ],
)
def test_wrong_chunks_are_refused(junk: bytes) -> None:
    """What is no size is no chunk, and nothing grows without limit."""
    body = Chunked()
    with pytest.raises(Malformed):
        body.feed(junk)


def test_content_before_wrong_framing_is_given_first() -> None:
    """What arrived well is not lost with what did not."""
    body = Chunked()
    assert body.feed(b"4\r\ngood\r\nzz\r\n") == b"good"
    with pytest.raises(Malformed):
        body.feed(b"")


@pytest.mark.parametrize("body", [Sized(3), Chunked()])
def test_bytes_after_the_end_are_noticed(body: Sized | Chunked) -> None:
    """A connection with something left in it must not serve another request."""
    data = b"abc" if isinstance(body, Sized) else b"3\r\nabc\r\n0\r\n\r\n"
    assert body.feed(data + b"HTTP/1.1 200") == b"abc"
    assert body.is_done
    assert body.has_surplus


def test_a_body_without_size_is_whole_when_the_connection_ends() -> None:
    """HTTP/1.0, and what came of it."""
    body = Unsized()
    assert body.feed(b"abc") == b"abc"
    assert not body.is_done
    assert body.end()
    assert body.is_done
