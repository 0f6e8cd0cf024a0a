"""The way of a call, as scripts of effects."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from arriero._core.api import inference, models, service
from arriero._core.calls import Call
from arriero._core.effects import Drop, LoadImage, ReadBody, Send
from arriero._core.governed import whole
from arriero._core.http import Fault, HttpInfo, Request
from arriero._core.images import ImageFile, ImagePath
from arriero._core.operations import failure, opened
from arriero._core.progress import begun, earliest
from arriero._core.requesting import MAX_REDIRECTS
from arriero.errors import (
    ArrieroError,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ModelNotFound,
    NotFound,
    ParseError,
    ProtocolError,
    RequestError,
    ServerBusy,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import Timeouts
from tests.core.script import Clock, head, lost, returned, target

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


# Stale connections


def test_a_stale_connection_is_replaced() -> None:
    """A pooled connection that broke before an answer costs nothing but a new one."""
    op = whole(ASK, target())
    first = next(op)

    assert op.throw(lost(reused=True)) == first
    assert op.throw(lost(reused=True)) == first
    op.send(head())
    assert returned(op, ANSWER).http.attempts == 3


def test_stale_connections_come_to_an_end() -> None:
    """After three in a row it is not the connections' fault."""
    op = whole(ASK, target())
    next(op)
    for _ in range(3):
        op.throw(lost(reused=True))

    with pytest.raises(ConnectionLost) as caught:
        op.throw(lost(reused=True))
    assert (caught.value.attempts, caught.value.retryable) == (4, True)


@pytest.mark.parametrize(
    ("call", "fault", "cls", "retryable"),
    [
        (ASK, lost(), ConnectionLost, True),
        (PULL, lost(reused=True), ConnectionLost, False),
        (PULL, lost(), ConnectionLost, False),
        (DELETE, lost(), ConnectionLost, True),
        (ASK, Fault("connect", "connect", "refused"), ConnectFailed, True),
        (ASK, Fault("protocol", "head", "no HTTP", reused=True), ProtocolError, False),
        (ASK, Fault("closed", "head", "closed", reused=True), ClientClosed, False),
        (ASK, Fault("timeout", "head", "slow", reused=True), DeadlineExceeded, False),
    ],
)
def test_other_faults_end_the_call(
    call: Call[Any], fault: Fault, cls: type[ArrieroError], retryable: bool
) -> None:
    """A call that may have run is not repeated by itself; the error says if it could be."""
    op = whole(call, target())
    next(op)

    with pytest.raises(cls) as caught:
        op.throw(fault)
    error = caught.value
    assert type(error) is cls
    assert (error.call, error.host, error.attempts) == (call.name, "http://server:80", 1)
    assert (error.phase, error.retryable, error.__cause__) == (fault.phase, retryable, fault)


def test_a_deletion_whose_answer_was_lost_has_worked() -> None:
    """Sent again, a 404 means that the first one did it."""
    op = whole(DELETE, target())
    next(op)
    op.throw(lost(reused=True))

    assert op.send(head(404)) == ReadBody(110.0)
    assert returned(op, b'{"error":"model \'m\' not found"}').status == "success"


def test_a_deletion_of_nothing_is_an_error() -> None:
    """Without a lost answer a 404 is a 404."""
    op = whole(DELETE, target())
    next(op)
    op.send(head(404))

    with pytest.raises(ModelNotFound):
        op.send(b'{"error":"model \'m\' not found"}')


# Answers


def test_an_error_answer_carries_all_there_is() -> None:
    """Class, text, headers and the facts of the call."""
    op = whole(ASK, target())
    next(op)

    assert op.send(head(503, retry_after="3")) == ReadBody(110.0)
    with pytest.raises(ServerBusy) as caught:
        op.send(b'{"error":"server busy"}')
    error = caught.value
    assert (error.error, error.retry_after_s, error.headers) == (
        "server busy",
        3.0,
        {"retry-after": "3"},
    )
    assert (error.call, error.host, error.phase, error.attempts) == (
        "POST /api/generate",
        "http://server:80",
        "head",
        1,
    )


