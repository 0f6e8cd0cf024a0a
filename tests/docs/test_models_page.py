"""`docs/models.md`: its commands run, one after another, and print what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arriero.cli.app import app
from arriero.server import serve

from .blocks import Block, blocks_of

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "models.md"
SHOWN = "http://127.0.0.1:11434"

_SAME = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "############"),
    (re.compile(r"\d+ \w+ ago"), "now"),
    (re.compile(r"\b\d+s\b"), "0s"),
    (re.compile(r"\S+@\S+$", re.MULTILINE), "you"),
    (re.compile(r"(?<=\S) {2,}"), "  "),
)
"""What is another one at each run, and what stands for it on the page."""


def settled(text: str, url: str) -> str:
    """Give a text without what differs from run to run."""
    text = text.replace(url, SHOWN)
    for pattern, instead in _SAME:
        text = pattern.sub(instead, text)
    return text.strip()


def ran(block: Block) -> str:
    """Run the commands of a block, and give what they print."""
    printed = ""
    for line in block.text.splitlines():
        program, *words = shlex.split(line)
        assert program == "arriero", line
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{line}: {done.output}"
        printed += done.stdout
    return printed


@pytest.mark.slow
def test_the_commands_of_the_page_print_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the ``models.toml`` of the page, in its order, against a server of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARRIERO_JOURNAL", str(tmp_path / "journal.db"))
    monkeypatch.setenv("NO_COLOR", "1")
    compared = 0
    with serve() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        printed = ""
        for block in blocks_of(PAGE.read_text("utf-8")):
            if block.language == "toml":
                (tmp_path / "models.toml").write_text(block.text)
            elif block.language == "bash" and not block.reason:
                printed = ran(block)
            elif block.language == "text" and block.follows == "bash":
                told = settled(block.text, server.url)
                assert told == settled(printed, server.url), f"{PAGE}:{block.line}"
                compared += 1
    assert compared == 3
