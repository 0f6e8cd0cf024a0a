"""The official package beside the shim, scripted servers, the embedded server."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from arriero import AsyncClient, Client, compat
from arriero.server import serve

from .scripted import Answer, Scripted

PROGRAMS = Path(__file__).with_name("programs")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Start servers that give the answers they are called with."""
    running: list[Scripted] = []

    def start(*answers: Answer) -> Scripted:
        running.append(Scripted(*answers))
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The embedded server's address."""
    with serve(context_length=2048) as server:
        yield server.url


@pytest.fixture
def official() -> Iterator[dict[str, ModuleType]]:
    """The official package's modules by name; sys.modules is afterwards as it was."""
    pytest.importorskip("ollama", reason="compares with the official package")
    compat.uninstall()
    names = ("ollama", "ollama._client", "ollama._types", "ollama._utils")
    before = {name: module for name, module in sys.modules.items() if name in names}
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def shim() -> Iterator[ModuleType]:
    """The shim, installed for the length of a test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", compat.LateInstallWarning)
        with compat.install():
            yield importlib.import_module("ollama")


class Caller:
    """Makes one call with a new client, of either colour, and gives its outcome."""

    def __init__(self, colour: str) -> None:
        self.colour = colour

    def __call__(
        self, host: str, method: str, *args: Any, client: dict[str, Any] | None = None, **how: Any
    ) -> Any:
        """Give the answer, or the list of records of a stream."""
        if self.colour == "async":
            return asyncio.run(self._async(host, method, args, client or {}, how))
        with Client(host, **(client or {})) as made:
            got = getattr(made, method)(*args, **how)
            return list(got) if how.get("stream") else got

    async def _async(
        self, host: str, method: str, args: Any, client: dict[str, Any], how: dict[str, Any]
    ) -> Any:
        async with AsyncClient(host, **client) as made:
            got = await getattr(made, method)(*args, **how)
            return [record async for record in got] if how.get("stream") else got


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Caller:
    """Both clients."""
    return Caller(request.param)


def run_python(*arguments: str, **environment: str) -> str:
    """Run Python in a process of its own and give what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_program(name: str, *arguments: str, **environment: str) -> Any:
    """Run one of the programs beside this file and give the JSON of its last line."""
    out = run_python(str(PROGRAMS / name), *arguments, **environment)
    return json.loads(out.splitlines()[-1])
