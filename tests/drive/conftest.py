"""The two colours, with their transports replaced by scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from .scripted import (
    AsyncColour,
    AsyncScriptedTransport,
    Colour,
    ScriptedTransport,
    wait_until,
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Colour]:
    """Each of the clients in turn."""
    made = AsyncColour() if request.param == "async" else Colour()
    scripted(made, monkeypatch)
    yield made
    if isinstance(made, AsyncColour):
        made.runner.close()


def scripted(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every client made from now on answer from the script of `colour`."""
    monkeypatch.setattr(
        "arriero._transport.choose.transport_for",
        lambda *_, **__: ScriptedTransport(colour.script),
    )
    monkeypatch.setattr(
        "arriero._transport.choose.async_transport_for",
        lambda *_, **__: AsyncScriptedTransport(colour.script),
    )


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """The threads that fetch end by themselves."""
    yield
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "arriero-token"])
