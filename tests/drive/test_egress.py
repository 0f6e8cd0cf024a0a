"""Nothing leaves for where it may not, by any route, in either colour."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arriero import Egress, EgressDenied, OAuth2ClientCredentials, PolicyError
from arriero.errors import ArrieroError, ModelNotFound
from arriero.settings import Cache, Limits, RedisRates, Retry

from .scripted import Colour, reply

DONE = b'{"model":"m","message":{"role":"assistant","content":"hi"},"done":true}\n'
PASSED_ON = (
    b'{"model":"m","remote_model":"big","remote_host":"https://ollama.com:443",'
    b'"message":{"role":"assistant","content":"hi"},"done":true}\n'
)
LIST = ["server", "*.ok.internal", "10.0.0.0/8"]
PLACES = ["http://server/x", "http://a.ok.internal/x", "http://10.1.1.1/x", "http://evil.com/x",
          "https://server.evil.com/x", "http://11.0.0.1/x", "//evil.com/x", "/x",
          "http://ok.internal/x", "http://user@evil.com/x", "http://server@evil.com/x"]  # fmt: skip
ROUTES: dict[str, Callable[[Any], Any]] = {
    "chat": lambda client: client.chat("m", [{"role": "user", "content": "hi"}]),
    "stream": lambda client: client.chat("m", stream=True),
    "generate": lambda client: client.generate("m:cloud", "hi"),
    "embed": lambda client: client.embed("m", "hi"),
    "load": lambda client: client.load("m"),
    "ensure": lambda client: client.ensure("evil.com/a/m", insecure=True),
    "pull": lambda client: client.pull("evil.com/a/m"),
    "pull_stream": lambda client: client.pull("m", stream=True),
    "create": lambda client: client.create("m", from_="evil.com/a/b"),
    "blob": lambda client: client.create_blob(__file__),
    "search": lambda client: client.web_search("q"),
    "fetch": lambda client: client.web_fetch("https://evil.com"),
    "me": lambda client: client.me(),
    "request": lambda client: client.request("POST", "/api/chat", json={"model": "m:cloud"}),
    "request_stream": lambda client: client.request("GET", "/api/tags", stream=True),
}


def run(colour: Colour, client: Any, route: str) -> BaseException | None:
    """Take a route to its end, and give what it failed with."""
    try:
        made = colour.do(ROUTES[route](client))
        if "stream" in route:
            colour.list(made)
    except (ArrieroError, AssertionError) as error:  # the script may run out of answers
        return error
    return None


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The web tools have a key, so that they would be sent."""
    monkeypatch.setenv("OLLAMA_API_KEY", "k")


@pytest.mark.usefixtures("key")
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    route=st.sampled_from(sorted(ROUTES)),
    places=st.lists(st.sampled_from(PLACES), max_size=4),
    redirects=st.booleans(),
    look_up=st.booleans(),
    home=st.sampled_from(["http://server", "http://evil.com", "http://10.0.0.9:1"]),
)
def test_no_route_leads_off_the_list(
    colour: Colour, route: str, places: list[str], redirects: bool, look_up: bool, home: str
) -> None:
    """Whatever is called, wherever redirects lead: each request goes to a host on the list."""
    answers = [reply(status=307, location=place) for place in places]
    if route == "create":
        answers.append(reply(status=404))  # the server does not have what it is made from
    answers += [reply(DONE), reply(PASSED_ON), reply(b'{"status":"success"}\n'), reply(status=404)]
    egress = Egress(hosts=LIST, redirects=redirects, look_up=look_up)
    client = colour.client(*answers, host=home, egress=egress, retry=Retry(first_wait_s=0))
    run(colour, client, route)

    for sent in colour.script.sent:
        host = urlsplit(sent.request.url).hostname or ""
        assert host == "server" or host.endswith(".ok.internal") or host.startswith("10.")
        if host != urlsplit(home).hostname:
            assert redirects
        # `show` asks for what the server has, wherever it is redirected; a blob is this file.
        is_question = sent.body == b'{"model":"evil.com/a/b"}'
        if "/api/blobs/" not in sent.request.url and not is_question:
            assert b"evil.com" not in (sent.body or b"")
            assert b"m:cloud" not in (sent.body or b"")


