"""Clients that send too much, too slowly, or not at all, on real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from arriero.server import Server, exchange, http_server, serve

HEAD = b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with little patience and room."""
    monkeypatch.setattr(http_server, "_HEAD_S", 0.2)
    monkeypatch.setattr(exchange, "_BODY_S", 0.2)
    monkeypatch.setattr(exchange, "_MAX_BODY_BYTES", 10_000)
    with serve() as running:
        yield running


def talk(server: Server, *pieces: bytes) -> bytes:
    """Send pieces; give everything that comes back until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        found = b""
        while data := connection.recv(65536):
            found += data
    return found


def _status_and_text(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), str(json.loads(body)["error"])


@pytest.mark.parametrize("sent", [b"", b"POST /api", HEAD[:-5]])
def test_a_head_that_does_not_come_ends_the_connection(quick: Server, sent: bytes) -> None:
    """Nothing is answered: there was no request."""
    assert talk(quick, sent) == b""


def test_a_second_head_that_does_not_come_ends_the_connection(quick: Server) -> None:
    """A connection that is kept may be idle, but what it begins it must finish."""
    answer = talk(quick, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /api/ver")
    assert answer.endswith(b"Ollama is running")


def test_a_body_that_stops_is_refused(quick: Server) -> None:
    """The connection ends with the answer."""
    status, text = _status_and_text(talk(quick, HEAD + b'\r\n{"model":'))
    assert (status, text) == (408, "no more of the body came for 0.2 seconds")


def test_an_upload_that_stops_is_refused(quick: Server) -> None:
    """Blobs are read as they come; nothing of the file is kept."""
    digest = "sha256:" + "0" * 64
    head = HEAD.replace(b"/api/show", f"/api/blobs/{digest}".encode())
    assert _status_and_text(talk(quick, head + b"\r\nGGUF"))[0] == 408


@pytest.mark.parametrize("framing", [b"Content-Length: 20000", b"Transfer-Encoding: chunked"])
def test_a_body_that_is_too_long_is_refused(quick: Server, framing: bytes) -> None:
    """Whatever its length was said to be."""
    head = b"POST /api/show HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n"
    start = b"4e20\r\n" if b"chunked" in framing else b""
    answer = talk(quick, head + start + b" " * 20_000)
    assert _status_and_text(answer) == (413, "http: request body too large")


def test_a_head_that_is_too_long_is_refused(quick: Server) -> None:
    """A megabyte is the limit, as in Go."""
    lines = b"".join(b"X-%d: %s\r\n" % (at, b"a" * 1000) for at in range(3000))
    try:
        answer = talk(quick, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
    except ConnectionError:  # closed with our bytes still on their way
        return
    assert answer.split()[1] in (b"400", b"431")


def test_others_are_served_meanwhile(quick: Server) -> None:
    """A hundred that begin and do not go on are in nobody's way."""
    slow = [socket.create_connection((quick.host, quick.port), timeout=60) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(HEAD)
        answer = talk(quick, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    finally:
        for connection in slow:
            connection.close()
    assert answer.endswith(b"Ollama is running")
