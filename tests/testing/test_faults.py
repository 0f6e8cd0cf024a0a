"""What goes wrong, seen from the wire."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import pytest
import urllib3

from arriero.errors import RequestError
from arriero.testing import FaultProxy, ScriptedServer, faults

from .conftest import Wire, records

WHOLE = 4
"""Records of the answer: three tokens and the last one."""


def test_a_reset_comes_before_the_first_byte(server: ScriptedServer, wire: Wire) -> None:
    """As a reset, not as an end."""
    server.fault(faults.Reset())

    with pytest.raises(urllib3.exceptions.ProtocolError, match="reset") as caught:
        wire.ask()

    assert isinstance(caught.value.args[1], ConnectionResetError)
    assert wire.ask().status == 200, "once is the default"


def test_a_hang_lasts_until_the_client_gives_up(server: ScriptedServer, wire: Wire) -> None:
    """The connection stays open."""
    server.fault(faults.Hang())
    body = json.dumps({"model": "a"})
    started_s = time.monotonic()

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        wire.pool.request("POST", "/api/show", body=body, timeout=0.1)

    assert time.monotonic() - started_s >= 0.1


def test_a_hang_does_not_keep_the_server_from_closing() -> None:
    """It ends with it."""
    with ScriptedServer() as server:
        server.fault(faults.Hang())
        peer = socket.create_connection(("127.0.0.1", server.port))
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not server.requests:
            time.sleep(0.001)
    with peer, contextlib.suppress(ConnectionResetError):
        assert peer.recv(1) == b""


def test_slow_is_only_late(server: ScriptedServer, wire: Wire) -> None:
    """The answer is whole."""
    server.fault(faults.Slow(0.1))
    started_s = time.monotonic()

    assert len(records(wire.ask())) == WHOLE
    assert time.monotonic() - started_s >= 0.1


@pytest.mark.parametrize(
    ("fault", "status", "header", "text"),
    [
        (faults.Status(429, retry_after_s=2), 429, "2", "too many requests"),
        (faults.Status(503, retry_after_s=0.5), 503, "0.5", "server busy, please try again."),
        (faults.Status(500), 500, None, "model runner has unexpectedly stopped"),
        (faults.Status(418, "teapot"), 418, None, "teapot"),
    ],
)
def test_a_status_comes_as_a_burst(
    server: ScriptedServer,
    wire: Wire,
    fault: faults.Status,
    status: int,
    header: str | None,
    text: str,
) -> None:
    """As often as told, with or without a time to wait, over one connection."""
    server.fault(fault, times=2)

    first, second, third = wire.ask(), wire.ask(), wire.ask()

    assert (first.status, second.status, third.status) == (status, status, 200)
    assert first.headers.get("retry-after") == header
    assert json.loads(first.data)["error"].startswith(text)


@pytest.mark.parametrize(("mid_line", "rest"), [(False, 0), (True, 1)])
def test_a_stall_keeps_what_came_before(
    server: ScriptedServer, wire: Wire, mid_line: bool, rest: int
) -> None:
    """Records in front of it arrive at once, then nothing."""
    server.fault(faults.Stall(after=2, mid_line=mid_line))
    answer = wire.pool.request(
        "POST",
        "/api/generate",
        body=json.dumps({"model": "a", "prompt": "capital of France"}),
        timeout=0.1,
        preload_content=False,
    )
    got: list[bytes] = []

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        got.extend(answer.stream(1))
    answer.close()

    *lines, last = b"".join(got).split(b"\n")
    assert len(lines) == 2
    assert bool(last) == rest


def test_a_stall_can_end(server: ScriptedServer, wire: Wire) -> None:
    """Then the answer is whole."""
    server.fault(faults.Stall(after=1, mid_line=True, for_s=0.05))

    assert len(records(wire.ask())) == WHOLE


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_is_an_error_of_the_transport(
    server: ScriptedServer, wire: Wire, how: str, stream: bool
) -> None:
    """In a stream and in an answer that is in one piece."""
    server.fault(faults.Cut(after=1, how=how))  # type: ignore[arg-type]  # both are allowed

    with pytest.raises(urllib3.exceptions.ProtocolError):
        wire.ask(stream=stream)


def test_a_cut_that_looks_whole_is_none_to_the_transport(
    server: ScriptedServer, wire: Wire
) -> None:
    """Half a record is all that tells; and the connection can be used again."""
    server.fault(faults.Cut(after=1, how="end"))
    server.fault(faults.Cut(after=2, how="end", mid_line=False))

    half = wire.ask().data.split(b"\n")
    silent = wire.ask()

    assert len(half) == 2
    with pytest.raises(json.JSONDecodeError):
        json.loads(half[1])
    assert [one["done"] for one in records(silent)] == [False, False]
    assert wire.pool.num_connections == 1


def test_garbage_comes_between_records(server: ScriptedServer, wire: Wire) -> None:
    """The records themselves are whole."""
    server.fault(faults.Garbage(after=2))
    server.fault(faults.Garbage(text="oops"))

    lines = wire.ask().data.split(b"\n")

    assert lines.pop(2) == b"<html>502 Bad Gateway</html>"
    assert [json.loads(line)["done"] for line in lines if line] == [False, False, False, True]
    assert wire.ask(stream=False).data == b"oops\n"


def test_an_error_line_ends_the_stream(server: ScriptedServer, wire: Wire) -> None:
    """With status 200, and nothing after it."""
    server.fault(faults.ErrorLine(after=1, text="out of memory"))

    answer = wire.ask()

    assert answer.status == 200
    assert records(answer)[1:] == [{"error": "out of memory"}]


def test_the_label_can_be_wrong(server: ScriptedServer, wire: Wire) -> None:
    """On a good answer, or on a page that came between."""
    server.fault(faults.WrongType("text/plain"))
    server.fault(faults.WrongType(body=faults.WrongType.SIGN_IN))

    labelled, page = wire.ask(), wire.ask()

    assert labelled.headers["content-type"] == "text/plain"
    assert len(records(labelled)) == WHOLE
    assert (page.status, page.data[:15]) == (200, b"<!doctype html>")


@pytest.mark.parametrize("after", [WHOLE, 99])
def test_a_stream_that_is_shorter_is_spoiled_at_its_end(
    server: ScriptedServer, wire: Wire, after: int
) -> None:
    """So a fault always happens."""
    server.fault(faults.Cut(after=after))

    with pytest.raises(urllib3.exceptions.ProtocolError):
        wire.ask()


def test_faults_happen_where_they_are_meant(server: ScriptedServer, wire: Wire) -> None:
    """By path, model, words, or a function over the request."""
    busy = faults.Status(503)
    server.on().reply("yes")
    server.fault(busy, times=None, path="/api/ps")
    server.fault(busy, times=None, model="qwen3")
    server.fault(busy, times=None, says="Spain")
    server.fault(busy, times=None, when=lambda request: request.json.get("stream") is False)

    spain = [{"role": "user", "content": "Spain?"}]
    assert wire.ask().status == 200
    assert wire.get("/api/ps").status == 503
    assert wire.ask(model="qwen3:latest").status == 503
    assert wire.ask(messages=spain).status == 503
    assert wire.ask(stream=False).status == 503
    assert [one.fault for one in server.requests] == ["", *["Status(503)"] * 4]
    server.clear_faults()
    assert wire.ask(messages=spain).status == 200


def test_a_fault_that_never_happens_is_a_mistake(server: ScriptedServer) -> None:
    """Zero times is not meant."""
    with pytest.raises(RequestError, match="times must be at least 1"):
        server.fault(faults.Reset(), times=0)


def test_connections_can_be_refused(server: ScriptedServer, wire: Wire) -> None:
    """New ones fail to connect, old ones break, and afterwards all is well."""
    assert wire.ask().status == 200

    with server.refusing():
        for _ in range(2):
            with pytest.raises(urllib3.exceptions.HTTPError):
                wire.ask()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))

    assert wire.ask().status == 200


def test_the_server_notices_that_a_client_left() -> None:
    """An answer nobody takes frees its place at once."""
    with ScriptedServer(num_parallel=1) as server:
        server.on().reply("a b", token_s=30).reply("free")
        wire = Wire(server.url)
        left = wire.open()
        assert next(left.stream(1))

        left.close()
        answer = wire.ask()
        wire.close()

    assert records(answer)[0]["message"]["content"] == "free"


def test_a_proxy_spoils_what_a_real_server_says(server: ScriptedServer) -> None:
    """And passes everything else on as it is."""
    with FaultProxy(server.url) as proxy:
        wire = Wire(proxy.url)
        direct = Wire(server.url)
        try:
            assert len(records(wire.ask())) == WHOLE
            assert wire.ask(stream=False).headers["content-length"]
            assert wire.get("/nowhere").data == direct.get("/nowhere").data
            assert wire.pool.request("HEAD", "/api/tags").status == 200
            proxy.fault(faults.Cut(after=1))
            with pytest.raises(urllib3.exceptions.ProtocolError):
                wire.ask()
        finally:
            wire.close()
            direct.close()

    assert [one.path for one in proxy.requests][:2] == ["/api/chat", "/api/chat"]
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_a_proxy_breaks_when_the_server_behind_it_does(server: ScriptedServer) -> None:
    """Nothing there is a 502; a broken answer is a broken answer."""
    with FaultProxy(server.url) as proxy:
        wire = Wire(proxy.url)
        try:
            server.fault(faults.Cut(after=1))
            with pytest.raises(urllib3.exceptions.ProtocolError):
                wire.ask()
            server.fault(faults.Reset())
            assert wire.ask().status == 502
            with server.refusing():
                assert wire.ask().status == 502
        finally:
            wire.close()


def test_a_proxy_finds_its_server_as_clients_do(server: ScriptedServer) -> None:
    """`OLLAMA_HOST` has no scheme, as a rule."""
    with FaultProxy(f"127.0.0.1:{server.port}") as proxy:
        wire = Wire(proxy.url)
        assert wire.ask().status == 200
        wire.close()


def test_a_proxy_speaks_http_only() -> None:
    """As clients do."""
    with pytest.raises(RequestError, match="the scheme must be http or https"):
        FaultProxy("ftp://localhost")