@pytest.mark.parametrize(
    "route", ["generate", "request", "search", "fetch", "me", "pull", "create"]
)
@pytest.mark.usefixtures("key")
def test_a_refused_call_sends_nothing_and_says_why(colour: Colour, route: str) -> None:
    """One line, one class, with the rule, and safe to send to another process."""
    answers = [reply(status=404)] if route == "create" else []
    client = colour.client(*answers, egress=Egress(hosts=LIST))
    error = run(colour, client, route)

    assert isinstance(error, EgressDenied)
    assert isinstance(error, PolicyError)
    assert isinstance(error, PermissionError)
    assert (error.phase, error.attempts, error.was_sent, error.retryable) == (
        "prepare",
        0,
        False,
        False,
    )
    assert "to allow it, " in str(error)
    assert "\n" not in str(error)
    assert pickle.loads(pickle.dumps(error)).rule == error.rule != ""
    asked = [sent.request.url for sent in colour.script.sent]
    assert asked == (["http://server:80/api/show"] if route == "create" else [])


def test_a_refused_call_takes_no_place_in_the_queue(colour: Colour) -> None:
    """It is refused for what it is, however full the queue."""
    seen: list[Any] = []
    client = colour.client(
        egress=Egress(), limits=Limits(concurrency=1, queue=0), observers=[seen.append]
    )
    error = run(colour, client, "chat")
    assert isinstance(error, EgressDenied)
    assert seen[-1].error is error
    assert seen[-1].trail == ("egress, host: http://server:80 is not in hosts",)
    assert client.statistics().failed == {"EgressDenied": 1}


@pytest.mark.parametrize("route", ["chat", "stream"])
def test_an_answer_from_elsewhere_is_refused_and_remembered(colour: Colour, route: str) -> None:
    """The first call could not know; the next one is not sent."""
    client = colour.client(reply(PASSED_ON), egress=Egress(hosts=LIST))
    first, second = run(colour, client, route), run(colour, client, route)

    assert isinstance(first, EgressDenied)
    assert (first.rule, first.was_sent, first.partial) == ("remote_model", True, None)
    assert "ollama.com:443; what was sent has reached it" in str(first)
    assert isinstance(second, EgressDenied)
    assert (second.rule, second.was_sent) == ("remote_model", False)
    assert len(colour.script.sent) == 1
    assert colour.script.events[-1] in ("close", "abort")


def test_a_lookup_asks_once_and_before(colour: Colour) -> None:
    """One `show` for each model; a model that runs elsewhere is never sent anything."""
    here, there = reply(b"{}"), reply(b'{"remote_host":"https://ollama.com:443"}')
    client = colour.client(
        here, reply(DONE), reply(DONE), there, egress=Egress(hosts=LIST, look_up=True)
    )
    for _ in range(2):
        assert run(colour, client, "chat") is None
    with pytest.raises(EgressDenied, match=r"passes model 'n' on to ollama\.com"):
        colour.do(client.chat("n", [{"role": "user", "content": "secret"}]))

    paths = [urlsplit(sent.request.url).path for sent in colour.script.sent]
    assert paths == ["/api/show", "/api/chat", "/api/chat", "/api/show"]
    assert not any(b"secret" in (sent.body or b"") for sent in colour.script.sent)


def test_a_lookup_that_fails_is_tried_again_with_its_call(colour: Colour) -> None:
    """And ends it if it fails for good: what cannot be known is not sent."""
    egress = Egress(hosts=LIST, look_up=True)
    busy = reply(status=503)
    client = colour.client(
        busy, reply(b"{}"), reply(DONE), egress=egress, retry=Retry(first_wait_s=0)
    )
    assert run(colour, client, "chat") is None
    client = colour.client(reply(status=500), egress=egress)
    assert isinstance(run(colour, client, "chat"), ArrieroError)
    assert len(colour.script.sent) == 1
    gone = reply(b'{"error":"model \'m\' not found"}', status=404)
    client = colour.client(gone, gone, egress=egress)
    assert isinstance(run(colour, client, "chat"), ModelNotFound)


def test_making_a_model_from_one_that_is_here_pulls_nothing(colour: Colour) -> None:
    """So it is allowed; what is not here would be pulled, and is not."""
    success = reply(b'{"status":"success"}')
    client = colour.client(reply(b"{}"), success, reply(status=404), egress=Egress(hosts=LIST))
    assert colour.do(client.create("m", from_="base")).status == "success"
    with pytest.raises(EgressDenied, match=r"add 'registry\.ollama\.ai' to registries"):
        colour.do(client.create("m", from_="other"))


