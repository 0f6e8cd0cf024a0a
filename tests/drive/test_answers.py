"""Whole answers: read to their end, or an error that says where they broke."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest

from arriero._core.http import Fault
from arriero.errors import (
    ArrieroError,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ModelNotFound,
    ProtocolError,
    RequestError,
    ServerBusy,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import Timeouts

from .scripted import HANG, VERSION, Colour, Reply, lost, reply

TINY = Timeouts(connect_s=5, first_token_s=0.3, idle_s=0.3)


def test_an_answer_is_read_to_its_end_and_given_back(colour: Colour) -> None:
    """Open, read until nothing is left, close: the connection can be kept."""
    client = colour.client(reply(b'{"ver', b'sion":', b'"1"}'))

    assert colour.do(client.version()).version == "1"
    assert colour.script.events == ["open", "read", "read", "read", "read", "close"]


def test_an_empty_answer_is_read_once(colour: Colour) -> None:
    """Nothing is nothing."""
    client = colour.client(reply())

    assert colour.do(client.copy("a", "b")).status == "success"
    assert colour.script.events == ["open", "read", "close"]


def test_a_redirect_drops_the_first_answer(colour: Colour) -> None:
    """It is closed before the next request goes out."""
    client = colour.client(reply(b"moved", status=307, location="/x"), VERSION)

    assert colour.do(client.version()).http.attempts == 2
    assert colour.script.events[:3] == ["open", "close", "open"]
    assert [sent.line for sent in colour.script.sent] == [
        "GET http://server:80/api/version",
        "GET http://server:80/x",
    ]


def test_a_stale_connection_is_not_noticed(colour: Colour) -> None:
    """The request is sent again at once."""
    client = colour.client(lost(reused=True), VERSION)

    assert colour.do(client.version()).http.attempts == 2


@pytest.mark.parametrize(
    ("answer", "cls", "phase"),
    [
        (Fault("connect", "connect", "refused"), ConnectFailed, "connect"),
        (lost("send"), ConnectionLost, "send"),
        (lost(), ConnectionLost, "head"),
        (Fault("protocol", "head", "no HTTP"), ProtocolError, "head"),
        (reply(lost("body")), ConnectionLost, "body"),
        (reply(b"half", lost("body")), ConnectionLost, "body"),
        (reply(b"<html>"), ProtocolError, "body"),
        (reply(b'{"error":"model \'m\' not found"}', status=404), ModelNotFound, "head"),
        (reply(b"", status=503), ServerBusy, "head"),
        (reply(lost("body"), status=503), ServerBusy, "head"),
        (reply(b'{"done":false}'), StreamIncomplete, "body"),
        (reply(b'{"error":"broke"}'), StreamFailed, "body"),
    ],
)
def test_an_error_carries_the_facts_of_its_call(
    colour: Colour, answer: Any, cls: type[ArrieroError], phase: str
) -> None:
    """Call, host, phase, attempts; and no answer is left open."""
    client = colour.client(answer)

    with pytest.raises(cls) as caught:
        colour.do(client.generate("m", "hi"))
    error = caught.value
    assert (error.call, error.host) == ("POST /api/generate", "http://server:80")
    assert (error.phase, error.attempts) == (phase, 1)
    opened = isinstance(answer, Reply)
    assert [event for event in colour.script.events if event in ("close", "abort")] == (
        ["close" if answer.pieces[-1:] and isinstance(answer.pieces[-1], bytes) else "abort"]
        if opened
        else []
    )


@pytest.mark.parametrize(("answer", "phase"), [(HANG, "head"), (reply(HANG), "body")])
def test_an_answer_that_does_not_come_in_time_is_given_up(
    colour: Colour, answer: Any, phase: str
) -> None:
    """`first_token_s` covers the head and the body of a whole answer."""
    client = colour.client(answer, timeouts=TINY)

    with pytest.raises(DeadlineExceeded) as caught:
        colour.do(client.generate("m", "hi"))
    assert (caught.value.budget, caught.value.phase) == ("first_token_s", phase)
    assert not caught.value.retryable


def test_the_total_covers_everything(colour: Colour) -> None:
    """It is named when it runs out first."""
    client = colour.client(HANG, timeouts=Timeouts(total_s=0.02))

    with pytest.raises(DeadlineExceeded) as caught:
        colour.do(client.version())
    assert caught.value.budget == "total_s"


def test_a_wrong_argument_fails_before_anything_is_sent(colour: Colour) -> None:
    """Nothing was opened."""
    client = colour.client()

    with pytest.raises(RequestError, match="model is required"):
        colour.do(client.chat("", []))
    assert colour.script.events == []


def test_an_embedding_model_is_loaded_the_other_way(colour: Colour) -> None:
    """By embedding nothing, if it cannot generate."""
    client = colour.client(
        reply(b'{"error":"\\"m\\" does not support generate"}', status=400),
        reply(b'{"embeddings":[]}'),
    )

    assert colour.do(client.load("m")) is None
    assert [sent.request.url[-8:] for sent in colour.script.sent] == ["generate", "pi/embed"]


def test_vectors_as_an_array(colour: Colour) -> None:
    """As bytes where the server can, as lists where it cannot."""
    client = colour.client(
        reply(b'{"data":[{"embedding":"AACAPwAAAEA="}]}'),
        reply(b"404 page not found", status=404),
        reply(b'{"embeddings":[[1,2]]}'),
    )

    for _ in range(2):
        made = colour.do(client.embed_array("m", "a"))
        assert made.tolist() == [[1, 2]]
        assert made.dtype == np.float32
    assert [sent.line for sent in colour.script.sent] == [
        "POST http://server:80/v1/embeddings",
        "POST http://server:80/v1/embeddings",
        "POST http://server:80/api/embed",
    ]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (Fault("connect", "connect", "refused"), "ConnectError"),
        (lost(), "RemoteProtocolError"),
        (Fault("timeout", "connect", "slow"), "ConnectTimeout"),
        (Fault("timeout", "head", "slow"), "ReadTimeout"),
        (reply(lost("body")), "RemoteProtocolError"),
    ],
)
def test_handlers_of_httpx_errors_keep_working(colour: Colour, answer: Any, name: str) -> None:
    """Where httpx is loaded, our errors are its errors too, and still pickle as ours."""
    import httpx

    client = colour.client(answer)
    with pytest.raises(getattr(httpx, name)) as caught:
        colour.do(client.version())

    assert isinstance(caught.value, ArrieroError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, ArrieroError)
    assert str(again) == str(caught.value)
    assert again.__dict__ == {
        key: value for key, value in caught.value.__dict__.items() if key != "_request"
    }


def test_httpx_is_not_loaded_for_that(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without httpx our errors are ours alone."""
    monkeypatch.delitem(sys.modules, "httpx", raising=False)
    client = colour.client(Fault("connect", "connect", "refused"))

    with pytest.raises(ConnectFailed) as caught:
        colour.do(client.version())
    assert type(caught.value) is ConnectFailed
    assert "httpx" not in sys.modules
