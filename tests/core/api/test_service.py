"""The server itself, the web tools, System One, and what nothing is known of."""

from __future__ import annotations

from typing import Any

import pytest

from arriero._core.api import service
from arriero._core.api.service import CLOUD
from arriero._core.calls import Call
from arriero.errors import RequestError
from arriero.types.raw import RawResponse
from arriero.types.service import SystemOneNoulQuestion
from tests.core.script import head


@pytest.mark.parametrize(
    ("call", "name", "body"),
    [
        (service.version(), "GET /api/version", None),
        (service.status(), "GET /api/status", None),
        (service.me(), "POST /api/me", None),
        (
            service.web_search("q", 5, api_key="k"),
            "POST /api/web_search",
            {"query": "q", "max_results": 5},
        ),
        (service.web_fetch("http://x", api_key="k"), "POST /api/web_fetch", {"url": "http://x"}),
        (
            service.systemone(
                "m", {"a": 1}, {"ok": SystemOneNoulQuestion(instructions="Is it?")}, "5m"
            ),
            "POST /v1/systemone",
            {
                "model": "m",
                "state": {"a": 1},
                "questions": {"ok": {"type": "noul", "instructions": "Is it?"}},
                "keep_alive": "5m",
            },
        ),
    ],
)
def test_arguments_become_a_request(call: Call[Any], name: str, body: Any) -> None:
    """Method, path and body, nothing else."""
    assert (call.name, call.body) == (name, body)


@pytest.mark.parametrize(
    "call", [service.web_search("q", api_key="k"), service.web_fetch("u", api_key="k")]
)
def test_the_web_tools_go_to_the_cloud_with_their_key(call: Call[Any]) -> None:
    """And nowhere else; the key is not shown."""
    assert call.base == CLOUD
    assert CLOUD.url == "https://ollama.com:443"
    assert call.headers == {"authorization": "Bearer k"}
    assert "Bearer" not in repr(call)


@pytest.mark.parametrize(
    "build",
    [
        lambda: service.web_search("q", api_key=None),
        lambda: service.web_fetch("u", api_key=""),
        lambda: service.web_search("", api_key="k"),
        lambda: service.web_fetch("", api_key="k"),
        lambda: service.systemone("", "s", {}),
        lambda: service.request("GET", "api/x"),
        lambda: service.request("GET", ""),
        lambda: service.request("GET", "/a b"),
        lambda: service.request("GET", "/a\nb"),
        lambda: service.request("GET", "/ü"),
        lambda: service.request("GE T", "/x"),
        lambda: service.request("", "/x"),
        lambda: service.request("POST", "/x", json={}, content=b""),
        lambda: service.request("POST", "/x", json={"a": object()}),
    ],
)
def test_wrong_arguments_are_refused(build: Any) -> None:
    """Keys, texts, paths and bodies are checked before anything is sent."""
    with pytest.raises(RequestError):
        build()


def test_a_body_too_deep_is_refused() -> None:
    """What cannot be written is said before sending."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    try:
        with pytest.raises(RequestError, match="nested too deep"):
            service.request("POST", "/x", json=deep)
    finally:
        while deep:  # taken apart by hand: freeing it at once would go as deep
            deep = deep.pop()


def test_a_free_request_sends_what_it_is_given() -> None:
    """JSON with its type, bytes as they are; own headers win."""
    call = service.request("post", "/x?a=1", json={"a": None})
    assert (call.name, call.content, call.headers) == (
        "POST /x?a=1",
        b'{"a":null}',
        {"content-type": "application/json"},
    )
    call = service.request("PUT", "/x", json=[], headers={"Content-Type": "text/x", "X-A": "1"})
    assert call.headers == {"content-type": "text/x", "x-a": "1"}
    call = service.request("PUT", "/x", content=b"\x00")
    assert (call.content, call.headers) == (b"\x00", {})


@pytest.mark.parametrize(
    ("method", "repeat"), [("GET", "always"), ("head", "always"), ("POST", "unsent")]
)
def test_a_free_request_is_repeated_if_its_method_allows(method: str, repeat: str) -> None:
    """Only methods that change nothing."""
    assert service.request(method, "/x").repeat == repeat


def test_a_free_answer_comes_as_it_is() -> None:
    """Status, headers, bytes."""
    call = service.request("GET", "/x", check=False)
    assert call.whole is not None

    assert call.whole(head(404, a="b"), b"\xff") == RawResponse(404, {"a": "b"}, b"\xff")
    assert call.any_status