@pytest.mark.parametrize("where", ["proxy", "environment"])
def test_a_proxy_must_be_on_the_list(
    colour: Colour, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whoever names it; NO_PROXY and trust_env=False take it away."""
    more: dict[str, Any] = {"host": "http://llm.example.com"}
    if where == "proxy":
        more["proxy"] = "http://proxy:3128"
    else:
        monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    client = colour.client(reply(DONE), egress=Egress(hosts=["llm.example.com"]), **more)
    error = run(colour, client, "chat")
    assert isinstance(error, EgressDenied)
    assert error.rule == "proxy"
    both = Egress(hosts=["llm.example.com", "proxy:3128"])
    assert run(colour, colour.client(reply(DONE), egress=both, **more), "chat") is None


def test_httpx_is_not_a_way_round(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of httpx that is made for its arguments takes the environment's proxies."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    client = colour.client(egress=Egress(hosts=LIST), http2=True)
    assert client.explain("list").rule == "proxy"
    client = colour.client(egress=Egress(hosts=LIST), http2=True, trust_env=False)
    assert client.explain("list").allowed


def test_a_token_server_must_be_on_the_list(colour: Colour) -> None:
    """Its secret is not sent either."""
    auth = OAuth2ClientCredentials("https://login.evil/token", "id", "s3cret")
    client = colour.client(egress=Egress(hosts=LIST), auth=auth)
    error = run(colour, client, "chat")
    assert isinstance(error, EgressDenied)
    assert error.rule == "token_url"
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("use", ["cache", "rates"])
@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://:s3cret@evil.com/0", "evil.com:6379"),
        ("rediss://server:7000", "server:7000"),
        ("redis:///0?host=evil.com&port=1", "evil.com:1"),
        ("redis://[2001:db8::1]:7000", "[2001:db8::1]:7000"),
    ],
)
def test_a_redis_must_be_on_the_list(colour: Colour, use: str, url: str, where: str) -> None:
    """It gets answers, or at least who asks how often: the client is not even made."""
    egress = Egress(hosts=["server:80", "10.0.0.0/8", "https://evil.com"])
    with pytest.raises(EgressDenied) as caught:
        colour.client(egress=egress, **keeps_in(use, url))
    error = caught.value
    assert (error.rule, error.was_sent) == ("redis", False)
    assert f" in the Redis at {where}; to allow it, add {where!r} to hosts" in str(error)
    assert "s3cret" not in str(error)
    colour.client(egress=Egress(hosts=[where]), **keeps_in(use, url))


@pytest.mark.parametrize("use", ["cache", "rates"])
@pytest.mark.parametrize(
    "url", ["redis://localhost", "redis://127.0.0.1:7000", "redis:///0", "unix:///run/redis.sock"]
)
def test_a_redis_on_this_machine_is_local(colour: Colour, use: str, url: str) -> None:
    """Without a host, or by the path of a socket, it can be nowhere else."""
    client = colour.client(egress=Egress.local_only(), **keeps_in(use, url))
    assert client.explain("list").rule == "host"  # as without


def keeps_in(use: str, url: str) -> dict[str, Any]:
    """Give the argument of a client that keeps something in a Redis."""
    if use == "cache":
        return {"cache": Cache(redis=url)}
    return {"limits": Limits(requests_per_s=1, shared=RedisRates(url))}


def test_explain_says_what_a_call_would_meet(colour: Colour, tmp_path: Path) -> None:
    """For every method, without sending; without a policy all is allowed."""
    client = colour.client(egress=Egress.local_only(), host="http://127.0.0.1:1")
    decision = client.explain("chat", model="x:cloud")
    assert (decision.allowed, decision.rule) == (False, "cloud_model")
    assert decision.reason == "ollama.com runs model 'x:cloud'"
    assert decision.remedy == "to allow it, set cloud_models=True"
    assert client.explain("chat", model="x").allowed
    assert client.explain("ensure", model="x").rule == "registry"
    assert client.explain("web_search", query="q").rule == "web_tools"
    for name in ("list", "embed", "load", "systemone", "create_blob", "unload"):
        arguments = {} if name in ("list", "create_blob") else {"model": "x"}
        assert client.explain(name, **arguments).allowed
    assert colour.client().explain("web_search").allowed
    assert colour.script.sent == []


def test_explain_knows_the_names(colour: Colour) -> None:
    """A slip is answered with the nearest."""
    from arriero.errors import RequestError

    client = colour.client(egress=Egress())
    with pytest.raises(RequestError, match=r"no call 'chats'; did you mean 'chat'"):
        client.explain("chats")
    with pytest.raises(RequestError, match=r"explain: .*modle"):
        client.explain("chat", modle="x")
    with pytest.raises(RequestError, match=r"an Egress, such as .*, or None"):
        colour.client(egress=["x"])
    assert json.dumps(client.explain("list").rule) == '"host"'


@pytest.mark.parametrize("host", ["http://", ":80"])
def test_a_rule_without_a_host_is_told_that_it_has_none(host: str) -> None:
    """And not something about asterisks."""
    from arriero.errors import RequestError

    with pytest.raises(RequestError, match="names no host"):
        Egress(hosts=[host])
