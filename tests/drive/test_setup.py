"""From a client's arguments and the environment to what its calls need."""

from __future__ import annotations

import math
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from arriero import AsyncClient, Client, Message, MissingExtra, RequestError
from arriero._core.ndjson import DEFAULT_MAX_LINE_BYTES
from arriero._drive.setup import UNSET, setup, timeouts_of
from arriero.settings import Breaker, CallPolicy, Limits, Pool, Retry, Timeouts, Tls

from .scripted import Colour, reply


def made(host: str | None = "h", /, environ: dict[str, str] | None = None, **arguments: Any) -> Any:
    """Give what a client is made of."""
    own = {
        name: arguments.pop(name)
        for name in ("headers", "timeout", "timeouts", "auth", "tls", "proxy", "pool",
                     "follow_redirects", "max_line_bytes")
        if name in arguments
    }  # fmt: skip
    own["cleartext_credentials"] = arguments.pop("cleartext_credentials", "allow")
    return setup(host, environ=environ or {}, **own, httpx_arguments=arguments)


def test_defaults_are_those_of_the_settings() -> None:
    """Finite budgets, no credentials, no proxy, redirects followed."""
    found = made()

    assert found.target.base.url == "http://h:11434"
    assert found.target.timeouts == Timeouts()
    assert found.target.headers == ()
    assert found.target.authorization is None
    assert found.target.follow_redirects
    assert found.target.max_line_bytes == DEFAULT_MAX_LINE_BYTES
    assert found.target.user_agent.startswith("arriero/")
    assert (found.transport.tls, found.transport.pool, found.transport.proxy) == (
        None,
        Pool(),
        None,
    )
    assert (found.httpx_options, found.sources, found.api_key) == (None, {}, None)


@pytest.mark.parametrize(
    ("host", "environ", "url"),
    [
        (None, {}, "http://127.0.0.1:11434"),
        (None, {"OLLAMA_HOST": "e:1"}, "http://e:1"),
        ("", {"OLLAMA_HOST": "e:1"}, "http://e:1"),
        ("a:2", {"OLLAMA_HOST": "e:1"}, "http://a:2"),
    ],
)
def test_the_host_is_given_or_in_the_environment(
    host: str | None, environ: dict[str, str], url: str
) -> None:
    """The argument wins."""
    assert made(host, environ).target.base.url == url


@pytest.mark.parametrize(
    ("timeout", "timeouts"),
    [
        (None, Timeouts.none()),
        (7, Timeouts(connect_s=7, first_token_s=7, idle_s=7)),
        (0.5, Timeouts(connect_s=0.5, first_token_s=0.5, idle_s=0.5)),
        ((1, 2), Timeouts(connect_s=1, first_token_s=2, idle_s=2)),
        ((1, 2, 3, 4), Timeouts(connect_s=1, first_token_s=2, idle_s=2)),
        (httpx.Timeout(9, connect=3), Timeouts(connect_s=3, first_token_s=9, idle_s=9)),
        (httpx.Timeout(None), Timeouts.none()),
        (Timeouts(idle_s=1), Timeouts(idle_s=1)),
    ],
)
def test_a_timeout_of_httpx_becomes_budgets(timeout: Any, timeouts: Timeouts) -> None:
    """A number limits connecting and each silence."""
    assert timeouts_of(timeout) == timeouts
    assert made(timeout=timeout).target.timeouts == timeouts


@pytest.mark.parametrize("timeout", [True, "5", (1,), object(), -1, 0])
def test_what_is_no_timeout_is_refused(timeout: Any) -> None:
    """With what may be given."""
    with pytest.raises(RequestError, match="seconds"):
        made(timeout=timeout)


def test_budgets_are_given_one_way() -> None:
    """Both would contradict each other."""
    assert made(timeouts=Timeouts(idle_s=1)).target.timeouts.idle_s == 1
    with pytest.raises(RequestError, match="not both"):
        made(timeout=5, timeouts=Timeouts())
    with pytest.raises(RequestError, match="not both"):
        made(timeout=None, timeouts=Timeouts())
    assert repr(UNSET) == "UNSET"


