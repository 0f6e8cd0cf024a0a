"""What README and docs show is true: every code block runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from arriero.cli.app import app
from arriero.server import Server, serve

from .blocks import Block, blocks_of

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"python", "bash", "text", "toml", "json"}
PROGRAMS = {"arriero", "make", "git", "curl", "pip", "python", "export"}
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def named(path: Path) -> str:
    """Give a file's name for a test's id."""
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server that the examples find at `OLLAMA_HOST`."""
    with serve(context_length=2048) as running:
        yield running


def with_python() -> list[Path]:
    """Give the files that have something to run."""
    return [
        path
        for path in FILES
        if any(block.language == "python" for block in blocks_of(path.read_text("utf-8")))
    ]


@pytest.mark.parametrize("path", with_python(), ids=named)
def test_python_blocks_run(path: Path, server: Server) -> None:
    """The blocks of a file run in order against a server, without a warning or a leak."""
    environ = {**os.environ, "OLLAMA_HOST": server.url, "PYTHONPATH": str(ROOT)}
    environ.pop("OLLAMA_API_KEY", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.blocks", str(path)],
        capture_output=True,
        text=True,
        env=environ,
        cwd=ROOT,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


@pytest.mark.parametrize("path", FILES, ids=named)
def test_blocks_are_in_known_languages(path: Path) -> None:
    """A block is Python, a shell's words, or data; anything else would go unchecked."""
    for block in blocks_of(path.read_text("utf-8")):
        assert block.language in LANGUAGES, f"{named(path)}:{block.line}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_shell_blocks_name_what_exists(path: Path) -> None:
    """Programs are known, targets are in the Makefile, options of `arriero` are its own."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks_of(path.read_text("utf-8")):
        if block.language == "bash":
            for words in commands_of(block):
                assert words[0] in PROGRAMS, f"{named(path)}:{block.line}: {words[0]}"
                if words[0] == "make":
                    assert set(plain(words[1:])) <= targets, f"{named(path)}:{block.line}"
                if words[0] == "arriero" and words[1:] != ["--version"]:
                    COMMANDS[words[1]].make_context(words[1], words[2:])


def commands_of(block: Block) -> Iterator[list[str]]:
    """Give the commands of a shell block as words, assignments before them left out."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            del words[0]
        if words:
            yield words


def plain(words: list[str]) -> list[str]:
    """Leave out assignments such as ``ARGS=...``."""
    return [word for word in words if "=" not in word]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link names a file of the repository, and a heading in it if it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), f"{named(path)} links to {target}"
        if anchor:
            assert anchor in anchors_of(found), f"{named(path)} links to {target}"


def anchors_of(path: Path) -> set[str]:
    """Give the anchors of a file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize(
    ("markdown", "message"),
    [
        ("```python\nx = 1\n", "line 1: the block is not closed"),
        ("```python notest\n```\n", "line 1: write 'notest: reason', not 'notest'"),
        ("```python skip: x\n```\n", "line 1: write 'notest: reason', not 'skip: x'"),
    ],
)
def test_a_broken_block_is_an_error(markdown: str, message: str) -> None:
    """A block that would silently not run is refused."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        list(blocks_of(markdown))


def test_blocks_are_found_with_their_place() -> None:
    """Language, reason, indentation, line and what stands above are told."""
    markdown = "# T\n\n  ```python notest: no\n  x = 1\n  ```\n\n```text\ny\n```\nz\n```text\n```\n"
    assert list(blocks_of(markdown)) == [
        Block("python", "no", "x = 1\n", 4, ""),
        Block("text", "", "y\n", 8, "python"),
        Block("text", "", "", 12, ""),
    ]
