"""A real server over real sockets, and engines that do as they are told."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from arriero.server import Server, serve
from arriero.server.engines.engine import (
    Conversation,
    Delta,
    Emit,
    EngineError,
    Finish,
    LoadPlan,
    Sampling,
)


@dataclass(frozen=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as one JSON value."""
        return json.loads(self.body)

    @property
    def records(self) -> list[Any]:
        """The body as one JSON value per line."""
        return [json.loads(line) for line in self.body.split(b"\n") if line]

    @property
    def text(self) -> str:
        """All text of a chat or generate answer."""
        return "".join(
            record["message"]["content"] if "message" in record else record.get("response", "")
            for record in self.records
        )


Ask = Callable[..., Answer]


def ask_server(
    server: Server,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own; `body` is JSON unless it is bytes."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    try:
        connection.request(method, path, data, dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with the shipped models, as the recorded one was set up."""
    with serve(context_length=2048) as running:
        yield running


@pytest.fixture
def ask(server: Server) -> Ask:
    """Ask the shared server: method, path, body."""

    def send(method: str, path: str, body: Any = None, **more: Any) -> Answer:
        return ask_server(server, method, path, body, **more)

    return send


@dataclass
class FakeEngine:
    """An engine that says the words it is given, one per step.

    Attributes:
        words: What every answer says.
        gate: Cleared, it holds every answer up before its first word.
        closed: Whether it was unloaded.
        busy: Answers being given now.
        most_busy: Most answers given at once.
        stops: Answers broken off.
        is_broken: Whether it has to be loaded anew.
    """

    plan: LoadPlan
    words: Sequence[str] = ("one", " two")
    gate: threading.Event = field(default_factory=threading.Event)
    closed: bool = False
    busy: int = 0
    most_busy: int = 0
    stops: int = 0
    is_broken: bool = False
    size_bytes: int = 1000
    vram_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate.set()

    def chat(self, conversation: Conversation, sampling: Sampling, emit: Emit) -> Finish:
        with self.lock:
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        try:
            while not self.gate.wait(0.005):
                if emit(Delta()):
                    self.stops += 1
                    return Finish("stop", 1, 1, 0, 0)
            for word in self.words:
                if emit(Delta(text=word)):
                    self.stops += 1
                    break
            return Finish("stop", 1, 1, len(self.words), 1)
        finally:
            with self.lock:
                self.busy -= 1

    def complete(self, prompt: str | Sequence[int], sampling: Sampling, emit: Emit) -> Finish:
        return self.chat(Conversation([]), sampling, emit)

    def render(self, conversation: Conversation) -> str:
        return "rendered"

    def tokenize(self, text: str) -> list[int]:
        return [len(word) for word in text.split()]

    def detokenize(self, tokens: Sequence[int]) -> str:
        return " ".join("x" * token for token in tokens)

    def embed(self, texts: Sequence[str | Sequence[int]]) -> tuple[list[list[float]], int]:
        raise EngineError(501, "no vectors here")

    def close(self) -> None:
        self.closed = True
