"""Egress: which hosts a list means, and where a call would really go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.api import models, service
from arriero._core.calls import Call
from arriero._core.policy.egress import Guard
from arriero.egress import Egress, HostList
from arriero.errors import RequestError

HOME = "http://127.0.0.1:11434"
CLOUD_NAMES = ["x:cloud", "x:20b-cloud", "ns/x:20b:Cloud", " x:cloud ", "x:cloud:local"]


def rule(call: Call[Any], egress: Egress | None = None, url: str = "", **more: Any) -> str:
    """Give the rule that refuses a call; empty if none does."""
    decision = Guard(egress or Egress(), **more).decide(call, url or f"{HOME}{call.path}")
    assert decision.allowed == (not decision.rule) == (not decision.remedy)
    return decision.rule


def raw(content: bytes, path: str = "/api/chat", **headers: str) -> Call[Any]:
    """Give a call whose body is as it is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.request("POST", path, content=content, headers=named)


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        ("llm.internal", ["http://llm.internal", "https://LLM.Internal.:9/x"], ["http://a.llm.internal"]),
        ("*.gpu.internal", ["http://a.gpu.internal", "http://a.b.gpu.internal"],
         ["http://gpu.internal", "http://evilgpu.internal", "http://gpu.internal.evil.com"]),
        ("10.0.0.0/8", ["http://10.1.2.3:5", "http://[::ffff:10.1.2.3]"],
         ["http://11.0.0.1", "http://10.evil.com", "http://[::10.0.0.1]"]),
        ("127.0.0.0/8", ["http://127.0.0.1"], ["http://2130706433", "http://127.1", "http://0x7f.1"]),
        ("::/0", ["http://[2001:db8::1]"], ["http://[::ffff:8.8.8.8]", "http://8.8.8.8"]),
        ("::1", ["http://[::1]:11434"], ["http://[::2]"]),
        ("[::1]:80", ["http://[::1]"], ["http://[::1]:81"]),
        ("https://llm.internal", ["https://llm.internal"], ["http://llm.internal", "http://llm.internal:443"]),
        ("llm.internal:8080", ["http://llm.internal:8080"], ["http://llm.internal"]),
        ("10.1.2.3:80", ["http://10.1.2.3"], ["https://10.1.2.3", "http://10.1.2.4"]),
    ],
)  # fmt: skip
def test_an_entry_means_what_it_says(entry: str, allowed: list[str], refused: list[str]) -> None:
    """Names by whole labels, networks by literal addresses alone, ports and schemes if named."""
    hosts = HostList([entry], "hosts")
    assert [url for url in allowed if not hosts.allows(url)] == []
    assert [url for url in refused if hosts.allows(url)] == []


@pytest.mark.parametrize(
    "entry", ["*", "*.", "a*b.c", "", "ftp://x", "x/y", "u@x", "x:99999", "x:port", None, 3]
)
def test_an_entry_that_says_nothing_is_refused(entry: Any) -> None:
    """Above all what would allow everything."""
    with pytest.raises(RequestError, match=r"^Egress\.hosts: "):
        Egress(hosts=[entry])
    with pytest.raises(RequestError, match="takes a list"):
        Egress(hosts="llm.internal")  # type: ignore[arg-type]


@given(st.text(max_size=30), st.sampled_from(["http", "https"]), st.integers(0, 65535))
def test_no_other_name_passes_a_list(text: str, scheme: str, port: int) -> None:
    """Whatever stands in a URL, what is allowed is one of the three hosts on the list."""
    url = f"{scheme}://{text}:{port}/"
    if HostList(["ok.internal", "*.sub.internal", "10.0.0.0/8"], "x").allows(url):
        from urllib.parse import urlsplit

        host = (urlsplit(url).hostname or "").rstrip(".")
        assert host == "ok.internal" or host.endswith(".sub.internal") or "10." in host


