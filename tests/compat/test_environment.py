"""What the environment and the constructor's arguments do."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

import arriero
from arriero import AsyncClient, Client, RequestError, Timeouts

from .conftest import Caller, run_python
from .scripted import DONE, Serve, answer, lines

TAGS = answer({"models": []})


def test_the_environment_names_the_host(
    scripted: Serve, monkeypatch: pytest.MonkeyPatch, call: Caller
) -> None:
    """None and the empty text take `OLLAMA_HOST`; an argument goes before it."""
    there, other = scripted(TAGS), scripted(TAGS)
    monkeypatch.setenv("OLLAMA_HOST", there.url)
    call("", "list")
    call(other.url, "list")
    assert (len(there.asked), len(other.asked)) == (1, 1)
    assert Client().host == AsyncClient(None).host == there.url


def test_functions_read_the_environment_at_their_first_call(
    scripted: Serve, monkeypatch: pytest.MonkeyPatch, shim: ModuleType
) -> None:
    """Setting `OLLAMA_HOST` after the import is early enough, unlike officially."""
    there = scripted(TAGS)
    monkeypatch.setenv("OLLAMA_HOST", there.url)
    assert shim.list().models == []
    shim._client.close()
    assert there.last.path == "/api/tags"


def test_the_api_key_goes_to_ollama_com_only(
    scripted: Serve, monkeypatch: pytest.MonkeyPatch, call: Caller
) -> None:
    """Other hosts do not see `OLLAMA_API_KEY`, whatever they are."""
    monkeypatch.setenv("OLLAMA_API_KEY", "key-1")
    there = scripted(TAGS)
    call(there.url, "list")
    assert "authorization" not in there.last.headers
    assert Client("https://ollama.com")._target.authorization == "Bearer key-1"
    assert Client("https://llm.example")._target.authorization is None
    assert Client("http://ollama.com")._target.authorization is None


def test_a_key_for_another_host_is_given_by_name(
    scripted: Serve, monkeypatch: pytest.MonkeyPatch, call: Caller
) -> None:
    """``auth`` or a header says so; the environment's key stays out."""
    monkeypatch.setenv("OLLAMA_API_KEY", "key-1")
    there = scripted(TAGS)
    call(there.url, "list", client={"auth": "key-2"})
    assert there.last.headers["authorization"] == "Bearer key-2"
    call(there.url, "list", client={"headers": {"Authorization": "Bearer key-3"}})
    assert there.last.headers["authorization"] == "Bearer key-3"


def test_the_callers_headers_win(scripted: Serve, call: Caller) -> None:
    """User-Agent, Accept and Content-Type too, which the official client overwrites."""
    there = scripted(answer({"version": "1"}))
    wanted = {"User-Agent": "mine/1", "Accept": "x/y", "X-Team": "a"}
    call(there.url, "version", client={"headers": wanted})
    assert {name: there.last.headers[name.lower()] for name in wanted} == wanted


def test_streams_ask_for_lines(scripted: Serve, call: Caller) -> None:
    """`Accept` names what the server sends; the official client asks for one object."""
    there = scripted(lines(DONE))
    call(there.url, "chat", "m", stream=True)
    assert there.last.headers["accept"] == "application/x-ndjson"
    assert there.last.headers["user-agent"].startswith("arriero/")


def test_web_tools_need_the_key_in_both_colours(call: Caller) -> None:
    """Refused before anything is sent; officially the async one sends without."""
    for method, argument in (("web_search", "x"), ("web_fetch", "https://x")):
        with pytest.raises(RequestError, match="OLLAMA_API_KEY"):
            call("", method, argument)
        with pytest.raises(ValueError):
            call("", method, argument)


