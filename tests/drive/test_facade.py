"""What every method sends: its route, and each of its arguments under its name on the wire."""

from __future__ import annotations

import inspect
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from arriero import AsyncClient, Client
from arriero.settings import Timeouts
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.embed import EmbeddingsResponse, EmbedResponse
from arriero.types.ensured import EnsureResponse
from arriero.types.models import (
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
    StatusResponse,
)
from arriero.types.raw import RawResponse
from arriero.types.service import (
    MeResponse,
    ServerStatusResponse,
    SystemOneResponse,
    VersionResponse,
    WebFetchResponse,
    WebSearchResponse,
)

from .scripted import Colour, reply

DIGEST = "sha256:" + "0" * 64
OPTIONS = {"seed": 1}
MESSAGES = [{"role": "user", "content": "hi"}]
ENCODED = b'{"data":[{"embedding":"AACAPw=="}]}'
SYSTEM_ONE = b'{"model":"m","answers":{},"usage":{"input_tokens":1,"output_tokens":1}}'

INFERENCE = {
    "think": "low",
    "logprobs": True,
    "top_logprobs": 3,
    "format": "json",
    "options": OPTIONS,
    "keep_alive": "5m",
    "truncate": False,
    "shift": True,
}
NEW = {"model": "m", "stream": False}

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], str, Any, bytes, Any]] = [
    (
        "chat",
        ("m", MESSAGES),
        {**INFERENCE, "tools": [{"type": "x"}], "debug_render_only": True},
        "POST /api/chat",
        {
            **NEW,
            **INFERENCE,
            "messages": MESSAGES,
            "tools": [{"type": "x"}],
            "_debug_render_only": True,
        },
        b'{"message":{"role":"assistant"},"done":true}',
        ChatResponse,
    ),
    (
        "generate",
        ("m", "p", "s"),
        {
            **INFERENCE,
            "system": "y",
            "template": "t",
            "context": [1],
            "raw": False,
            "images": [b"hi"],
            "width": 1,
            "height": 2,
            "steps": 3,
            "debug_render_only": False,
        },
        "POST /api/generate",
        {
            **NEW,
            **INFERENCE,
            "prompt": "p",
            "suffix": "s",
            "system": "y",
            "template": "t",
            "context": [1],
            "raw": False,
            "images": ["aGk="],
            "width": 1,
            "height": 2,
            "steps": 3,
            "_debug_render_only": False,
        },
        b'{"done":true}',
        GenerateResponse,
    ),
    (
        "embed",
        ("m", ["a"], True, OPTIONS, timedelta(seconds=5), 8),
        {},
        "POST /api/embed",
        {
            "model": "m",
            "input": ["a"],
            "truncate": True,
            "options": OPTIONS,
            "keep_alive": 5,
            "dimensions": 8,
        },
        b'{"embeddings":[[1.0]]}',
        EmbedResponse,
    ),
    (
        "embeddings",
        ("m", "p", OPTIONS, 5),
        {},
        "POST /api/embeddings",
        {"model": "m", "prompt": "p", "options": OPTIONS, "keep_alive": 5},
        b'{"embedding":[1.0]}',
        EmbeddingsResponse,
    ),
    (
        "embed_array",
        ("m", "a"),
        {"dimensions": 1},
        "POST /v1/embeddings",
        {"model": "m", "input": ["a"], "dimensions": 1, "encoding_format": "base64"},
        ENCODED,
        None,
    ),
    ("list", (), {}, "GET /api/tags", None, b'{"models":[]}', ListResponse),
    ("ps", (), {}, "GET /api/ps", None, b'{"models":[]}', ProcessResponse),
    (
        "show",
        ("m",),
        {"verbose": True, "system": "s", "options": OPTIONS},
        "POST /api/show",
        {"model": "m", "verbose": True, "system": "s", "options": OPTIONS},
        b"{}",
        ShowResponse,
    ),
    *(
        (
            name,
            ("m",),
            {"insecure": True},
            f"POST /api/{name}",
            {**NEW, "insecure": True},
            b'{"status":"success"}',
            ProgressResponse,
        )
        for name in ("pull", "push")
    ),
    (
        "create",
        ("m", "Q4_0", "b", {"f": DIGEST}, {"a": DIGEST}, "t", "l", "s", OPTIONS, MESSAGES),
        {
            "draft_files": {"d": DIGEST},
            "draft_quantize": "Q8_0",
            "remote_host": "h",
            "renderer": "r",
            "parser": "p",
            "requires": "1",
            "info": {"i": 1},
        },
        "POST /api/create",
        {
            **NEW,
            "quantize": "Q4_0",
            "from": "b",
            "files": {"f": DIGEST},
            "adapters": {"a": DIGEST},
            "template": "t",
            "license": "l",
            "system": "s",
            "parameters": OPTIONS,
            "messages": MESSAGES,
            "draft_files": {"d": DIGEST},
            "draft_quantize": "Q8_0",
            "remote_host": "h",
            "renderer": "r",
            "parser": "p",
            "requires": "1",
            "info": {"i": 1},
        },
        b'{"status":"success"}',
        ProgressResponse,
    ),
    ("blob_exists", (DIGEST,), {}, f"HEAD /api/blobs/{DIGEST}", None, b"", bool),
    ("create_blob", (Path(__file__),), {}, "HEAD /api/blobs/", None, b"", str),
    (
        "copy",
        ("a", "b"),
        {},
        "POST /api/copy",
        {"source": "a", "destination": "b"},
        b"",
        StatusResponse,
    ),
    ("delete", ("m",), {}, "DELETE /api/delete", {"model": "m"}, b"", StatusResponse),
    (
        "load",
        ("m",),
        {"keep_alive": -1, "options": OPTIONS},
        "POST /api/generate",
        {**NEW, "keep_alive": -1, "options": OPTIONS},
        b'{"done":true}',
        type(None),
    ),
    (
        "unload",
        ("m",),
        {},
        "POST /api/generate",
        {**NEW, "keep_alive": 0},
        b'{"done":true}',
        type(None),
    ),
    (
        "ensure",
        ("m",),
        {
            "digest": DIGEST,
            "smoke": (),
            "insecure": True,
            "pull_policy": None,
            "on_progress": print,
        },
        "GET /api/tags",
        None,
        f'{{"models":[{{"model":"m:latest","digest":"{DIGEST[7:]}"}}]}}'.encode(),
        EnsureResponse,
    ),
    ("version", (), {}, "GET /api/version", None, b'{"version":"1"}', VersionResponse),
    ("status", (), {}, "GET /api/status", None, b'{"cloud":{}}', ServerStatusResponse),
    ("me", (), {}, "POST /api/me", None, b'{"name":"n"}', MeResponse),
    (
        "web_search",
        ("q", 5),
        {},
        "POST /api/web_search",
        {"query": "q", "max_results": 5},
        b'{"results":[]}',
        WebSearchResponse,
    ),
    (
        "web_fetch",
        ("http://x",),
        {},
        "POST /api/web_fetch",
        {"url": "http://x"},
        b'{"title":"t"}',
        WebFetchResponse,
    ),
    (
        "systemone",
        ("m", "s", {"q": {"type": "noul", "instructions": "?"}}, "1m"),
        {},
        "POST /v1/systemone",
        {
            "model": "m",
            "state": "s",
            "questions": {"q": {"type": "noul", "instructions": "?"}},
            "keep_alive": "1m",
        },
        SYSTEM_ONE,
        SystemOneResponse,
    ),
    (
        "request",
        ("PUT", "/x"),
        {"json": {"a": 1}, "headers": {"x-a": "b"}},
        "PUT /x",
        {"a": 1},
        b"text",
        RawResponse,
    ),
]
"""Method, positional and keyword arguments; route and JSON; an answer and its type."""

