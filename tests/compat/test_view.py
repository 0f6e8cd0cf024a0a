"""``client._client`` is an httpx client, and what is changed on it counts."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import httpx
import pytest

from arriero import MissingExtra, Timeouts, Tls

from .scripted import DONE, Serve, answer, lines

TAGS = answer({"models": []})


def test_it_is_a_real_httpx_client(shim: ModuleType) -> None:
    """Code checks the class and reads address, headers and time limits."""
    sync, tasks = shim.Client("there:1/x", headers={"X-Team": "a"}), shim.AsyncClient("there:1")
    assert isinstance(sync._client, httpx.Client)
    assert isinstance(tasks._client, httpx.AsyncClient)
    assert str(sync._client.base_url) == "http://there:1/x/"
    assert sync._client.headers["x-team"] == "a"
    assert sync._client.timeout.connect == sync.timeouts.connect_s
    assert sync._client is sync._client
    sync.close()
    asyncio.run(tasks.close())


def test_requests_can_be_made_with_it(shim: ModuleType, scripted: Serve) -> None:
    """Paths are joined to the client's address."""
    there = scripted(answer({"version": "1"}))
    with shim.Client(there.url) as client:
        assert client._client.request("GET", "/api/version").json() == {"version": "1"}
    assert there.last.path == "/api/version"


def test_closing_the_client_closes_it(shim: ModuleType) -> None:
    """In both colours."""
    with shim.Client() as client:
        view = client._client
    assert view.is_closed

    async def same() -> bool:
        async with shim.AsyncClient() as client:
            view = client._client
        return bool(view.is_closed)

    assert asyncio.run(same())


def test_one_that_is_made_after_closing_is_closed(shim: ModuleType) -> None:
    """In both colours, and outside the event loop too."""
    client = shim.Client()
    client.close()
    assert client._client.is_closed

    async def same() -> Any:
        client = shim.AsyncClient()
        await client.close()
        assert client._client.is_closed
        other = shim.AsyncClient()
        await other.close()
        return other

    assert asyncio.run(same())._client.is_closed


def test_a_client_that_never_made_one_closes(shim: ModuleType) -> None:
    """There is nothing to close, and httpx is not needed."""
    shim.Client().close()
    asyncio.run(shim.AsyncClient().close())


def test_changed_headers_are_sent(shim: ModuleType, scripted: Serve) -> None:
    """Added, replaced and removed ones."""
    there = scripted(TAGS)
    with shim.Client(there.url, headers={"X-Old": "1"}, auth="token") as client:
        view = client._client
        assert view.headers["authorization"] == "Bearer token"
        client.list()
        assert there.last.headers["x-old"] == "1"
        view.headers["X-New"] = "2"
        view.headers["Authorization"] = "Bearer other"
        del view.headers["X-Old"]
        client.list()
        assert "x-old" not in there.last.headers
        assert there.last.headers["x-new"] == "2"
        assert there.last.headers["authorization"] == "Bearer other"
        del view.headers["Authorization"]
        client.list()
        assert "authorization" not in there.last.headers


def test_a_changed_timeout_and_address_count(shim: ModuleType, scripted: Serve) -> None:
    """For the calls that follow, streams too."""
    there = scripted(TAGS, lines(DONE))
    with shim.Client("http://127.0.0.1:1") as client:
        client._client.timeout = 7
        client._client.base_url = there.url
        assert client.list().models == []
        assert client.timeouts == Timeouts(connect_s=7, first_token_s=7, idle_s=7)
        assert [record.done for record in client.chat("m", stream=True)] == [True]


def test_a_client_put_there_is_used(shim: ModuleType) -> None:
    """Tests and applications replace it; calls then go over the new one."""
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"models": []})

    mock = httpx.MockTransport(handle)
    with shim.Client(), httpx.Client(transport=mock, base_url="http://far") as own:
        client = shim.Client()
        client._client = own
        assert client._client is own
        assert client.list().models == []
        client.close()

    async def same() -> Any:
        async with httpx.AsyncClient(transport=mock) as own, shim.AsyncClient("near:1") as client:
            client._client = own
            return await client.list()

    assert asyncio.run(same()).models == []
    assert asked == ["http://far/api/tags", "http://near:1/api/tags"]


def test_one_that_is_put_into_an_unused_default_client_is_used(shim: ModuleType) -> None:
    """The default client reads its settings late; that does not undo it."""
    mock = httpx.MockTransport(lambda request: httpx.Response(200, json={"models": []}))
    with httpx.Client(transport=mock, base_url="http://far") as own:
        shim._client._client = own
        assert shim._client._client is own
        assert shim.list().models == []
        assert shim._client.host == "http://far:80"


def test_arguments_of_httpx_reach_it(shim: ModuleType) -> None:
    """Mock transports, hooks and auth; TLS as it was configured."""
    mock = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))
    with shim.Client(transport=mock, auth=httpx.BasicAuth("me", "pw")) as client:
        assert client._client.get("/x").json() == {"path": "/x"}
        assert client._client.auth is not None
    with shim.Client(tls=Tls(verify=False)) as client:
        assert client._client.get is not None


def test_the_default_clients_one_can_be_reached(
    shim: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ollama._client._client``, as applications write it."""
    monkeypatch.setenv("OLLAMA_HOST", "there:1234")
    sys.modules.pop("ollama._client")
    import importlib

    module = importlib.reload(shim)
    assert str(module._client._client.base_url) == "http://there:1234"
    module._client._client.close()


def test_without_httpx_it_says_what_to_install(
    shim: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls work without; only the view needs it."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with shim.Client() as client, pytest.raises(MissingExtra, match=r"arriero\[httpx\]"):
        client._client  # noqa: B018
