"""Code blocks of a Markdown file: find them, and run the Python ones.

    python -m tests.docs.blocks FILE

runs every ``python`` block of a file in order, in one namespace. A block that cannot run
says why in its first line::

    ```python notest: needs a gateway with a certificate

A ``text`` block right after a ``python`` block is what that block prints.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^( *)```(.*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: First word after the fence.
        reason: Why it does not run; empty if it does.
        text: What is between the fences, without their indentation.
        line: Line of the file its first line is on, from 1.
        follows: Language of a block that ends right above, blank lines aside.
    """

    language: str
    reason: str
    text: str
    line: int
    follows: str


def blocks_of(markdown: str) -> Iterator[Block]:
    """Give the blocks of a text, in order.

    Raises:
        ValueError: a fence is not closed, or a block has an unknown marker.
    """
    lines = markdown.splitlines()
    at, follows = 0, ""
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            follows = follows if not lines[at].strip() else ""
            at += 1
            continue
        indent, info = fence.groups()
        end = next((n for n in range(at + 1, len(lines)) if lines[n] == f"{indent}```"), None)
        if end is None:
            raise ValueError(f"line {at + 1}: the block is not closed")
        language, _, marker = info.strip().partition(" ")
        text = "".join(f"{line.removeprefix(indent)}\n" for line in lines[at + 1 : end])
        yield Block(language, _reason(marker, at + 1), text, at + 2, follows)
        at, follows = end + 1, language


def _reason(marker: str, line: int) -> str:
    if not marker:
        return ""
    word, _, reason = marker.partition(":")
    if word != "notest" or not reason.strip():
        raise ValueError(f"line {line}: write 'notest: reason', not {marker!r}")
    return reason.strip()


def run(path: Path) -> None:
    """Run the Python blocks of a file; compare what they print where the file says it.

    Raises:
        AssertionError: a block prints something else.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks_of(path.read_text("utf-8")):
        if block.language == "python" and not block.reason:
            # Blank lines put the code where it is in the file, for tracebacks.
            code = compile("\n" * (block.line - 1) + block.text, str(path), "exec")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(code, names)
            printed = out.getvalue()
        elif block.language == "text" and block.follows == "python":
            told = _stripped(block.text)
            assert told == _stripped(printed), f"{path}:{block.line}: it prints\n{printed}"
    _close_clients(names)


def _close_clients(names: dict[str, Any]) -> None:
    """Do what the end of a user's program does to clients that live as long as it."""
    from arriero import Client
    from arriero._default import default_client

    for value in (*names.values(), default_client):
        if isinstance(value, Client):
            value.close()


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


if __name__ == "__main__":
    run(Path(sys.argv[1]))
