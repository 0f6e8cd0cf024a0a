"""Answers the official client gets wrong: odd bodies, errors, redirects."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import pickle
from types import ModuleType
from typing import Any

import httpx
import pytest

import arriero
from arriero import (
    AccessDenied,
    AsyncClient,
    BadRequest,
    CapabilityError,
    Client,
    ConnectFailed,
    ContextOverflow,
    DeadlineExceeded,
    ModelNotFound,
    NotFound,
    ProtocolError,
    RateLimited,
    ResponseError,
    ServerBusy,
    ServerError,
    StatusError,
    Timeouts,
)

from .conftest import Caller
from .scripted import NOWHERE, Held, Serve, answer, part


def test_an_error_in_a_200_answer_is_raised(scripted: Serve, call: Caller) -> None:
    """Officially `pull` gives an empty success object."""
    for method in ("pull", "push", "create", "chat"):
        with pytest.raises(ResponseError, match="no such registry"):
            call(scripted(answer({"error": "no such registry"})).url, method, "m")


@pytest.mark.parametrize("body", [b"<html>a proxy</html>", b"", b"[1]", b'"text"', b"{"])
def test_a_200_that_is_no_object_is_a_protocol_error(
    scripted: Serve, call: Caller, body: bytes
) -> None:
    """Officially a JSONDecodeError or a TypeError; here a ValueError that shows the body."""
    for kind in (ProtocolError, ValueError):
        with pytest.raises(kind):
            call(scripted(answer(body, type="text/html")).url, "chat", "m")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": "model 'm' not found"}, "model 'm' not found"),
        ({"error": None}, "Not Found"),
        (["a", 1], '["a",1]'),
        ("text", "text"),
        (5, "5"),
        (b"plain text", "plain text"),
        (b"", "Not Found"),
        ({"error": {"message": "deep", "type": "t"}}, "deep"),
        ({"detail": "from a proxy"}, "from a proxy"),
    ],
)
def test_error_bodies_of_every_shape_are_read(
    scripted: Serve, call: Caller, body: Any, text: str
) -> None:
    """Officially lists, texts and numbers raise AttributeError, null gives None."""
    for how in ({}, {"stream": True}):
        with pytest.raises(NotFound) as caught:
            call(scripted(answer(body, "404 Not Found")).url, "chat", "m", **how)
        assert (caught.value.error, caught.value.status_code) == (text, 404)
        assert str(caught.value) == f"{text} (status code: 404)"


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        ("400 Bad Request", "bad", BadRequest),
        ("400 Bad Request", '"m" does not support tools', CapabilityError),
        ("400 Bad Request", "the input exceeds the context length", ContextOverflow),
        ("401 Unauthorized", "no", AccessDenied),
        ("403 Forbidden", "no", AccessDenied),
        ("404 Not Found", "model 'm' not found", ModelNotFound),
        ("404 Not Found", "no blob", NotFound),
        ("418 I'm a teapot", "tea", StatusError),
        ("429 Too Many Requests", "slow", RateLimited),
        ("500 Internal Server Error", "oops", ServerError),
        ("503 Service Unavailable", "full", ServerBusy),
    ],
)
def test_causes_have_classes(
    scripted: Serve, call: Caller, status: str, text: str, kind: type[ResponseError]
) -> None:
    """All of them are the official `ResponseError` with its two attributes."""
    with pytest.raises(ResponseError) as caught:
        call(scripted(answer({"error": text}, status, Retry_After="7")).url, "chat", "m")
    error = caught.value
    assert type(error) is kind
    assert (error.error, error.status_code) == (text, int(status.split()[0]))
    assert error.headers["retry-after"] == "7"
    assert error.retry_after_s == 7


def test_where_to_sign_in_is_told(scripted: Serve, call: Caller) -> None:
    """Officially dropped."""
    body = {"error": "unauthorized", "signin_url": "https://ollama.com/x"}
    with pytest.raises(AccessDenied) as caught:
        call(scripted(answer(body, "401 Unauthorized")).url, "chat", "m")
    assert caught.value.signin_url == "https://ollama.com/x"


def test_headers_of_answers_are_there(scripted: Serve, call: Caller) -> None:
    """Officially lost."""
    response = call(scripted(answer(part("a", done=True), X_Mine="1")).url, "chat", "m")
    assert response.http.headers["x-mine"] == "1"
    assert response.http.status == 200


def test_newer_response_fields_are_kept(scripted: Serve, call: Caller) -> None:
    """`list` and `show` officially drop names, capabilities and hosts."""
    model = {"name": "m", "model": "m", "capabilities": ["tools"], "remote_host": "h", "new": 1}
    made = call(scripted(answer({"models": [model]})).url, "list").models[0]
    assert (made.name, made.capabilities, made.remote_host) == ("m", ["tools"], "h")
    assert made["new"] == 1
    shown = {"renderer": "r", "requires": "1", "details": {"context_length": 5}, "new": {"a": 1}}
    show = call(scripted(answer(shown)).url, "show", "m")
    assert (show.renderer, show.requires, show.details.context_length) == ("r", "1", 5)
    assert show.new == {"a": 1}


def test_show_without_metadata_is_no_error(scripted: Serve, call: Caller) -> None:
    """Proxies omit it; officially a validation error."""
    assert call(scripted(answer({})).url, "show", "m").modelinfo == {}


def test_bytes_of_log_probabilities_are_kept(scripted: Serve, call: Caller) -> None:
    """One token may be part of a character."""
    token = {"token": "\ufffd", "logprob": -1, "bytes": [195], "top_logprobs": []}
    reply = answer(part("a", done=True, logprobs=None) | {"logprobs": [token]})
    assert call(scripted(reply).url, "chat", "m").logprobs[0].bytes == [195]


def test_delete_and_copy_succeed_or_raise(scripted: Serve, call: Caller) -> None:
    """Every 2xx is success; officially one besides 200 says ``error``."""
    for status in ("200 OK", "204 No Content"):
        assert call(scripted(answer(status=status)).url, "delete", "m").status == "success"
        assert call(scripted(answer(status=status)).url, "copy", "a", "b")["status"] == "success"
    refused = answer({"error": "model 'm' not found"}, "404 Not Found")
    for method, arguments in (("delete", ["m"]), ("copy", ["a", "b"])):
        with pytest.raises(ModelNotFound):
            call(scripted(refused).url, method, *arguments)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Moved", "308 Moved"])
def test_redirects_keep_method_and_body(scripted: Serve, call: Caller, status: str) -> None:
    """Officially 301 and 302 become a GET, which ends in a 405."""
    home = scripted(answer(part("a", done=True)))
    gate = scripted(answer(b"", status, Location=f"{home.url}/api/chat"))
    assert call(gate.url, "chat", "m").message.content == "a"
    assert home.last.method == "POST"
    assert home.last.json["model"] == "m"


def test_redirects_elsewhere_take_no_secrets_along(scripted: Serve, call: Caller) -> None:
    """Keys and headers of the user stay at their origin."""
    other = scripted(answer({"models": []}))
    gate = scripted(answer(b"", "307 Moved", Location=f"{other.url}/api/tags"))
    secret = {"headers": {"X-Key": "s", "Cookie": "c=1"}, "auth": "token"}
    call(gate.url, "list", client=secret)
    assert gate.last.headers["authorization"] == "Bearer token"
    assert {"authorization", "x-key", "cookie"} & other.last.headers.keys() == set()


def test_redirects_can_be_refused(scripted: Serve, call: Caller) -> None:
    """As officially, with ``follow_redirects=False``."""
    gate = scripted(answer(b"", "301 Moved", Location=f"{NOWHERE}/"))
    with pytest.raises(StatusError) as caught:
        call(gate.url, "list", client={"follow_redirects": False})
    assert caught.value.status_code == 301


def test_time_limits_are_our_errors(scripted: Serve, call: Caller) -> None:
    """Officially none is set, and httpx's own class leaks; handlers for it work here."""

    there = scripted(Held(b""))
    limits = Timeouts(first_token_s=0.05)
    for caught in (DeadlineExceeded, TimeoutError, httpx.ReadTimeout, httpx.TimeoutException):
        with pytest.raises(caught, match="first_token_s"):
            call(there.url, "chat", "m", timeouts=limits)
    with pytest.raises(TimeoutError):
        call(there.url, "chat", "m", stream=True, client={"timeout": 0.05})


