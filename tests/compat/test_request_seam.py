"""Every call goes through ``_request``, in the form that instrumentation wraps."""

from __future__ import annotations

import asyncio
import base64
import inspect
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wrapt

import arriero
from arriero import RequestError

from .conftest import run_program
from .scripted import DONE, Serve, answer, lines, part

WHOLE = answer(part("hi", done=True))


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


CALLS: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "chat": ("/api/chat", {"model": "m", "messages": [{"role": "user", "content": "x"}]}, WHOLE),
    "generate": ("/api/generate", {"model": "m", "prompt": "x"}, answer({"done": True})),
    "embed": ("/api/embed", {"model": "m", "input": ["a"]}, answer({"embeddings": [[1]]})),
    "embeddings": ("/api/embeddings", {"model": "m", "prompt": "x"}, answer({"embedding": [1]})),
    "show": ("/api/show", {"model": "m"}, answer({"model_info": {}})),
    "pull": ("/api/pull", {"model": "m"}, answer({"status": "success"})),
    "push": ("/api/push", {"model": "m"}, answer({"status": "success"})),
    "create": ("/api/create", {"model": "m", "from_": "b"}, answer({"status": "success"})),
    "copy": ("/api/copy", {"source": "a", "destination": "b"}, answer()),
    "delete": ("/api/delete", {"model": "m"}, answer()),
    "list": ("/api/tags", {}, answer({"models": []})),
    "ps": ("/api/ps", {}, answer({"models": []})),
}


class Watch:
    """What a wrapper in the manner of the known instrumentors saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any, Any]] = []

    def __call__(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        kind, method, path = args
        self.seen.append((path.rstrip("/").split("/")[-1], method, kind, kwargs.get("json")))
        return wrapped(*args, **kwargs)


@pytest.fixture
def watch(shim: ModuleType) -> Iterator[Watch]:
    """Wrap both ``_request`` methods where instrumentors find them."""
    made, module = Watch(), sys.modules["ollama._client"]
    before = {}
    for name in ("Client", "AsyncClient"):
        cls = getattr(module, name)
        before[cls] = cls._request
        wrapt.wrap_function_wrapper("ollama._client", f"{name}._request", made)
    yield made
    for cls, method in before.items():
        cls._request = method


@pytest.mark.parametrize("name", CALLS)
def test_a_wrapper_sees_every_call(
    shim: ModuleType, watch: Watch, scripted: Serve, name: str
) -> None:
    """The path is the third positional argument, ``json`` what is sent."""
    path, arguments, reply = CALLS[name]
    there = scripted(reply)
    with shim.Client(there.url) as client:
        getattr(client, name)(**arguments)

    async def same() -> None:
        async with shim.AsyncClient(there.url) as client:
            await getattr(client, name)(**arguments)

    asyncio.run(same())
    last = path.rsplit("/", 1)[-1]
    assert [(seen[0], seen[1]) for seen in watch.seen] == [(last, there.last.method)] * 2
    assert [asked.path for asked in there.asked] == [path] * 2
    for seen, asked in zip(watch.seen, there.asked, strict=True):
        assert seen[3] == (asked.json if asked.body else None)


def test_a_wrapper_sees_the_calls_of_the_functions(
    shim: ModuleType, watch: Watch, scripted: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ollama.chat`` too."""
    monkeypatch.setenv("OLLAMA_HOST", scripted(WHOLE).url)
    shim._client.__init__()  # reads the environment now
    arriero.Client.__init__(shim._client)
    shim.chat("m")
    shim._client.close()
    assert [seen[:3] for seen in watch.seen] == [("chat", "POST", shim.ChatResponse)]


def test_a_stream_comes_back_as_an_iterator(
    shim: ModuleType, watch: Watch, scripted: Serve
) -> None:
    """Sync: an iterator that sends when first read. Async: awaited, an async iterator."""
    there = scripted(lines(part("a"), part("b"), DONE))
    with shim.Client(there.url) as client:
        stream = client._request(
            shim.ChatResponse, "POST", "/api/chat", json={"model": "m", "stream": True}, stream=True
        )
        assert isinstance(stream, Iterator)
        assert there.asked == []
        assert [record.message.content for record in stream] == ["a", "b", ""]

    async def same() -> list[Any]:
        async with shim.AsyncClient(there.url) as client:
            pending = client._request(
                shim.ChatResponse, "POST", "/api/chat", json={"model": "m"}, stream=True
            )
            assert inspect.isawaitable(pending)
            stream = await pending
            assert isinstance(stream, AsyncIterator)
            return [record.message.content async for record in stream]

    assert asyncio.run(same()) == ["a", "b", ""]
    assert watch.seen[0][3] == {"model": "m", "stream": True}


def test_what_a_wrapper_changes_is_sent(shim: ModuleType, scripted: Serve) -> None:
    """In place, or by handing on another ``json``."""
    there = scripted(WHOLE)

    class Changing(shim.Client):  # type: ignore[name-defined,misc]
        def _request(self, cls: Any, *args: Any, **kwargs: Any) -> Any:
            kwargs["json"] = {**kwargs["json"], "model": "other"}
            return super()._request(cls, *args, **kwargs)

    with Changing(there.url) as client:
        client.chat("m")
    assert there.last.json["model"] == "other"


def test_a_wrapper_may_answer_itself(shim: ModuleType) -> None:
    """A cache returns what it has; nothing is sent."""

    class Cached(shim.AsyncClient):  # type: ignore[name-defined,misc]
        async def _request(self, cls: Any, *args: Any, **kwargs: Any) -> Any:
            return cls(message={"role": "assistant", "content": "cached"})

    client = Cached("http://127.0.0.1:1")
    assert asyncio.run(client.chat("m")).message.content == "cached"