def test_headers_have_one_case_and_one_line() -> None:
    """Cookies become one."""
    found = made(headers={"X-A": 5, "x-b": "c"}, cookies={"k": "v", "l": "w"})

    assert found.target.headers == (("x-a", "5"), ("x-b", "c"), ("cookie", "k=v; l=w"))
    with pytest.raises(RequestError, match="line break") as caught:
        made(headers={"x": "s3cret\n"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "url"),
    [
        ({"a": 1, "b": [2, 3]}, "http://h:11434/x?a=1&b=2&b=3"),
        ("a=1", "http://h:11434/x?a=1"),
        (None, "http://h:11434/x"),
    ],
)
def test_params_are_part_of_every_url(params: Any, url: str) -> None:
    """Beside those of the host."""
    assert made(params=params).target.base.join("/x") == url
    assert made("h?z=9", params="a=1").target.base.join("/x").endswith("?z=9&a=1")


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        ({}, None),
        ({"auth": "t"}, "Bearer t"),
        ({"auth": ("u", "p")}, "Basic dTpw"),
        ({"host": "http://u:p@h"}, "Basic dTpw"),
        ({"host": "http://u:p@h", "auth": "t"}, "Bearer t"),
        ({"host": "http://h", "environ": {"OLLAMA_API_KEY": "k"}}, None),
        ({"host": "http://ollama.com", "environ": {"OLLAMA_API_KEY": "k"}}, None),
        ({"host": "https://ollama.com", "environ": {"OLLAMA_API_KEY": "k"}}, "Bearer k"),
        ({"host": "ollama.com", "environ": {"OLLAMA_API_KEY": "k"}, "auth": "t"}, "Bearer t"),
        ({"host": "ollama.com", "environ": {"OLLAMA_API_KEY": ""}}, None),
    ],
)
def test_credentials_have_an_order(arguments: dict[str, Any], header: str | None) -> None:
    """Given ones first, then those of the URL, then the key, for its own cloud alone."""
    assert made(arguments.pop("host", "h"), **arguments).target.authorization == header


def test_a_callable_gives_tokens() -> None:
    """It is called later."""

    def token() -> str:
        raise AssertionError("too early")

    found = made(auth=token)
    assert found.sources["http://h:11434"].provider.ask is token
    assert found.target.providers == {"http://h:11434"}
    assert found.target.authorization is None


@pytest.mark.parametrize("auth", [5, ("a",), ("a", "b", "c"), ["a", "b"]])
def test_what_is_no_credential_is_refused(auth: Any) -> None:
    """With its type and not its value."""
    with pytest.raises(RequestError, match=f"not {type(auth).__name__}"):
        made(auth=auth)


@pytest.mark.parametrize(
    ("arguments", "proxy"),
    [
        ({"proxy": "http://p:1"}, "http://p:1"),
        ({"proxies": "http://p:1"}, "http://p:1"),
        ({"proxies": {"http://": "http://p:1"}}, "http://p:1"),
        ({"proxies": {"all://": "http://p:2", "https://": "http://p:3"}}, "http://p:2"),
        ({"proxies": {"https://": "http://p:3"}}, None),
        ({"environ": {"http_proxy": "p:4"}}, "http://p:4"),
        ({"environ": {"http_proxy": "p:4"}, "trust_env": False}, None),
        ({"environ": {"http_proxy": "p:4"}, "proxy": "http://p:1"}, "http://p:1"),
    ],
)
def test_a_proxy_is_given_or_in_the_environment(arguments: Any, proxy: str | None) -> None:
    """The argument wins; the environment may be left out."""
    assert made("http://example.com", **arguments).transport.proxy == proxy


CONTEXT = ssl.create_default_context()


@pytest.mark.parametrize(
    ("arguments", "tls"),
    [
        ({"tls": Tls(ca="x")}, Tls(ca="x")),
        ({"verify": False}, Tls(verify=False)),
        ({"verify": "ca.pem"}, Tls(ca="ca.pem")),
        ({"verify": Path("ca.pem")}, Tls(ca=Path("ca.pem"))),
        ({"verify": CONTEXT}, Tls(context=CONTEXT)),
        ({"cert": "me.pem"}, Tls(cert="me.pem")),
        ({"cert": ("me.pem", "me.key")}, Tls(cert="me.pem", key="me.key")),
        ({"cert": ("c", "k", "p"), "verify": False}, Tls(False, cert="c", key="k", password="p")),
        ({"verify": True, "cert": None}, None),
    ],
)
def test_verify_and_cert_of_httpx_become_tls(arguments: Any, tls: Tls | None) -> None:
    """Every form they may have."""
    assert made(**arguments).transport.tls == tls