@pytest.mark.parametrize("model", CLOUD_NAMES)
@pytest.mark.parametrize("key", ["model", "Model", "NAME", "\u017fource", "from"])
def test_a_cloud_model_is_seen_however_it_is_written(model: str, key: str) -> None:
    """Go takes keys in any case, so a body may not be read more strictly here."""
    import json

    text = json.dumps({"stream": False, key: model}, ensure_ascii=False).encode()
    for content in (text, b" \n" + text + b" trailing", b'{"model":"a",' + text[1:]):
        assert rule(raw(content)) == "cloud_model"
    assert rule(Call("POST", "/api/chat", body={key: model})) == "cloud_model"
    assert rule(raw(text), Egress(cloud_models=True)) == ""


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"model":', {}),
        (b"model=x", {}),
        (b"\x28\xb5\x2f\xfd", {}),
        (b'{"model":"x"}', {"content_encoding": "zstd"}),
        (b"[" * 100_000, {}),
        (b'{"a":' + b"[" * 100_000, {}),
    ],
)
def test_a_body_that_cannot_be_read_is_not_sent(content: bytes, headers: dict[str, str]) -> None:
    """A rule that cannot judge refuses."""
    assert rule(raw(content, **headers)) == "unreadable"
    assert rule(raw(content, "/api/blobs/sha256:00")) == ""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (service.request("GET", "/v1/models/x:cloud"), "cloud_model"),
        (service.request("GET", "/v1/models/x%3Acloud"), "cloud_model"),
        (service.request("GET", "/v1/models/x"), ""),
        (service.me(), "account"),
        (service.request("POST", "/api/%6de/"), "account"),
        (service.request("POST", "/api/signout"), "account"),
        (service.request("DELETE", "/api/user/keys/k"), "account"),
        (service.request("POST", "/api/experimental/web_search", json={}), "web_tools"),
        (service.web_search("q", api_key="k"), "web_tools"),
        (models.pull("x"), "registry"),
        (models.pull("evil.com/a/b"), "registry"),
        (models.push("https://evil.com/a/b:c"), "registry"),
        (models.pull("a b"), "registry"),
        (models.create("x", from_="y", remote_host="evil.com"), "remote_model"),
        (models.create("x", from_="y:cloud"), "cloud_model"),
        (models.delete("x:cloud"), ""),
        (models.list_models(), ""),
        (models.show("my-cloud-model"), ""),
    ],
)
def test_what_a_server_would_pass_on_is_refused(call: Call[Any], expected: str) -> None:
    """By path, by name, and in any writing of either; deleting sends nothing anywhere."""
    assert rule(call) == expected


def test_each_refusal_can_be_lifted_by_what_it_says() -> None:
    """The setting that the remedy names."""
    registries = Egress(registries=["registry.ollama.ai", "*.corp:5000"])
    assert rule(models.pull("x"), registries) == ""
    assert rule(models.pull("r.corp:5000/a/b"), registries) == ""
    assert rule(models.pull("r.corp/a/b"), registries) == "registry"
    assert rule(models.pull("x", insecure=True), registries) == "insecure"
    search = service.web_search("q", api_key="k")
    url = "https://ollama.com:443/api/web_search"
    assert rule(search, Egress(web_tools=True), url) == ""
    assert rule(search, Egress(web_tools=True), url.replace("ollama.com", "evil.com")) == "host"
    assert (
        rule(models.list_models(), Egress(web_tools=True), "https://ollama.com/api/tags") == "host"
    )
    made = models.create("x", from_="y", remote_host="http://gpu2:11434")
    assert rule(made, Egress(hosts=["127.0.0.1", "gpu2"])) == ""


def test_who_else_sees_a_call_counts() -> None:
    """The proxy, and the server its token comes from."""
    call = models.list_models()
    assert rule(call, proxies=("http://u:secret@proxy:3128",)) == "proxy"
    assert rule(call, token_urls={HOME: "https://login.evil/token"}) == "token_url"
    assert rule(call, token_urls={"http://other:80": "https://login.evil/token"}) == ""
    decision = Guard(Egress(), proxies=("http://u:secret@proxy:3128",)).decide(call, HOME)
    assert "proxy:3128" in decision.reason
    assert "secret" not in repr(decision)


def test_a_redirect_needs_leave_of_its_own() -> None:
    """Even to a host on the list; and where it leads must be on the list in any case."""
    call, both = models.list_models(), ["127.0.0.1", "b.internal"]
    url = "http://b.internal/api/tags"
    guard = Guard(Egress(hosts=both))
    assert guard.decide(call, url).allowed  # by itself, which does not open the way round
    assert guard.decide(call, url, HOME).rule == "redirect"
    assert Guard(Egress(hosts=both, redirects=True)).decide(call, url, HOME).allowed
    assert Guard(Egress(redirects=True)).decide(call, url, HOME).rule == "host"
    assert Guard(Egress()).decide(call, f"{HOME}/api/me", HOME).rule == "account"


def test_what_was_refused_is_refused_again() -> None:
    """Only what passed is remembered."""
    guard, call = Guard(Egress()), models.list_models()
    assert [guard.decide(call, "http://evil.example/api/tags").rule for _ in range(2)] == [
        "host"
    ] * 2


def test_what_was_learnt_of_a_model_holds_until_models_change() -> None:
    """A name may mean another model after a creation, copy, pull or deletion."""
    guard = Guard(Egress(look_up=True))
    call: Call[Any] = Call("POST", "/api/chat", body={"model": "m"})
    assert guard.wants_to_know(call, HOME) == ("m",)
    assert guard.learnt(HOME, "m", None).allowed
    assert guard.wants_to_know(call, HOME) == ()
    assert guard.learnt(HOME, "m", "https://ollama.com:443").rule == "remote_model"
    assert guard.decide(call, f"{HOME}/api/chat").rule == "remote_model"
    guard.forget(models.copy("a", "m"))
    assert guard.decide(call, f"{HOME}/api/chat").allowed
    assert guard.wants_to_know(call, HOME) == ("m",)
