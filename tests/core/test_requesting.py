"""What is sent: bodies, headers, images, and where redirects lead; as scripts of effects."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from arriero._core.api import inference, models, service
from arriero._core.effects import Drop, LoadImage, ReadBody, Send
from arriero._core.governed import whole
from arriero._core.http import HttpInfo, Request
from arriero._core.images import ImageFile, ImagePath
from arriero._core.operations import opened
from arriero._core.progress import begun
from arriero._core.requesting import MAX_REDIRECTS
from arriero.errors import (
    ArrieroError,
    ProtocolError,
    RequestError,
)
from tests.core.script import head, returned, target

VERSION = service.version()
PULL = models.pull("m")
DELETE = models.delete("m")
ASK = inference.generate("m", "hi")
ANSWER = b'{"response":"a","done":true}'


def sent(effect: Any) -> Request:
    """Give the request that an operation asks to be sent."""
    assert isinstance(effect, Send)
    return effect.request


def headers(effect: Any) -> dict[str, str]:
    """Give the headers of the request."""
    return dict(sent(effect).headers)


def test_a_call_is_sent_read_and_decoded() -> None:
    """The plain way: one request, one body, one record that knows how it came."""
    op = whole(VERSION, target())

    assert next(op) == Send(
        Request(
            "GET",
            "http://server:80/api/version",
            (("accept", "application/json"), ("user-agent", "test")),
        ),
        connect_s=1,
        until=110.0,
    )
    assert op.send(head(200, x="1")) == ReadBody(110.0)
    made = returned(op, b'{"version":"1"}')
    assert made.version == "1"
    assert made.http == HttpInfo(200, {"x": "1"}, "http://server:80/api/version", 1)


def test_a_body_is_json_and_says_so() -> None:
    """What a call sends is compact JSON with its type."""
    request = sent(next(whole(ASK, target("http://h/prefix"))))

    assert (request.method, request.url) == ("POST", "http://h:80/prefix/api/generate")
    assert request.body == b'{"model":"m","prompt":"hi","stream":false}'
    assert request.size == 42
    assert dict(request.headers)["content-type"] == "application/json"


def test_a_stream_asks_for_lines() -> None:
    """A streaming request accepts NDJSON."""
    call = inference.generate("m", "hi", stream=True)
    knows = target()

    assert headers(next(opened(call, knows, begun(call, knows))))["accept"] == (
        "application/x-ndjson"
    )


def test_headers_of_a_user_win() -> None:
    """A client's headers beat ours, a call's beat the client's; names have one case."""
    call = service.request("GET", "/x", headers={"X-Own": "call"})
    knows = target(headers=(("user-agent", "mine"), ("x-own", "client")), authorization="Bearer t")

    assert headers(next(whole(call, knows))) == {
        "accept": "application/json",
        "user-agent": "mine",
        "authorization": "Bearer t",
        "x-own": "call",
    }


def test_another_server_gets_nothing_of_the_clients() -> None:
    """A call to ollama.com carries its own key, and neither headers nor token of the client."""
    call = service.web_search("q", api_key="key")
    knows = target(headers=(("x-secret", "1"),), authorization="Bearer t")
    request = sent(next(whole(call, knows)))

    assert request.url == "https://ollama.com:443/api/web_search"
    assert dict(request.headers) == {
        "accept": "application/json",
        "user-agent": "test",
        "content-type": "application/json",
        "authorization": "Bearer key",
    }


@pytest.mark.parametrize(
    ("name", "value"), [("x", "a\r\nb: c"), ("x", "token\n"), ("x\n", "a"), ("", "a"), ("a b", "c")]
)
def test_a_header_is_one_line(name: str, value: str) -> None:
    """A line break in a header is refused before sending; its value is not shown."""
    op = whole(service.request("GET", "/x", headers={name: value}), target())

    with pytest.raises(RequestError) as caught:
        next(op)
    assert "GET /x" in str(caught.value)
    assert "token" not in str(caught.value)


def test_an_argument_that_is_no_json_is_refused() -> None:
    """Nothing is sent of what cannot be written."""
    op = whole(inference.generate("m", "hi", options={"stop": [object()]}), target())

    with pytest.raises(RequestError, match="cannot be written as JSON") as caught:
        next(op)
    assert (caught.value.call, caught.value.attempts) == ("POST /api/generate", 0)


def test_images_are_read_when_the_request_is_made() -> None:
    """Files are read by effects, in order; what they hold goes into the body."""
    file = BytesIO(b"hi")
    op = whole(inference.generate("m", "hi", images=["a.png", file]), target())

    assert next(op) == LoadImage(ImagePath("a.png"))
    assert op.send(b"hi") == LoadImage(ImageFile(file))
    assert b'"images":["aGk=","aGk="]' in sent(op.send("hi")).body  # type: ignore[operator]  # bytes