def test_what_is_no_http_is_our_error(scripted: Serve, call: Caller) -> None:
    """Officially `httpx.RemoteProtocolError` leaks."""
    for reply in (b"220 mail.example ESMTP\r\n\r\n", b""):
        with pytest.raises(arriero.ArrieroError):
            call(scripted(reply).url, "chat", "m")


def test_clients_can_be_pickled() -> None:
    """Officially they hold a lock."""
    for cls in (Client, AsyncClient):
        made = pickle.loads(pickle.dumps(cls("there:1", headers={"A": "b"}, timeout=3)))
        assert (type(made), made.host) == (cls, "http://there:1")
        assert made.timeouts == cls(timeout=3).timeouts


def test_errors_can_be_pickled(scripted: Serve, call: Caller) -> None:
    """Worker processes hand them back whole, those that are httpx's class too."""
    with pytest.raises(ConnectFailed) as lost:
        call(NOWHERE, "chat", "m")
    with pytest.raises(ModelNotFound) as refused:
        call(scripted(answer({"error": "model 'm' not found"}, "404 X")).url, "chat", "m")
    for error in (lost.value, refused.value):
        made = pickle.loads(pickle.dumps(error))
        assert str(made) == str(error)
        assert made.host == error.host


def test_the_wrong_colour_is_named() -> None:
    """A forgotten ``await`` or a client of the other colour says what to write."""
    client = AsyncClient(NOWHERE)
    with pytest.raises(TypeError, match="await client"):
        client.chat("m")["message"]  # type: ignore[index]
    with pytest.raises(TypeError, match="async for part in await"):
        for _ in client.chat("m", stream=True):  # type: ignore[attr-defined]
            pass
    with pytest.raises(TypeError, match="async with"), client:
        pass


