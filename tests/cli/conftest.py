"""A server to talk to, and `arriero ...` run against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arriero.cli.app import app
from arriero.server import serve

from .peer import Peer


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting or journal of whoever runs the tests reaches a command, or is reached by it."""
    for name in ("OLLAMA_HOST", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARRIERO_JOURNAL", str(tmp_path / "journal.db"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run the embedded server with its own models; give its URL."""
    with serve() as running:
        yield running.url


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Run a server that says what a test tells it to."""
    with Peer() as running:
        yield running


Run = Callable[..., object]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Give a function that runs `arriero` with some words: exit code, stdout, stderr."""

    def run(*words: str, host: str = "", input: str | None = None) -> tuple[int, str, str]:
        if host:
            monkeypatch.setenv("OLLAMA_HOST", host)
        result = CliRunner().invoke(app, list(words), input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run
