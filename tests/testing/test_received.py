"""What a server remembers of requests, and how a test asks about it."""

from __future__ import annotations

import socket

import pytest

from arriero.testing import ScriptedServer

from .conftest import USER, Wire


def test_a_request_is_kept_as_it_came(server: ScriptedServer, wire: Wire) -> None:
    """Method, path, query, headers, body."""
    wire.pool.request("GET", "/api/tags?a=%20b", headers={"X-Trace": "7"})
    wire.ask(options={"seed": 1})

    listed, asked = server.requests

    assert (listed.method, listed.path, listed.query) == ("GET", "/api/tags", "a=%20b")
    assert (listed.headers["x-trace"], listed.json, listed.body) == ("7", None, b"")
    assert (asked.method, asked.path, asked.model) == ("POST", "/api/chat", "llama3.2")
    assert asked.json["options"] == {"seed": 1}
    assert asked.text == USER[0]["content"]
    assert listed.at_s <= asked.at_s


def test_credentials_are_not_kept(server: ScriptedServer, wire: Wire) -> None:
    """Only that there were some, and of which kind."""
    headers = {"Authorization": "Bearer sk-1", "Cookie": "a=sk-2", "X-Api-Key": "sk-3"}
    wire.pool.request("GET", "/api/version", headers=headers)

    kept = server.requests[0].headers

    assert (kept["authorization"], kept["cookie"], kept["x-api-key"]) == (
        "Bearer ***",
        "***",
        "***",
    )
    assert "sk-" not in repr(server.requests[0])


def test_broken_json_is_no_json(server: ScriptedServer, wire: Wire) -> None:
    """The bytes are there."""
    wire.pool.request("POST", "/api/chat", body=b"{oops")

    assert (server.requests[0].json, server.requests[0].body) == (None, b"{oops")


def test_assertions_find_what_was_received(server: ScriptedServer, wire: Wire) -> None:
    """By the same conditions as rules."""
    wire.ask()
    wire.ask("/api/embed", input=["one", "two"])

    assert server.assert_received(says="France", model="llama3.2:latest")[0].path == "/api/chat"
    assert server.assert_received(1, path="/api/embed")[0].text == "one\ntwo"
    assert server.assert_received(0, tool="weather") == []


def test_assertions_say_what_was_received_instead(server: ScriptedServer, wire: Wire) -> None:
    """All of it, one line each."""
    wire.ask()

    with pytest.raises(AssertionError) as caught:
        server.assert_received(2, path="/api/chat", says="Spain")

    assert str(caught.value) == (
        "expected 2 request(s) for /api/chat with says='Spain', got 0; received:\n"
        "  POST /api/chat model='llama3.2' says='What is the capital of France?'"
    )
    with pytest.raises(AssertionError, match="expected at least one request with anything, got 0"):
        ScriptedServer().assert_received()


def test_bodies_of_every_size_and_framing_arrive(server: ScriptedServer, wire: Wire) -> None:
    """Also in chunks, also announced first."""
    body = b'{"model": "m", "prompt": "%s"}' % (b"x" * 1_000_000)
    pieces = (body[at : at + 65_000] for at in range(0, len(body), 65_000))
    wire.pool.request("POST", "/api/show", body=body)
    wire.pool.request("POST", "/api/show", body=pieces, headers={"Expect": "100-continue"})

    assert [one.body for one in server.requests] == [body, body]


def test_a_connection_serves_many_requests(server: ScriptedServer, wire: Wire) -> None:
    """As a pool expects."""
    for _ in range(5):
        assert wire.ask().status == 200

    assert (wire.pool.num_requests, wire.pool.num_connections) == (5, 1)


def test_what_is_no_http_is_refused(server: ScriptedServer) -> None:
    """With a 400, and the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(b"hello\r\n\r\n")
        answer = b"".join(iter(lambda: peer.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