def test_a_status_says_more_than_its_lost_text() -> None:
    """If the error's body breaks off, the status is still told."""
    op = whole(VERSION, target())
    next(op)
    op.send(head(404))

    with pytest.raises(NotFound, match="Not Found"):
        op.throw(lost(phase="body"))


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (service.request("GET", "/x", check=False), 500),
        (models.blob_exists("sha256:" + "0" * 64), 404),
        (models.blob_exists("sha256:" + "0" * 64), 200),
        (service.request("POST", "/x"), 201),
    ],
)
def test_some_statuses_are_answers(call: Call[Any], status: int) -> None:
    """What a call takes for an answer is not raised."""
    op = whole(call, target())
    next(op)
    op.send(head(status))
    made = returned(op, b"body")

    assert made in (True, False) if isinstance(made, bool) else made.status == status


def test_a_body_that_breaks_off_is_lost() -> None:
    """Half an answer is no answer; whether to repeat it is up to the call."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(ConnectionLost) as caught:
        op.throw(lost(phase="body"))
    assert (caught.value.phase, caught.value.retryable) == ("body", True)


@pytest.mark.parametrize("body", [b"", b" \n", b"<html>", b"[]", b'{"response":5}'])
def test_a_body_that_is_no_answer_breaks_the_protocol(body: bytes) -> None:
    """Empty, HTML, wrong types: the error says which call it was."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(ProtocolError) as caught:
        op.send(body)
    assert (caught.value.call, caught.value.phase) == ("POST /api/generate", "body")


def test_an_error_in_a_good_answer_is_raised() -> None:
    """Status 200 with an error inside, as proxies make of a one-line stream."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(StreamFailed, match="broke"):
        op.send(b'{"error":"broke"}')


def test_an_answer_that_is_not_done_is_incomplete() -> None:
    """The engine stopped early: what there is comes with the error."""
    op = whole(ASK, target())
    next(op)
    op.send(head())

    with pytest.raises(StreamIncomplete) as caught:
        op.send(b'{"response":"half","done":false,"created_at":"0001-01-01T00:00:00Z"}')
    assert caught.value.partial.response == "half"
    assert caught.value.phase == "body"


# Structured output


def parse(text: str) -> Any:
    """Take digits for a number, and nothing else."""
    if text.isdigit():
        return int(text)
    raise ParseError("no number", text)


def asking(call: Call[Any]) -> Call[Any]:
    """Give the call with a format."""
    return Call(call.method, call.path, call.decoder, body=call.body, parse=parse)


CHAT = inference.chat("m", [])


@pytest.mark.parametrize(
    ("call", "body", "parsed"),
    [
        (ASK, b'{"response":"7","done":true}', 7),
        (CHAT, b'{"message":{"content":"7"},"done":true}', 7),
        (ASK, b'{"done":true,"done_reason":"load"}', None),
        (CHAT, b'{"message":{},"done":true,"done_reason":"unload"}', None),
        (CHAT, b'{"message":{"tool_calls":[{"function":{"name":"f"}}]},"done":true}', None),
        (CHAT, b'{"message":{"content":"7","tool_calls":[{"function":{}}]},"done":true}', 7),
        (ASK, b'{"tool_calls":[{"function":{"name":"f"}}],"done":true}', None),
    ],
)
def test_the_object_comes_with_the_answer(call: Call[Any], body: bytes, parsed: Any) -> None:
    """``parsed`` is made from the text; loading and calling tools have none."""
    op = whole(asking(call), target())
    next(op)
    op.send(head())

    assert returned(op, body).parsed == parsed


def test_only_inference_has_an_object() -> None:
    """A format means nothing elsewhere."""
    op = whole(asking(VERSION), target())
    next(op)
    op.send(head())

    assert returned(op, b'{"version":"1"}').version == "1"


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (ASK, b'{"response":"x","done":true}'),
        (ASK, b'{"done":true}'),
        (CHAT, b'{"message":{},"done":true}'),
    ],
)
def test_text_that_does_not_fit_comes_with_the_error(call: Call[Any], body: bytes) -> None:
    """The whole response is attached, so that nothing has to be asked twice."""
    op = whole(asking(call), target())
    next(op)
    op.send(head())

    with pytest.raises(ParseError) as caught:
        op.send(body)
    assert caught.value.response is caught.value.partial
    assert caught.value.response.done is True
    assert caught.value.call == call.name


# Time


def test_each_attempt_has_its_own_budget() -> None:
    """`first_token_s` begins with each sending, `total_s` with the call."""
    clock = Clock()
    op = whole(ASK, target(clock=clock, timeouts=Timeouts(first_token_s=10, total_s=15)))

    assert next(op).until == 110.0  # type: ignore[union-attr]  # a Send
    clock.now_s += 4
    assert op.throw(lost(reused=True)).until == 114.0  # type: ignore[union-attr]  # a Send
    clock.now_s += 4
    assert op.throw(lost(reused=True)).until == 115.0  # type: ignore[union-attr]  # a Send


def test_a_call_may_bring_its_own_budgets() -> None:
    """They replace the client's wholly."""
    op = whole(service.version(timeouts=Timeouts(connect_s=None, first_token_s=None)), target())
    effect = next(op)

    assert isinstance(effect, Send)
    assert (effect.connect_s, effect.until) == (None, None)


