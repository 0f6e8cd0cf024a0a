"""Errors: what they say, what they are, and what survives a pickle."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from arriero import errors
from arriero.errors import (
    ApplyFailed,
    ArrieroError,
    CallCancelled,
    CertificateNotPinned,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    CredentialError,
    DeadlineExceeded,
    DiskFull,
    MissingExtra,
    ModelNotFound,
    ParseError,
    ProtocolError,
    RateLimited,
    RequestError,
    ResponseError,
    ServerBusy,
    StreamFailed,
    StreamIncomplete,
    ToolError,
    VerificationFailed,
)
from arriero.types.chat import GenerateResponse

MADE: list[tuple[ArrieroError, str, tuple[type, ...]]] = [
    (ArrieroError("x"), "x", (Exception,)),
    (RequestError("x"), "x", (ValueError,)),
    (MissingExtra("x"), "x", (ValueError, ImportError)),
    (CredentialError("f()", "why"), "auth: no token from f(): why", (ArrieroError,)),
    (ConnectFailed("x"), "x", (ConnectionError, OSError)),
    (
        CertificateNotPinned("sha256/x"),
        "the server shows sha256/x, which is not in Tls.pins",
        (ConnectFailed,),
    ),
    (ConnectionLost("x"), "x", (ConnectionError,)),
    (ClientClosed("x"), "x", (RuntimeError,)),
    (
        DeadlineExceeded("idle_s", 5.0),
        "idle_s=5 ran out in phase 'prepare'",
        (TimeoutError, OSError),
    ),
    (CallCancelled("x"), "x", (ArrieroError,)),
    (ModelNotFound("x", 404), "x (status code: 404)", (ResponseError,)),
    (StreamFailed("x"), "x (status code: -1)", (ResponseError,)),
    (StreamIncomplete("x"), "x", (ProtocolError, ValueError)),
    (ParseError("why", "text"), "the answer does not fit its format: why", (ValueError,)),
    (ToolError("tool", "why"), "tool: why", (ArrieroError,)),
    (ApplyFailed("why", {"a": 1}), "why", (ArrieroError,)),
    (
        VerificationFailed("m", "digest", "why"),
        "model 'm' fails its digest check: why",
        (ArrieroError,),
    ),
    (
        DiskFull("m", 1234567),
        "the disk is full while pulling 'm': free at least 1,234,567 bytes there, or set"
        " OLLAMA_MODELS of the server to a larger disk, then pull again",
        (ArrieroError,),
    ),
]


@pytest.mark.parametrize(
    ("error", "text", "kinds"), MADE, ids=[type(made[0]).__name__ for made in MADE]
)
def test_an_error_says_what_and_is_what_one_would_guess(
    error: ArrieroError, text: str, kinds: tuple[type, ...]
) -> None:
    """Its message, and the builtins that handlers catch."""
    assert str(error) == text
    for kind in kinds:
        assert isinstance(error, kind)


@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize("error", [made[0] for made in MADE], ids=lambda made: type(made).__name__)
def test_every_fact_survives_a_pickle(copied: Any, error: ArrieroError) -> None:
    """Arguments, attributes of the call, and what arrived."""
    error = copy.copy(error)
    error.call, error.host, error.phase = "POST /api/chat", "http://h:1", "body"
    error.attempts, error.retryable = 3, True
    error.partial = GenerateResponse(response="half", new=1)
    again = copied(error)

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert again.__dict__ == error.__dict__
    assert again.partial.new == 1


def test_a_message_begins_with_its_call() -> None:
    """Where there is one."""
    error = ConnectFailed("refused")
    error.call = "GET /x"
    assert str(error) == "GET /x: refused"
    error.host = "http://h:1"
    assert str(error) == "GET /x (http://h:1): refused"
    parse = ParseError("why", "text")
    parse.call = "POST /api/chat"
    assert str(parse) == "POST /api/chat: the answer does not fit its format: why"


def test_a_server_error_prints_as_ever() -> None:
    """Word for word what the `ollama` package prints, whatever else is known."""
    error = ServerBusy("busy", 503)
    error.call = "POST /api/chat"

    assert str(error) == "busy (status code: 503)"
    assert (error.error, error.status, error.status_code) == ("busy", 503, 503)
    assert (error.headers, error.body, error.detail_type) == ({}, None, None)


@pytest.mark.parametrize(
    ("cls", "retryable"),
    [(ConnectFailed, True), (ConnectionLost, False), (RateLimited, True), (ServerBusy, True)],
)
def test_a_class_knows_if_a_retry_is_safe(cls: type[ArrieroError], retryable: bool) -> None:
    """Before anything else is known."""
    assert cls.retryable is retryable


def test_headers_are_an_errors_own() -> None:
    """No two share a dict."""
    one, two = ResponseError("a"), ResponseError("b")
    one.headers["x"] = "1"

    assert two.headers == {}


def test_there_is_one_root() -> None:
    """One class catches everything that is raised on purpose."""
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]

    assert len(classes) > 20
    assert all(issubclass(cls, ArrieroError) for cls in classes)
