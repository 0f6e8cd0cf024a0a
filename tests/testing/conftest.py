"""A plain HTTP client that hides nothing of the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from arriero.testing import ScriptedServer

USER = [{"role": "user", "content": "What is the capital of France?"}]


class Wire:
    """Requests over one pool of connections; errors of the transport come out as they are."""

    def __init__(self, url: str) -> None:
        self.pool = urllib3.connection_from_url(
            url, retries=False, timeout=urllib3.Timeout(5), maxsize=8
        )

    def ask(self, path: str = "/api/chat", **body: Any) -> urllib3.BaseHTTPResponse:
        """Post, and read the whole answer."""
        return self.open(path, preload=True, **body)

    def open(
        self, path: str = "/api/chat", *, preload: bool = False, **body: Any
    ) -> urllib3.BaseHTTPResponse:
        """Post, and leave the answer to be read."""
        if path == "/api/chat":
            body = {"messages": USER, **body}
        data = json.dumps({"model": "llama3.2", **body})
        return self.pool.request("POST", path, body=data, preload_content=preload)

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        """Get, and read the whole answer."""
        return self.pool.request("GET", path)

    def close(self) -> None:
        """Close every connection."""
        self.pool.close()


def records(answer: urllib3.BaseHTTPResponse) -> list[Any]:
    """The answer as one JSON value per line."""
    return [json.loads(line) for line in answer.data.split(b"\n") if line]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server that knows one answer."""
    with ScriptedServer() as running:
        running.on(says="capital of France").reply("It is Paris.")
        yield running


@pytest.fixture
def wire(server: ScriptedServer) -> Iterator[Wire]:
    """A client of it."""
    made = Wire(server.url)
    yield made
    made.close()