by_method = pytest.mark.parametrize(
    ("method", "args", "kwargs", "line", "body", "answer", "kind"),
    CALLS,
    ids=[call[0] for call in CALLS],
)


@by_method
def test_a_method_sends_exactly_this(
    colour: Colour,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    args: Any,
    kwargs: Any,
    line: str,
    body: Any,
    answer: bytes,
    kind: Any,
) -> None:
    """Route and JSON, nothing added; the answer has its type; own budgets are taken."""
    monkeypatch.setenv("OLLAMA_API_KEY", "key")
    client = colour.client(reply(answer), host="http://server:80/prefix")
    made = colour.do(getattr(client, method)(*args, timeouts=Timeouts(idle_s=1), **kwargs))

    (sent,) = colour.script.sent
    verb, _, url = sent.line.partition(" ")
    server = "https://ollama.com:443" if method.startswith("web_") else "http://server:80/prefix"
    assert f"{verb} {url.removeprefix(server)}".startswith(line)
    assert (None if sent.body is None else json.loads(sent.body)) == body
    assert ("content-type" in sent.headers) is (body is not None)
    assert sent.headers["user-agent"].startswith("arriero/")
    if kind is not None:
        assert type(made) is kind


@pytest.mark.parametrize("method", ["chat", "generate", "pull", "push", "create"])
def test_a_stream_is_asked_for(colour: Colour, method: str) -> None:
    """``stream: true``, in the same body as without."""
    client = colour.client(reply(b'{"message":{},"done":true,"status":"success"}\n'))
    stream = colour.do(getattr(client, method)("m", stream=True))
    colour.list(stream)

    (sent,) = colour.script.sent
    assert json.loads(sent.body or b"") == {"model": "m", "stream": True}
    assert sent.headers["accept"] == "application/x-ndjson"


def test_a_raw_stream_gives_raw_records(colour: Colour) -> None:
    """Lines of a route that is not known."""
    client = colour.client(reply(b'{"a":1}\n{"b":2}\n'))
    records = colour.list(colour.do(client.request("POST", "/x", json={}, stream=True)))

    assert [dict(record) for record in records] == [{"a": 1}, {"b": 2}]


def test_bytes_are_sent_as_they_are(colour: Colour) -> None:
    """And an error status is an answer, if asked for."""
    client = colour.client(reply(b"no", status=418, x="1"))
    made = colour.do(client.request("POST", "/x", content=b"\x00", check=False))

    assert (made.status, made.headers, made.text) == (418, {"x": "1"}, "no")
    assert colour.script.sent[0].body == b"\x00"


@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_no_method_and_no_argument_is_left_out(cls: type) -> None:
    """The table above holds every method with all of its arguments."""
    table = {call[0]: call for call in CALLS}
    methods = {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(cls, callable)
        if not name.startswith("_")
        and name not in ("close", "explain", "from_config", "statistics")
    }
    assert methods.keys() == table.keys()
    for name, signature in methods.items():
        _, args, kwargs, *_ = table[name]
        bound = signature.bind(None, *args, **{"timeouts": None, "policy": None} | kwargs)
        left = set(signature.parameters) - set(bound.arguments)
        assert left <= {"stream", "check", "content"}, name
