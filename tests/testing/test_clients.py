"""Clients of all kinds, against the scripted server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import ollama
import openai
import pytest

import arriero
from arriero.testing import ScriptedServer, faults

from .conftest import USER

QUESTION: Any = USER
TOOL: Any = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def test_arriero_streams_and_fails_as_it_should(server: ScriptedServer) -> None:
    """A good stream, then each kind of bad one."""
    kinds: list[tuple[faults.Fault, type[Exception]]] = [
        (faults.Reset(), arriero.ConnectionLost),
        (faults.Status(429), arriero.RateLimited),
        (faults.Status(503), arriero.ServerBusy),
        (faults.Cut(after=1), arriero.ConnectionLost),
        (faults.Cut(after=1, how="end", mid_line=False), arriero.StreamIncomplete),
        (faults.Garbage(after=1), arriero.ProtocolError),
        (faults.ErrorLine(after=1), arriero.StreamFailed),
        (faults.WrongType(body=faults.WrongType.SIGN_IN), arriero.ProtocolError),
    ]
    with arriero.Client(server.url) as client:
        texts = [part.message.content for part in client.chat("m", QUESTION, stream=True)]
        assert texts == ["It", " is", " Paris.", ""]
        for fault, kind in kinds:
            # A pooled connection that is reset is tried again, so once would not do.
            server.fault(fault, times=None)
            with pytest.raises(kind):
                list(client.chat("m", QUESTION, stream=True))
            server.clear_faults()
        with server.refusing(), pytest.raises(arriero.ConnectFailed):
            client.chat("m", QUESTION)
        assert client.chat("m", QUESTION).message.content == "It is Paris."


def test_arriero_does_not_wait_for_ever(server: ScriptedServer) -> None:
    """Each silence has its budget."""
    with arriero.Client(server.url, timeouts=arriero.Timeouts(first_token_s=0.1)) as client:
        server.fault(faults.Hang())
        with pytest.raises(arriero.DeadlineExceeded, match=r"first_token_s=0\.1"):
            client.chat("m", QUESTION)
    with arriero.Client(server.url, timeouts=arriero.Timeouts(idle_s=0.1)) as client:
        server.fault(faults.Stall(after=1))
        with pytest.raises(arriero.DeadlineExceeded, match=r"idle_s=0\.1"):
            list(client.chat("m", QUESTION, stream=True))


def test_arriero_async_sees_the_same(server: ScriptedServer) -> None:
    """Over its other transport."""

    async def work() -> str:
        async with arriero.AsyncClient(server.url) as client:
            server.fault(faults.Cut(after=1))
            with pytest.raises(arriero.ConnectionLost):
                async for _ in await client.chat("m", QUESTION, stream=True):
                    pass
            return (await client.chat("m", QUESTION)).message.content or ""

    assert asyncio.run(work()) == "It is Paris."


def test_the_official_client_works(server: ScriptedServer) -> None:
    """Chat, stream, tools, embeddings, lists, errors."""
    server.on(tool="add").reply(tool_calls=[("add", {"a": 1})])
    client = ollama.Client(server.url)
    try:
        assert client.chat("m", QUESTION).message.content == "It is Paris."
        parts = client.generate("m", "capital of France", stream=True)
        assert "".join(part.response for part in parts) == "It is Paris."
        calls = client.chat("m", QUESTION, tools=[TOOL]).message.tool_calls or []
        assert [(one.function.name, one.function.arguments) for one in calls] == [("add", {"a": 1})]
        assert len(client.embed("m", "x").embeddings[0]) == 64
        assert client.show("m").capabilities == ["completion", "tools", "thinking", "embedding"]
        server.fault(faults.Status(503))
        with pytest.raises(ollama.ResponseError, match="server busy"):
            client.chat("m", QUESTION)
    finally:
        client._client.close()


def test_openai_works(server: ScriptedServer) -> None:
    """Under /v1, retries included."""
    server.fault(faults.Status(429, retry_after_s=0))
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused") as client:
        answer = client.chat.completions.create(model="m", messages=QUESTION)

    assert answer.choices[0].message.content == "It is Paris."
    server.assert_received(2, path="/v1/chat/completions", says="France")
    assert server.requests[0].headers["authorization"] == "Bearer ***"


def test_httpx_works(server: ScriptedServer) -> None:
    """Line by line, and its errors come out."""
    body = {"model": "m", "messages": QUESTION}
    with httpx.Client(base_url=server.url) as client:
        with client.stream("POST", "/api/chat", json=body) as answer:
            assert len(list(answer.iter_lines())) == 4
        server.fault(faults.Cut(after=1))
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/api/chat", json=body)


def test_another_process_works(server: ScriptedServer) -> None:
    """Nothing is patched, so any program in any language is a client."""
    code = f"import urllib.request as u; print(u.urlopen('{server.url}/api/version').read())"

    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=240, check=True
    )

    assert "version" in done.stdout
    assert server.requests[0].headers["user-agent"].startswith("Python-urllib")


def test_many_at_once_are_answered(
    server: ScriptedServer, waits_for: Callable[[Callable[[], object]], None]
) -> None:
    """Each with its own answer."""
    server.on().reply(lambda question: f"You said {question.text}", delay_s=0.02)

    async def work() -> list[str]:
        async with arriero.AsyncClient(server.url) as client:
            made = [
                client.chat("m", [{"role": "user", "content": str(number)}]) for number in range(40)
            ]
            return [one.message.content or "" for one in await asyncio.gather(*made)]

    assert asyncio.run(work()) == [f"You said {number}" for number in range(40)]
    waits_for(lambda: len(server.requests) == 40)
