"""What the tests of managed models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from arriero.lifecycle import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal of its own."""
    return Journal(tmp_path / "journal.db", durable=False)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting and no journal of the machine reaches a test."""
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "OLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARRIERO_JOURNAL", str(tmp_path / "default.db"))