def test_images_are_in_the_request_a_wrapper_sees(
    shim: ModuleType, watch: Watch, scripted: Serve, tmp_path: Path
) -> None:
    """Files are read before, so that they are seen as they are sent."""
    there = scripted(WHOLE)
    file = tmp_path / "a.png"
    file.write_bytes(b"picture")
    encoded = base64.b64encode(b"picture").decode()
    messages = [{"role": "user", "content": "x", "images": [file, b"picture", encoded, str(file)]}]
    with shim.Client(there.url) as client:
        client.chat("m", messages)
    assert watch.seen[0][3]["messages"][0]["images"] == [encoded] * 4
    assert there.last.json["messages"][0]["images"] == [encoded] * 4

    async def same() -> None:
        async with shim.AsyncClient(there.url) as client:
            await client.chat("m", messages)

    asyncio.run(same())
    assert there.last.json["messages"][0]["images"] == [encoded] * 4


def test_a_missing_image_fails_the_call_itself(shim: ModuleType, watch: Watch) -> None:
    """Also of a stream, before anything is sent or seen."""
    with shim.Client("http://127.0.0.1:1") as client, pytest.raises(RequestError, match="gone"):
        client.generate("m", "x", images=["gone.png"], stream=True)
    assert watch.seen == []


def test_an_empty_image_is_refused(shim: ModuleType, scripted: Serve, tmp_path: Path) -> None:
    """As by a client of our own: the model would be asked about nothing."""
    there = scripted(WHOLE)
    (tmp_path / "a.png").touch()
    with shim.Client(there.url) as client, pytest.raises(RequestError, match="is an empty file"):
        client.generate("m", "x", images=[tmp_path / "a.png"])
    assert there.asked == []


def test_calls_from_outside_are_made(shim: ModuleType, scripted: Serve) -> None:
    """Code that calls ``_request`` by hand, with what httpx takes."""
    there = scripted(answer({"models": []}))
    with shim.Client(there.url) as client:
        made = client._request(
            shim.ListResponse,
            "GET",
            "/api/tags?a=1",
            params={"b": "2"},
            headers={"X-Mine": "1"},
            timeout=3,
        )
        assert made.models == []
        assert there.last.path == "/api/tags?a=1&b=2"
        assert there.last.headers["x-mine"] == "1"
        assert client._request(dict, "GET", "/api/tags") == {"models": []}
        assert client._request(shim.ListResponse, "GET", f"{there.url}/api/tags").models == []
        with pytest.raises(RequestError, match="'files'"):
            client._request(shim.ListResponse, "POST", "/x", files={})
        with pytest.raises(RequestError, match="a path"):
            client._request(shim.ListResponse, "POST")
        with pytest.raises(RequestError, match="records"):
            client._request(dict, "POST", "/x", stream=True)


def test_answers_to_calls_from_outside_are_checked(shim: ModuleType, scripted: Serve) -> None:
    """What is no JSON object is a ProtocolError, for foreign classes too."""
    there = scripted(answer(b"<html>"), answer([1]))
    with shim.Client(there.url) as client:
        for _ in range(2):
            with pytest.raises(arriero.ProtocolError):
                client._request(dict, "GET", "/api/tags")


def test_an_instrumentor_traces_a_whole_program(embedded: str) -> None:
    """Wrapped before the program runs, its accumulated spans agree with the answers."""
    made = run_program("traced.py", embedded)
    assert [span["operation"] for span in made["spans"]] == ["chat", "chat", "chat", "embed"]
    assert made["spans"][0]["text"] == made["texts"][0]
    assert made["spans"][1]["text"] == made["spans"][2]["text"] == made["texts"][1]
    assert all(span["model"].startswith("mini") for span in made["spans"])
    assert made["spans"][1]["tokens"] > 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat", {"model": "m", "messages": [], "tools": [], "stream": False}),
        ("pull", {"model": "m", "insecure": False, "stream": False}),
        ("push", {"model": "m", "insecure": False, "stream": False}),
    ],
)
def test_bodies_hold_what_the_official_ones_always_do(
    shim: ModuleType, scripted: Serve, name: str, expected: dict[str, Any]
) -> None:
    """Test doubles compare whole bodies; arriero's own client sends less."""
    there = scripted(CALLS[name][2])
    with shim.Client(there.url) as client:
        getattr(client, name)("m")
    assert there.last.json == expected

    async def same() -> None:
        async with shim.AsyncClient(there.url) as client:
            await getattr(client, name)("m")

    asyncio.run(same())
    assert there.last.json == expected
    with arriero.Client(there.url) as client:
        getattr(client, name)("m")
    assert there.last.json == {"model": "m", "stream": False}


def test_what_is_given_is_not_replaced(shim: ModuleType, scripted: Serve) -> None:
    """Only what is missing is filled in, and a wrapper's changes stay in its own call."""
    there = scripted(WHOLE)
    with shim.Client(there.url) as client:
        client.chat("m", [{"role": "user", "content": "x"}], tools=[add])
        assert len(there.last.json["messages"]) == len(there.last.json["tools"]) == 1
        before = client._request

        def adding(*args: Any, json: Any, **how: Any) -> Any:
            json["tools"].append({"type": "function"})
            return before(*args, json=json, **how)

        client._request = adding
        for _ in range(2):
            client.chat("m")
            assert there.last.json["tools"] == [{"type": "function"}]
