"""Recordings of a terminal in the docs: played again, and written anew.

    python -m tests.docs.recordings FILE

writes what the terminal shows today. A ``text`` block that begins with ``$ arriero`` is one:
its first line is run on a terminal of 80 columns, and what follows a prompt is typed.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from pathlib import Path

from arriero.server import serve
from tests.cli.terminal import Terminal

from .blocks import blocks_of

_COMMAND = "$ arriero "
_PROMPT = ">>> "
_PORT = re.compile(r"http://127\.0\.0\.1:\d+")


def recordings_in(markdown: str) -> list[str]:
    """Give the recordings of a text."""
    found = (block.text for block in blocks_of(markdown) if block.language == "text")
    return [text for text in found if text.startswith(_COMMAND)]


def played(recording: str, url: str) -> str:
    """Do what a recording does, and give what the terminal shows.

    Args:
        recording: From `recordings_in`.
        url: Of the server; shown as the one where Ollama is.
    """
    first, *lines = recording.splitlines()
    typed = [line.removeprefix(_PROMPT) for line in lines if line.startswith(_PROMPT)]
    with tempfile.TemporaryDirectory() as state:
        environ = {"OLLAMA_HOST": url, "XDG_STATE_HOME": state}
        with Terminal(shlex.split(first)[2:], environ) as terminal:
            for number, text in enumerate(typed, 1):
                terminal.wait_for(_PROMPT.rstrip(), number)
                terminal.send(f"{text}\r")
            terminal.ended()
            shown = terminal.text
    return f"{first}\n{_PORT.sub('http://127.0.0.1:11434', shown)}\n"


def main(path: Path) -> None:
    """Write the recordings of a file anew."""
    markdown = path.read_text("utf-8")
    with serve(context_length=2048) as server:
        for recording in recordings_in(markdown):
            markdown = markdown.replace(recording, played(recording, server.url))
    path.write_text(markdown, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