def test_web_tools_use_a_key_given_for_ollama_com(monkeypatch: pytest.MonkeyPatch) -> None:
    """By header or by ``auth``, before the environment's; one for another host is not taken."""
    header = {"Authorization": "Bearer key-1"}
    assert Client("https://ollama.com", headers=header)._setup.api_key == "key-1"
    assert Client("ollama.com", auth="key-2")._setup.api_key == "key-2"
    assert Client("https://near.example", headers=header)._setup.api_key is None
    monkeypatch.setenv("OLLAMA_API_KEY", "key-3")
    assert Client("https://ollama.com", headers=header)._setup.api_key == "key-1"
    assert Client("https://near.example", headers=header)._setup.api_key == "key-3"


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (3, Timeouts(connect_s=3, first_token_s=3, idle_s=3)),
        (None, Timeouts.none()),
        (httpx.Timeout(9, connect=2), Timeouts(connect_s=2, first_token_s=9, idle_s=9)),
        ((2, 9), Timeouts(connect_s=2, first_token_s=9, idle_s=9)),
    ],
)
def test_timeout_is_taken_as_httpx_takes_it(timeout: Any, expected: Timeouts) -> None:
    """A number, a pair, an `httpx.Timeout`, or None for no limit."""
    assert Client(timeout=timeout).timeouts == AsyncClient(timeout=timeout).timeouts == expected


def test_there_are_limits_by_default() -> None:
    """The official client waits forever."""
    limits = Client().timeouts
    assert limits.connect_s
    assert limits.first_token_s
    assert limits.idle_s


def test_httpx_arguments_are_taken(scripted: Serve, call: Caller) -> None:
    """Those that every transport can honour."""
    there = scripted(TAGS)
    arguments = {
        "verify": False,
        "trust_env": False,
        "cookies": {"a": "1"},
        "params": {"k": "v"},
        "limits": httpx.Limits(max_connections=3),
    }
    call(there.url, "list", client=arguments)
    assert there.last.headers["cookie"] == "a=1"
    assert there.last.path == "/api/tags?k=v"


def test_auth_is_a_pair_or_an_httpx_auth(scripted: Serve, call: Caller) -> None:
    """Both forms are sent."""
    there = scripted(TAGS)
    for auth in (("me", "pw"), httpx.BasicAuth("me", "pw")):
        call(there.url, "list", client={"auth": auth})
        assert there.last.headers["authorization"] == "Basic bWU6cHc="


def test_a_mock_transport_of_httpx_is_used(call: Caller) -> None:
    """``transport=`` makes an httpx client; its whole answers are read, streams too."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/tags":
            return httpx.Response(200, json={"models": []})
        return httpx.Response(200, content=json.dumps(DONE).encode() + b"\n")

    mock = {"transport": httpx.MockTransport(handle)}
    assert call("", "list", client=mock).models == []
    assert [part.done for part in call("", "chat", "m", stream=True, client=mock)] == [True]


def test_event_hooks_of_httpx_are_called(scripted: Serve) -> None:
    """One that reads the whole answer does not take it from the caller."""
    there = scripted(TAGS)
    seen: list[str] = []

    def read(response: httpx.Response) -> None:
        seen.append(response.read().decode())

    with Client(there.url, event_hooks={"response": [read]}) as client:
        assert client.list().models == []
    assert seen == ['{"models": []}']


def test_an_unknown_argument_is_refused_by_name() -> None:
    """A slip of the pen says what was meant."""
    with pytest.raises(RequestError, match="did you mean 'timeout'"):
        Client(timeot=3)
    with pytest.raises(RequestError, match="host="):
        Client(base_url="http://x")


def test_proxies_of_the_environment_spare_near_hosts(
    scripted: Serve, monkeypatch: pytest.MonkeyPatch, call: Caller
) -> None:
    """Loopback is asked directly, even if a proxy is set; a bad one breaks no import."""
    there = scripted(TAGS)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    assert call(there.url, "list").models == []
    assert Client("http://far.example").host == "http://far.example:80"


def test_netrc_is_not_read(
    scripted: Serve, monkeypatch: pytest.MonkeyPatch, call: Caller, tmp_path: Path
) -> None:
    """Credentials come from arguments; httpx would look there."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password pw\n")
    monkeypatch.setenv("NETRC", str(file))
    there = scripted(TAGS)
    call(there.url, "list")
    assert "authorization" not in there.last.headers


def test_importing_makes_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad `OLLAMA_HOST` or proxy does not break ``import``."""
    out = run_python(
        "-c",
        "import arriero as ollama\nfrom arriero import chat, Client\nprint(chat.__name__)",
        OLLAMA_HOST="host:port",
        ALL_PROXY="socks5://nowhere:1",
    )
    assert out.strip() == "chat"


def test_the_version_is_told() -> None:
    """`arriero.__version__` is the package's own."""
    assert arriero.__version__
