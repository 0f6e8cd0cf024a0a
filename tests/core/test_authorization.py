"""Which credential goes where, and what a 401 does, as scripts of effects."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.api import inference, service
from arriero._core.effects import Authorize, Drop, ReadBody
from arriero._core.governed import whole
from arriero._core.http import Fault
from arriero.errors import AccessDenied, CredentialError, DeadlineExceeded, RequestError
from arriero.settings import Timeouts
from tests.core.script import Clock, head, returned, target
from tests.core.test_requesting import ANSWER, headers, sent

HOME = "http://server:80"
VERSION = service.version()
ASK = inference.generate("m", "hi")


def asking(**more: Any) -> Any:
    """A client that asks for its tokens."""
    return target(providers=frozenset({HOME}), **more)


def token_of(effect: Any) -> str | None:
    """Give the credential of the request that is to be sent."""
    return headers(effect).get("authorization")


def test_a_token_is_asked_for_before_the_request() -> None:
    """Its waiting counts against the call's budgets."""
    op = whole(VERSION, asking())
    assert next(op) == Authorize(HOME, None, 110.0)
    assert token_of(op.send("fresh")) == "Bearer fresh"


def test_a_token_with_its_files_line_feed_is_refused() -> None:
    """The message names the header and keeps the token to itself."""
    op = whole(VERSION, asking())
    next(op)
    with pytest.raises(RequestError, match="'authorization'") as caught:
        op.send("s3cret\n")
    assert "s3cret" not in str(caught.value)


def test_after_a_401_a_better_token_is_sent_once() -> None:
    """The refused one is named; method and body are the same; the old answer is dropped."""
    op = whole(ASK, asking())
    next(op)
    first = sent(op.send("old"))
    assert op.send(head(401)) == Authorize(HOME, "old", 110.0)
    assert op.send("new") == Drop()
    again = op.send(None)
    assert token_of(again) == "Bearer new"
    assert (sent(again).url, sent(again).body) == (first.url, first.body)
    op.send(head())
    made = returned(op, ANSWER)
    assert made.http.attempts == 2


def test_a_second_401_is_the_answer() -> None:
    """One renewal and one repetition, no more."""
    op = whole(VERSION, asking())
    next(op)
    op.send("old")
    op.send(head(401))
    op.send("new")
    op.send(None)
    assert isinstance(op.send(head(401)), ReadBody)
    with pytest.raises(AccessDenied) as caught:
        op.send(b'{"error":"no"}')
    assert caught.value.attempts == 2


def test_without_a_better_token_the_401_stands() -> None:
    """Sending the same one again would help nobody."""
    op = whole(VERSION, asking())
    next(op)
    op.send("same")
    op.send(head(401))
    assert isinstance(op.send("same"), ReadBody)
    with pytest.raises(AccessDenied):
        op.send(b"")


def test_a_provider_that_fails_after_a_401_is_told() -> None:
    """With the call it belongs to."""
    op = whole(VERSION, asking())
    next(op)
    op.send("old")
    op.send(head(401))
    with pytest.raises(CredentialError) as caught:
        op.throw(CredentialError("vault()", "sealed"))
    error = caught.value
    assert (error.call, error.host, error.attempts) == ("GET /api/version", HOME, 1)


def test_a_call_that_takes_every_status_gets_a_better_token_too() -> None:
    """``check=False`` is about errors, not about expired tokens."""
    op = whole(service.request("POST", "/x", check=False), asking())
    next(op)
    op.send("old")
    op.send(head(401))
    assert op.send("new") == Drop()
    op.send(None)
    assert isinstance(op.send(head(401)), ReadBody)
    assert returned(op, b"no").status == 401


@pytest.mark.parametrize(
    ("knows", "call"),
    [
        (target(authorization="Bearer t"), VERSION),
        (asking(headers=(("authorization", "Bearer own"),)), VERSION),
        (asking(), service.request("GET", "/x", headers={"Authorization": "Bearer own"})),
    ],
    ids=["fixed token", "header of the client", "header of the call"],
)
def test_what_the_user_wrote_is_neither_asked_for_nor_replaced(knows: Any, call: Any) -> None:
    """A 401 to it is final."""
    op = whole(call, knows)
    assert token_of(next(op)) in ("Bearer t", "Bearer own")
    assert isinstance(op.send(head(401)), ReadBody)


def test_waiting_for_a_token_ends_with_the_budget() -> None:
    """And says which one it was."""
    clock = Clock()
    op = whole(VERSION, asking(clock=clock, timeouts=Timeouts(total_s=3)))
    assert next(op).until == 103.0  # type: ignore[union-attr]  # an Authorize
    clock.now_s = 103.0
    with pytest.raises(DeadlineExceeded) as caught:
        op.throw(Fault("timeout", "prepare", "no token in time"))
    assert (caught.value.budget, caught.value.phase) == ("total_s", "prepare")


def test_a_redirect_gets_the_credential_of_where_it_leads() -> None:
    """And not the one of where it came from."""
    op = whole(VERSION, target(authorization="Bearer a", elsewhere={"https://b:443": "Bearer b"}))
    next(op)
    op.send(head(307, location="https://b/x"))
    assert token_of(op.send(None)) == "Bearer b"
    op.send(head(307, location="https://c/x"))
    assert token_of(op.send(None)) is None


@pytest.mark.parametrize("location", ["http://b/x", "https://b:444/x", "https://b.c/x"])
def test_a_near_miss_of_an_origin_gets_nothing(location: str) -> None:
    """Scheme, name and port must all be the same."""
    op = whole(VERSION, target(elsewhere={"https://b:443": "Bearer b"}))
    next(op)
    op.send(head(307, location=location))
    assert token_of(op.send(None)) is None


def test_a_redirect_asks_the_provider_of_where_it_leads() -> None:
    """And a 401 there renews that token."""
    op = whole(VERSION, target(providers=frozenset({"https://b:443"})))
    next(op)
    op.send(head(307, location="https://b/x"))
    assert op.send(None) == Authorize("https://b:443", None, 110.0)
    assert token_of(op.send("of b")) == "Bearer of b"
    assert op.send(head(401)) == Authorize("https://b:443", "of b", 110.0)


def test_a_credential_does_not_come_home_by_redirect() -> None:
    """Whoever sends us back chose the path; it is not ours to sign."""
    op = whole(VERSION, asking(elsewhere={"http://b:80": "Bearer b"}))
    next(op)
    op.send("home")
    op.send(head(307, location="http://b/x"))
    op.send(None)
    op.send(head(307, location=f"{HOME}/x"))
    assert token_of(op.send(None)) is None
    assert isinstance(op.send(head(401)), ReadBody)


def test_the_web_tools_ask_the_provider_of_ollama_com() -> None:
    """If its key is not fixed; nothing of the client's own host goes there."""
    call = service.web_search("q", api_key=True)
    cloud = "https://ollama.com:443"
    knows = target(providers=frozenset({HOME, cloud}), headers=(("x-secret", "1"),))
    op = whole(call, knows)
    assert next(op) == Authorize(cloud, None, 110.0)
    made = headers(op.send("cloud"))
    assert made["authorization"] == "Bearer cloud"
    assert "x-secret" not in made


def test_an_effect_does_not_show_its_token() -> None:
    """Drivers and tests may print effects."""
    assert "old" not in repr(Authorize(HOME, "old", None))
