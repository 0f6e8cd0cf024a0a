"""What goes out and what comes back when all goes well."""

from __future__ import annotations

import pytest

from arriero._core.http import Request

from .adapters import Adapter, fetch, get, post, rest_of
from .peer import CHUNKED, Line, Peer, Received, answering, chunk, whole


def test_a_request_goes_out_word_for_word(adapter: Adapter) -> None:
    """Nothing is added but Host and the framing of the body."""
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen)) as peer:
        request = Request("POST", f"{peer.url}/api/chat", (("X-Trace", "1"),), b'{"a":1}')
        assert fetch(adapter, request) == b"{}"
    assert seen[0].line == "POST /api/chat HTTP/1.1"
    assert seen[0].body == b'{"a":1}'
    assert seen[0].headers == {
        "host": f"127.0.0.1:{peer.port}",
        "x-trace": "1",
        "content-length": "7",
    }


def test_headers_of_the_request_win(adapter: Adapter) -> None:
    """What a library sends by default does not replace what was asked for."""
    seen: list[Received] = []
    asked = {"user-agent": "me/1", "accept": "application/x-ndjson", "host": "example.test"}
    with Peer(answering(whole(), requests=seen)) as peer:
        fetch(adapter, get(f"{peer.url}/", *asked.items()))
    assert seen[0].headers == asked


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_without_body_says_nothing_about_one(adapter: Adapter, method: str) -> None:
    """Methods that need no body are sent without Content-Length."""
    seen: list[Received] = []
    with Peer(answering(whole(b""), requests=seen)) as peer:
        fetch(adapter, Request(method, f"{peer.url}/", ()))
    assert seen[0].headers == {"host": f"127.0.0.1:{peer.port}"}


def test_a_post_without_body_has_length_zero(adapter: Adapter) -> None:
    """A server must not wait for a body that does not come."""
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen)) as peer:
        fetch(adapter, Request("POST", f"{peer.url}/", ()))
    assert seen[0].headers["content-length"] == "0"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/base/api/chat",
        "/a//b/./c/../d",
        "/a%2Fb%2fc",
        "/~u/(x)'!$&*+,;=:@",
        "/q?x=1&y=a%20b&z=%2f",
        '/odd[]{}|^"<>`',
    ],
)
def test_a_path_is_sent_as_given(adapter: Adapter, path: str) -> None:
    """No library may normalise, escape or unescape a path or query."""
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen)) as peer:
        fetch(adapter, get(peer.url + path))
    assert seen[0].line == f"GET {path} HTTP/1.1"


def test_repeated_headers_are_joined(adapter: Adapter) -> None:
    """Names are lower-case; values of one name are joined by a comma."""
    with Peer(answering(whole(fields="X-A: 1\r\nx-a:2 \r\nX-B: \r\n"))) as peer:
        answer = adapter.open(get(peer.url))
        rest_of(answer)
        answer.close()
    assert answer.headers["x-a"] == "1, 2"
    assert answer.headers["x-b"] == ""
    assert answer.headers["content-length"] == "2"


@pytest.mark.parametrize("status", [200, 201, 301, 302, 307, 400, 404, 429, 500, 503])
def test_every_final_status_is_an_answer(adapter: Adapter, status: int) -> None:
    """Redirects are not followed, errors are not raised."""
    with Peer(answering(whole(b"body", f"{status} X", "Location: /there\r\n"))) as peer:
        answer = adapter.open(post(peer.url))
        assert (answer.status, rest_of(answer)) == (status, b"body")
        answer.close()
    assert peer.accepted == 1


@pytest.mark.parametrize("framing", ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""])
@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("POST", 204)]
)
def test_some_answers_have_no_body(
    adapter: Adapter, method: str, status: int, framing: str
) -> None:
    """Answers to HEAD, 204 and 304 end with their head, whatever it says."""
    head = f"HTTP/1.1 {status} X\r\n{framing}\r\n".encode()
    with Peer(answering(head)) as peer:
        answer = adapter.open(Request(method, f"{peer.url}/", ()))
        assert (answer.status, answer.read()) == (status, b"")
        answer.close()


@pytest.mark.parametrize("count", [1, 3])
def test_interim_answers_are_skipped(adapter: Adapter, count: int) -> None:
    """1xx answers come before the one that counts."""
    interim = b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

    def script(line: Line) -> None:
        line.request()
        for at in range(count):
            line.send(interim[at % 2])
            line.pause(0.01)
        line.send(interim[0] + whole(b"final"))
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url))
        assert (answer.status, rest_of(answer)) == (200, b"final")
        answer.close()


def test_compressed_bodies_pass_untouched(adapter: Adapter) -> None:
    """Decoding content is not the transport's business."""
    packed = b"\x1f\x8b not really gzip"
    with Peer(answering(whole(packed, fields="Content-Encoding: gzip\r\n"))) as peer:
        assert fetch(adapter, get(peer.url)) == packed


def test_only_a_users_own_client_keeps_cookies(adapter: Adapter, name: str) -> None:
    """Our own transports have no memory; httpx clients are given with theirs."""
    seen: list[Received] = []
    with Peer(answering(whole(fields="Set-Cookie: a=1\r\n"), requests=seen)) as peer:
        fetch(adapter, get(peer.url))
        fetch(adapter, get(peer.url))
    assert ("cookie" in seen[1].headers) == name.startswith("httpx")


def test_what_is_there_is_given_at_once(adapter: Adapter) -> None:
    """A record is handed over when it arrives, not when the next one does."""

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b'{"n":1}\n'))
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url))
        assert answer.read() == b'{"n":1}\n'
        answer.close()


def test_credentials_in_a_reason_never_show(adapter: Adapter) -> None:
    """The text of a fault may end up in a log."""
    from arriero._transport.reason import reason_from

    error = ValueError("cannot reach http://me:secret@proxy.test:3128/x")
    assert reason_from(error) == "cannot reach http://proxy.test:3128/x"