@pytest.mark.parametrize(
    ("timeouts", "until"),
    [(None, None), (Timeouts(first_token_s=7), 107.0), (Timeouts(total_s=9), 109.0)],
)
def test_a_patient_call_waits_unless_told_not_to(
    timeouts: Timeouts | None, until: float | None
) -> None:
    """A pull without stream may be silent for hours; budgets of its own count."""
    effect = next(whole(models.pull("m", timeouts=timeouts), target()))

    assert isinstance(effect, Send)
    assert effect.until == until


def test_a_patient_call_keeps_the_total() -> None:
    """Only the budget for the first answer is lifted."""
    effect = next(whole(PULL, target(timeouts=Timeouts(total_s=60))))

    assert isinstance(effect, Send)
    assert effect.until == 160.0


def test_the_total_is_named_when_it_runs_out() -> None:
    """A call that spent its whole time says so, in whatever phase it was."""
    clock = Clock()
    op = whole(ASK, target(clock=clock, timeouts=Timeouts(total_s=15)))
    next(op)
    clock.now_s += 15

    with pytest.raises(DeadlineExceeded) as caught:
        op.throw(Fault("timeout", "head", "slow"))
    assert (caught.value.budget, caught.value.limit_s) == ("total_s", 15)


@pytest.mark.parametrize(
    ("part_s", "total_s", "until"),
    [(None, None, None), (1, None, 11), (None, 5, 8), (1, 5, 8), (1, 50, 11)],
)
def test_the_earlier_deadline_counts(
    part_s: float | None, total_s: float | None, until: float | None
) -> None:
    """None is no limit; the total counts from the beginning."""
    assert earliest(10, part_s, 3, total_s) == until


def test_a_lost_stream_is_not_safe_to_repeat() -> None:
    """Once records were given out, a repetition would give them twice."""
    knows = target()
    error = failure(ASK, knows, begun(ASK, knows), lost(phase="body"), streaming=True)

    assert isinstance(error, ConnectionLost)
    assert not error.retryable


@pytest.mark.parametrize(
    ("image", "what"), [("photo.png", "'photo.png' is an empty file"), (BytesIO(), "seek")]
)
def test_an_image_without_a_byte_stops_the_call(image: Any, what: str) -> None:
    """A file object that an earlier call read would otherwise be sent as no image."""
    op = whole(inference.generate("m", "hi", images=image), target())
    next(op)

    with pytest.raises(RequestError, match=what):
        op.send(b"")
