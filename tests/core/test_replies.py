"""Error answers into classes."""

from __future__ import annotations

import json

import pytest

from arriero._core.replies import error_of_record, error_of_reply
from arriero.errors import (
    AccessDenied,
    BadRequest,
    CapabilityError,
    ContextOverflow,
    ModelNotFound,
    NotFound,
    RateLimited,
    ServerBusy,
    ServerError,
    StatusError,
)

BUSY = "server busy, please try again.  maximum pending requests exceeded"
ENGINE = json.dumps(
    {
        "error": {
            "code": 400,
            "message": "request (9 tokens) exceeds the available context size (8 tokens)",
            "type": "exceed_context_size_error",
        }
    }
)


def wire(text: object) -> bytes:
    """Give a body in Ollama's own shape."""
    return json.dumps({"error": text}).encode()


@pytest.mark.parametrize(
    ("status", "text", "cls"),
    [
        (400, "invalid model name", BadRequest),
        (400, '"mini" does not support thinking', CapabilityError),
        (400, "registry.ollama.ai/library/m:latest does not support tools", CapabilityError),
        (400, "raw mode does not support template, system, or context", BadRequest),
        (400, "the input length exceeds the context length", ContextOverflow),
        (400, "the prompt is longer than the context length (8)", ContextOverflow),
        (400, "input exceeds maximum context length and cannot be truncated", ContextOverflow),
        (401, "unauthorized", AccessDenied),
        (403, "ollama cloud is disabled: x", AccessDenied),
        (404, "model 'nope' not found", ModelNotFound),
        (404, 'model "nope" not found, try pulling it first', ModelNotFound),
        (404, "blob not found", NotFound),
        (405, "method not allowed", StatusError),
        (429, "slow down", RateLimited),
        (499, "request canceled", StatusError),
        (500, "model runner has unexpectedly stopped", ServerError),
        (500, "the input length exceeds the context length", ContextOverflow),
        (501, "This server does not support embeddings", ServerError),
        (502, "cloud unreachable", ServerError),
        (503, BUSY, ServerBusy),
        (599, "x", ServerError),
        (302, "x", StatusError),
    ],
)
def test_status_and_text_choose_the_class(status: int, text: str, cls: type[StatusError]) -> None:
    """There is a class for each case a caller treats differently; the text is kept."""
    error = error_of_reply(status, {}, wire(text))

    assert type(error) is cls
    assert (error.error, error.status_code, error.status) == (text, status, status)
    assert str(error) == f"{text} (status code: {status})"
    assert error.retryable is (status in (429, 502, 503, 504))


@pytest.mark.parametrize(
    ("status", "body", "text", "detail_type"),
    [
        (404, b"404 page not found", "404 page not found", None),
        (405, b"405 method not allowed\n", "405 method not allowed", None),
        (403, b"", "Forbidden", None),
        (500, b"", "Internal Server Error", None),
        (500, b"null", "Internal Server Error", None),
        (599, b"", "status 599 without a text", None),
        (400, wire({"message": "bad", "type": "invalid_request_error"}), "bad",
         "invalid_request_error"),
        (400, wire({"message": "bad", "type": None}), "bad", None),
        (400, wire({"code": 5}), '{"code":5}', None),
        (400, wire(["a", 1]), '["a",1]', None),
        (400, b'{"message":"from a proxy"}', "from a proxy", None),
        (422, b'{"detail":[{"loc":["body"]}]}', '[{"loc":["body"]}]', None),
        (400, b'{"other":1}', "Bad Request", None),
        (400, b"[1,2]", "[1,2]", None),
        (400, b'"only text"', "only text", None),
        (400, wire(ENGINE), "request (9 tokens) exceeds the available context size (8 tokens)",
         "exceed_context_size_error"),
        (400, ENGINE.encode(), "request (9 tokens) exceeds the available context size (8 tokens)",
         "exceed_context_size_error"),
        (400, wire("{not json"), "{not json", None),
        (400, wire('{"no":"error"}'), '{"no":"error"}', None),
        (400, wire("{" * 3), "{{{", None),
        (502, b"<html>" + b"x" * 5000, ("<html>" + "x" * 5000)[:4096], None),
        (502, b"bad \xff byte", "bad \ufffd byte", None),
        (500, b"[" * 50_000, "[" * 4096, None),
        (500, wire("{" + '"a":{' * 50_000), "{" + '"a":{' * 50_000, None),
    ],
)  # fmt: skip
def test_every_shape_of_body_gives_its_text(
    status: int, body: bytes, text: str, detail_type: str | None
) -> None:
    """JSON, JSON inside JSON, a façade's object, text, HTML, nothing: the words come out."""
    error = error_of_reply(status, {}, body)

    assert (error.error, error.detail_type) == (text, detail_type)


def test_an_engine_type_makes_an_overflow_whatever_the_status() -> None:
    """The engine's own type is surer than its words."""
    assert type(error_of_reply(500, {}, wire(ENGINE))) is ContextOverflow


def test_body_and_headers_are_kept() -> None:
    """What the server said is all there, decoded if it was JSON."""
    error = error_of_reply(401, {"x-id": "7"}, b'{"error":"unauthorized","signin_url":"https://s"}')

    assert error.headers == {"x-id": "7"}
    assert error.body == {"error": "unauthorized", "signin_url": "https://s"}
    assert error.signin_url == "https://s"
    assert error_of_reply(401, {}, b'{"signin_url":5}').signin_url is None
    assert error_of_reply(404, {}, b"text").body == "text"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), ("0", 0.0), ("", None), ("-1", None), ("1.5", None),
     ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("²", None)],
)  # fmt: skip
def test_retry_after_is_read_in_seconds(value: str, seconds: float | None) -> None:
    """Whole seconds are understood, everything else is left out."""
    assert error_of_reply(429, {"retry-after": value}, b"").retry_after_s == seconds


def test_a_record_without_an_error_is_none() -> None:
    """Absent, null and empty are no error."""
    assert error_of_record({}) is None
    assert error_of_record({"error": None}) is None
    assert error_of_record({"error": ""}) is None


def test_a_record_with_an_error_is_a_failed_stream() -> None:
    """The wire carries no status inside a stream, so none is made up."""
    error = error_of_record({"error": "broke", "signin_url": "https://s", "x": 1})

    assert error is not None
    assert (error.error, error.status_code, error.signin_url) == ("broke", -1, "https://s")
    assert error.body == {"error": "broke", "signin_url": "https://s", "x": 1}


def test_an_engine_error_in_a_record_is_unwrapped() -> None:
    """The engine's JSON inside the text is taken apart here too."""
    error = error_of_record({"error": ENGINE, "signin_url": 5})

    assert error is not None
    assert error.error.startswith("request (9 tokens)")
    assert (error.detail_type, error.signin_url) == ("exceed_context_size_error", None)