def test_a_text_that_is_no_file_is_base64() -> None:
    """A short text may be both; the disk decides."""
    op = whole(inference.generate("m", "hi", images="aGk="), target())
    next(op)

    assert b'"images":["aGk="]' in sent(op.throw(FileNotFoundError(2, "none"))).body  # type: ignore[operator]  # bytes


@pytest.mark.parametrize("image", ["photo.png", BytesIO(b"")])
def test_an_image_that_cannot_be_read_stops_the_call(image: Any) -> None:
    """Nothing is sent; the cause is kept."""
    op = whole(inference.generate("m", "hi", images=image), target())
    next(op)

    with pytest.raises(RequestError, match="cannot be read") as caught:
        op.throw(PermissionError(13, "denied"))
    assert isinstance(caught.value.__cause__, PermissionError)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_keeps_method_body_and_secrets_at_home(status: int) -> None:
    """The same request goes to the new place; the answer left is dropped first."""
    op = whole(ASK, target(authorization="Bearer t"))
    first = sent(next(op))

    assert op.send(head(status, location="/v2/generate")) == Drop()
    second = sent(op.send(None))
    assert second.url == "http://server:80/v2/generate"
    assert (second.method, second.body, second.headers) == ("POST", first.body, first.headers)
    op.send(head())
    made = returned(op, ANSWER)
    assert made.http == HttpInfo(200, {}, "http://server:80/v2/generate", 2)


def test_a_see_other_is_fetched() -> None:
    """303 is by definition a GET without a body."""
    op = whole(ASK, target())
    next(op)
    op.send(head(303, location="/result"))
    request = sent(op.send(None))

    assert (request.method, request.body) == ("GET", None)
    assert "content-type" not in dict(request.headers)


def test_a_see_other_of_a_head_stays_a_head() -> None:
    """HEAD never becomes GET: there would be a body nobody reads."""
    op = whole(models.blob_exists("sha256:" + "0" * 64), target())
    next(op)
    op.send(head(303, location="/x"))

    assert sent(op.send(None)).method == "HEAD"


@pytest.mark.parametrize("location", ["http://other/x", "https://server/x", "http://server:81/x"])
def test_secrets_stay_at_their_origin(location: str) -> None:
    """Another host, scheme or port gets neither token nor cookies nor own headers."""
    op = whole(ASK, target(authorization="Bearer t", headers=(("cookie", "c"), ("x-key", "k"))))
    next(op)
    op.send(head(307, location=location))

    assert set(headers(op.send(None))) == {"accept", "user-agent", "content-type"}


def test_secrets_do_not_come_back() -> None:
    """A redirect away and back home stays without credentials."""
    op = whole(ASK, target(authorization="Bearer t"))
    next(op)
    op.send(head(307, location="http://other/x"))
    op.send(None)
    op.send(head(307, location="http://server/x"))

    assert "authorization" not in headers(op.send(None))


def test_a_loop_of_redirects_ends() -> None:
    """After five redirects the call gives up."""
    op = whole(VERSION, target())
    next(op)
    for _ in range(MAX_REDIRECTS):
        op.send(head(307, location="/x"))
        op.send(None)
    op.send(head(307, location="/x"))

    with pytest.raises(ProtocolError, match="more than 5 redirects") as caught:
        op.send(None)
    assert (caught.value.attempts, caught.value.phase) == (6, "head")


@pytest.mark.parametrize("location", ["ftp://x", "http://x:99999/", "http://["])
def test_a_redirect_to_nowhere_is_an_error_of_ours(location: str) -> None:
    """What a Location may hold is up to the server; the error is not."""
    op = whole(VERSION, target())
    next(op)
    op.send(head(307, location=location))

    with pytest.raises(ProtocolError) as caught:
        op.send(None)
    assert caught.value.call == "GET /api/version"


@pytest.mark.parametrize(
    ("more", "location"), [({"follow_redirects": False}, {"location": "/x"}), ({}, {})]
)
def test_a_redirect_not_followed_is_an_error(
    more: dict[str, Any], location: dict[str, str]
) -> None:
    """Switched off, or without a place to go: the status is what the caller gets."""
    op = whole(VERSION, target(**more))
    next(op)
    op.send(head(301, **location))

    with pytest.raises(ArrieroError, match=r"Moved Permanently \(status code: 301\)"):
        op.send(b"")


@pytest.mark.parametrize(
    ("image", "what"), [("photo.png", "'photo.png' is an empty file"), (BytesIO(), "seek")]
)
def test_an_image_without_a_byte_stops_the_call(image: Any, what: str) -> None:
    """A file object that an earlier call read would otherwise be sent as no image."""
    op = whole(inference.generate("m", "hi", images=image), target())
    next(op)

    with pytest.raises(RequestError, match=what):
        op.send(b"")