@pytest.mark.parametrize("more", [{"verify": False}, {"cert": "c"}])
def test_certificates_are_given_one_way(more: Any) -> None:
    """Both would contradict each other."""
    with pytest.raises(RequestError, match="not both"):
        made(tls=Tls(), **more)


@pytest.mark.parametrize(
    ("arguments", "pool"),
    [
        ({"pool": Pool(max_connections=3)}, Pool(max_connections=3)),
        (
            {"limits": httpx.Limits(max_connections=5, max_keepalive_connections=2)},
            Pool(max_connections=5, keep_idle=2),
        ),
        ({"limits": httpx.Limits(max_connections=5)}, Pool(max_connections=5)),
        ({"limits": None}, Pool()),
    ],
)
def test_limits_of_httpx_become_a_pool(arguments: Any, pool: Pool) -> None:
    """Ours win."""
    assert made(**arguments).transport.pool == pool


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("base_url", "takes host=, not base_url="),
        ("verfy", "did you mean 'verify'"),
        ("time_out", "did you mean 'timeout'"),
        ("zzz", "has no argument 'zzz'$"),
    ],
)
@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_an_unknown_argument_is_refused(cls: Any, name: str, message: str) -> None:
    """With the one that was meant, where it can be guessed."""
    with pytest.raises(RequestError, match=message):
        cls(**{name: 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [("event_hooks", {"request": []}), ("auth", httpx.BasicAuth("u", "p")), ("http2", True),
     ("proxy", httpx.Proxy("http://p:1"))],
)  # fmt: skip
def test_what_only_httpx_can_do_makes_an_httpx_client(name: str, value: Any) -> None:
    """It gets those arguments, and those alone that are its own."""
    found = made(**{name: value, "verify": False})

    assert found.httpx_options == {name: value, "verify": False}
    assert found.target.authorization is None


def test_an_httpx_client_is_made_of_its_own_colour() -> None:
    """And belongs to our client, which closes it."""
    hooks: dict[str, Any] = {"request": [lambda request: None]}
    client, owned = Client(event_hooks=hooks)._http_client()
    assert isinstance(client, httpx.Client)
    assert owned
    client.close()
    there, owned = AsyncClient(event_hooks=hooks)._http_client()
    assert isinstance(there, httpx.AsyncClient)
    assert owned


def test_an_httpx_client_of_the_user_stays_the_users() -> None:
    """It brings its own settings."""
    with httpx.Client() as given:
        assert Client(http_client=given)._http_client() == (given, False)
        with pytest.raises(RequestError, match="'verify' belongs there"):
            Client(http_client=given, verify=False)


def test_httpx_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what needs it."""
    client = Client(event_hooks={"request": [print]})
    monkeypatch.setitem(sys.modules, "httpx", None)

    with pytest.raises(MissingExtra, match=r"^event_hooks: needs httpx.*arriero\[httpx\]"):
        client._http_client()


def test_redirects_and_line_limits_reach_the_calls(colour: Colour) -> None:
    """Both are settings of a client."""
    client = colour.client(
        reply(status=307, location="/x"),
        reply(b"x" * 100),
        follow_redirects=False,
        max_line_bytes=50,
    )
    raw = colour.do(client.request("GET", "/a", check=False))
    assert raw.status == 307
    with pytest.raises(ValueError, match="max_line_bytes=50"):
        colour.list(colour.do(client.request("GET", "/a", stream=True)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Timeouts(connect_s=0), "connect_s"),
        (lambda: Timeouts(total_s=-1), "total_s"),
        (lambda: Timeouts(idle_s=True), "idle_s"),
        (lambda: Timeouts(idle_s=float("nan")), "idle_s"),
        (lambda: Timeouts(first_token_s="5"), "first_token_s"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Tls(key="k"), "needs Tls.cert"),
        (lambda: Pool(max_connections=0), "max_connections"),
        (lambda: Pool(keep_idle=-1), "keep_idle"),
    ],
)
def test_settings_are_checked_when_they_are_made(build: Any, message: str) -> None:
    """Not when they are first needed."""
    with pytest.raises(RequestError, match=message):
        build()


def test_settings_show_no_secrets() -> None:
    """A password stays where it is."""
    assert "pa55" not in repr(Tls(cert="c", password="pa55"))
    assert Timeouts.none() == Timeouts(None, None, None, None)


@pytest.mark.parametrize("field", ["connect_s", "first_token_s", "idle_s", "total_s"])
@pytest.mark.parametrize("seconds", [math.inf, 1e12, 10**400], ids=["inf", "1e12", "huge"])
def test_an_endless_budget_is_no_limit(field: str, seconds: float) -> None:
    """Sockets overflow on such numbers; what is meant is None."""
    assert getattr(Timeouts(**{field: seconds}), field) is None


def test_a_header_of_none_is_not_sent() -> None:
    """As in the `ollama` package: a variable that is not set makes no header."""
    assert made(headers={"X-Key": None, "X-Org": "a"}).target.headers == (("x-org", "a"),)


def test_a_header_may_be_bytes() -> None:
    """As in httpx."""
    assert made(headers={"X-Org": b"a"}).target.headers == (("x-org", "a"),)


def test_a_header_with_a_name_of_bytes_or_numbers_is_refused() -> None:
    """The caller's mistake is ours to report."""
    with pytest.raises(RequestError, match="names are text, not int"):
        made(headers={5: "a"})


WRONG_KINDS: dict[str, object] = {
    "headers": [("authorization", "Bearer secret")],
    "timeouts": 3,
    "tls": True,
    "pool": 5,
    "follow_redirects": "no",
    "max_line_bytes": 0,
    "retry": 3,
    "breaker": True,
    "egress": True,
    "content": print,
    "observers": print,
    "cache": True,
    "audit": "calls.jsonl",
    "telemetry": True,
}


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("name", WRONG_KINDS)
def test_an_argument_of_another_kind_is_refused_when_the_client_is_made(
    client: type[Client | AsyncClient], name: str
) -> None:
    """Not in the middle of the first call that needs it."""
    with pytest.raises(RequestError, match=name) as caught:
        client("h", **{name: WRONG_KINDS[name]})

    assert "Bearer" not in str(caught.value)


def test_an_observer_that_cannot_be_called_is_refused() -> None:
    """It says which one."""
    with pytest.raises(RequestError, match=r"observers\[1\] is no function but int"):
        Client("h", observers=[print, 3])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Retry(attempts=None),
        lambda: Retry(rule=3),
        lambda: Retry(first_wait_s=None),
        lambda: Breaker(failures=None),
        lambda: Pool(keep_idle=None),
        lambda: Pool(max_connections="5"),
        lambda: Limits(per_model=3),
        lambda: Limits(per_model={1: 2}),
        lambda: Limits(per_model={"m": 1, "M:latest": 2}),
        lambda: CallPolicy(retry=3),
        lambda: CallPolicy(metadata=[1]),
    ],
)
def test_a_field_of_another_kind_is_refused(make: Callable[[], object]) -> None:
    """Nor is None taken where there is no such thing as no limit."""
    with pytest.raises(RequestError):
        make()


@pytest.mark.parametrize("name", ["timeouts", "policy"])
def test_what_governs_one_call_is_looked_at_before_it_is_sent(name: str) -> None:
    """A number is no Timeouts, a dict no CallPolicy."""
    with Client("127.0.0.1:9") as client:
        for wrong in (3, {"total_s": 3}):
            with pytest.raises(RequestError, match=name):
                client.list(**{name: wrong})
            with pytest.raises(RequestError, match=name):
                list(client.generate("m", "x", stream=True, **{name: wrong}))


def test_a_message_without_a_role_is_refused() -> None:
    """The server would answer something else."""
    with Client("127.0.0.1:9") as client:
        for wrong in ({"rol": "user", "content": "x"}, Message(content="x")):
            with pytest.raises(RequestError, match=r"messages\[0\] has no role"):
                client.chat("m", [wrong])


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused(token: str) -> None:
    """It is a variable that was not set, and calls would go without a credential."""
    for auth in (token, {"https://a": token}):
        with pytest.raises(RequestError, match="auth: an empty token"):
            Client("h", auth=auth)