def test_calls_are_coroutines(scripted: Serve) -> None:
    """They run by themselves, in tasks, with limits, side by side, and can be cancelled."""
    there = scripted(answer(part("a", done=True)))
    client = AsyncClient(there.url)

    async def run() -> list[str]:
        task = asyncio.create_task(client.chat("m"))  # type: ignore[arg-type]
        assert "chat" in repr(task)
        future = asyncio.ensure_future(client.chat("m"))
        made = [await task, await future, await asyncio.wait_for(client.chat("m"), 5)]
        made += await asyncio.gather(client.chat("m"), client.chat("m"))
        cancelled = asyncio.ensure_future(client.chat("m"))
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        await client.close()
        return [response.message.content for response in made]

    assert asyncio.run(run()) == ["a"] * 5
    again = AsyncClient(there.url)
    assert asyncio.run(again.chat("m")).message.content == "a"  # type: ignore[arg-type]
    pending = again.chat("m")
    assert inspect.isawaitable(pending)
    pending.close()  # type: ignore[attr-defined]


def test_error_classes_are_the_official_ones(official: dict[str, ModuleType]) -> None:
    """Same names, attributes, default status and text."""
    for module in (official["ollama"], arriero):
        made = module.ResponseError("text")
        assert (made.error, made.status_code) == ("text", -1)
        assert str(module.ResponseError("text", 404)) == "text (status code: 404)"
        assert module.RequestError("text").error == "text"
        assert str(module.RequestError("text")) == "text"
