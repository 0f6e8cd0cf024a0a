"""Clients: closed, copied, of two colours, and silent about secrets."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import arriero
from arriero import AsyncClient, Client
from arriero.errors import (
    AccessDenied,
    ClientClosed,
    RequestError,
)
from arriero.settings import Timeouts, Tls

from .scripted import VERSION, AsyncColour, Colour, reply


def test_a_closed_client_makes_no_calls(colour: Colour) -> None:
    """Neither whole nor streamed; the error knows its call."""
    client = colour.client(VERSION, VERSION)
    colour.do(client.version())
    colour.do(client.close())
    assert colour.script.events[-1] == "shut"
    colour.do(client.close())

    with pytest.raises(ClientClosed) as caught:
        colour.do(client.version())
    assert (caught.value.call, caught.value.host) == ("GET /api/version", "http://server:80")
    stream = colour.do(client.generate("m", "hi", stream=True))
    with pytest.raises(ClientClosed):
        colour.next(stream)


def test_a_client_is_a_context(colour: Colour) -> None:
    """Leaving it closes it."""
    client = colour.client(VERSION)

    assert colour.enter(client) is client
    colour.do(client.version())
    colour.leave(client)
    with pytest.raises(ClientClosed):
        colour.do(client.version())


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("tok", "Bearer tok"),
        (("us", "pw"), "Basic dXM6cHc="),
        (lambda: "fresh", "Bearer fresh"),
    ],
)
def test_credentials_are_sent(colour: Colour, auth: Any, header: str) -> None:
    """A token, a pair, or a callable asked for each call."""
    client = colour.client(VERSION, auth=auth)
    colour.do(client.version())

    assert colour.script.sent[0].headers["authorization"] == header


def test_a_token_provider_is_asked_each_time(colour: Colour) -> None:
    """So that it can refresh what it gives."""
    tokens = iter(["one", "two"])
    client = colour.client(VERSION, VERSION, auth=lambda: next(tokens))
    colour.do(client.version())
    colour.do(client.version())

    assert [sent.headers["authorization"] for sent in colour.script.sent] == [
        "Bearer one",
        "Bearer two",
    ]


@pytest.mark.parametrize("auth", ["s3cret\n", ("us", "s3cret"), "s3cret"])
def test_secrets_are_not_shown(colour: Colour, auth: Any) -> None:
    """Not in a repr of a client or of what it is made of, not in an error."""
    client = colour.client(
        reply(b"no", status=401),
        host="http://user:hunter2@server",
        auth=auth,
        headers={"x-key": "k3y"},
        tls=Tls(cert="c", password="pa55"),
        proxy="http://me:pr0xy@proxy:1",
    )
    with pytest.raises((AccessDenied, RequestError)) as caught:
        colour.do(client.version())

    shown = (repr(client), str(caught.value), repr(caught.value), repr(client._target))
    shown += (repr(client._setup), pickle.dumps(caught.value).decode("latin-1"))
    shown += (repr([sent.request for sent in colour.script.sent]), client.host)
    for secret in ("s3cret", "hunter2", "k3y", "pa55", "pr0xy", "czNjcmV0"):
        assert secret not in "".join(shown)


def test_a_key_goes_to_its_own_cloud_only(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OLLAMA_API_KEY` is sent to ollama.com, by the web tools and by a client of it."""
    monkeypatch.setenv("OLLAMA_API_KEY", "key")
    client = colour.client(VERSION, reply(b'{"results":[{"title":"t"}]}'), reply(b"{}"))
    colour.do(client.version())
    assert colour.do(client.web_search("q")).results[0].title == "t"
    colour.do(client.web_fetch("http://x"))
    cloud = colour.script.sent
    assert "authorization" not in cloud[0].headers
    assert [sent.headers.get("authorization") for sent in cloud[1:]] == ["Bearer key"] * 2

    client = colour.client(VERSION, host="https://ollama.com")
    colour.do(client.version())
    assert colour.script.sent[0].headers["authorization"] == "Bearer key"


def test_the_web_tools_need_a_key(colour: Colour) -> None:
    """Nothing is sent without."""
    client = colour.client()

    for call in (client.web_search, client.web_fetch):
        with pytest.raises(RequestError, match="OLLAMA_API_KEY"):
            colour.do(call("x"))


def token_of_pickles() -> str:
    """A provider that is found by its name."""
    return "t"


def test_a_pickled_client_is_the_same_anew(colour: Colour) -> None:
    """Its configuration travels, its connections do not."""
    client = colour.client(
        VERSION,
        host="http://h:1/x",
        timeouts=Timeouts(idle_s=1),
        headers={"a": "b"},
        auth=token_of_pickles,
    )
    colour.do(client.version())
    again = pickle.loads(pickle.dumps(client))

    assert type(again) is type(client)
    assert (again.host, again.timeouts) == ("http://h:1/x", Timeouts(idle_s=1))
    assert again._target.headers == (("a", "b"),)
    assert again._setup.sources["http://h:1"].provider.ask is token_of_pickles
    untimed = pickle.loads(pickle.dumps(colour.client(timeout=None)))
    assert untimed.timeouts == Timeouts.none()


def test_a_client_over_another_cannot_be_pickled(colour: Colour) -> None:
    """It holds sockets that are not ours."""
    client = colour.client(http_client=object())

    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)


def test_the_wrong_colour_is_told_so(colour: Colour) -> None:
    """A type error that says what to write."""
    client = colour.client()
    stream = colour.do(client.generate("m", "hi", stream=True))
    if colour.is_async:
        with pytest.raises(TypeError, match=r"^AsyncClient is used with 'async with'; for 'with'"):
            with client:
                pass
        with pytest.raises(TypeError, match=r"^this stream is async: write 'async for'"):
            iter(stream)
        with pytest.raises(TypeError, match=r"^this stream is async: write 'async with'"):
            with stream:
                pass
    else:
        other = AsyncColour()
        for wrong, message in (
            (client, r"^Client is used with 'with'; for 'async with' take AsyncClient$"),
            (stream, r"^this stream is sync: write 'with', or take it from AsyncClient$"),
        ):
            with pytest.raises(TypeError, match=message):
                other.do(entered(wrong))
        with pytest.raises(TypeError, match=r"^this stream is sync: write 'for'"):
            aiter(stream)
        other.runner.close()


async def entered(context: Any) -> None:
    """Enter a context the asynchronous way."""
    async with context:
        pass


def public(cls: type) -> dict[str, Any]:
    """Give the public methods of a class."""
    return {
        name: member
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_") and callable(member)
    }


def test_both_clients_have_the_same_methods() -> None:
    """Name by name, parameter by parameter."""
    ours, theirs = public(Client), public(AsyncClient)

    assert set(ours) == set(theirs)
    for name, method in ours.items():
        assert [
            (each.name, each.kind, each.default)
            for each in inspect.signature(method).parameters.values()
        ] == [
            (each.name, each.kind, each.default)
            for each in inspect.signature(theirs[name]).parameters.values()
        ], name
        assert method.__doc__ == theirs[name].__doc__, name


def test_both_streams_have_the_same_methods() -> None:
    """`aclose` is the one that only tasks know, by its usual name."""
    assert {*public(arriero.Stream)} == {*public(arriero.AsyncStream)} - {"aclose"}
