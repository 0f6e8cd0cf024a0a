"""What the docs show of a terminal is what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arriero.server import Server, serve

from .recordings import played, recordings_in

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
RECORDINGS = recordings_in((DOCS / "cli-tour.md").read_text("utf-8"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run the server of the recordings."""
    with serve(context_length=2048) as running:
        yield running


def test_there_is_a_talk_among_them() -> None:
    """With questions that are typed: else the others would prove little."""
    assert any("\n>>> " in recording for recording in RECORDINGS)


@pytest.mark.slow
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda text: text.splitlines()[0][2:])
def test_a_recording_is_what_the_terminal_shows(recording: str, server: Server) -> None:
    """`python -m tests.docs.recordings docs/cli-tour.md` writes it anew."""
    assert played(recording, server.url) == recording
