"""The tests that docs/testing.md shows are run, with the fixtures it names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .blocks import blocks_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


@pytest.mark.slow
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """All blocks in order make a module; pytest finds the tests and the fixtures by itself."""
    begin = PAGE.read_text("utf-8").partition("## With pytest")[2].partition("\n## ")[0]
    blocks = [block for block in blocks_of(begin) if block.language == "python"]
    assert not any(block.reason for block in blocks)
    text = "\n\n".join(block.text for block in blocks)
    (tmp_path / "test_page.py").write_text(text, "utf-8")
    command = (sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    command = (*command, "-p", "no:randomly", "-p", "no:asyncio", str(tmp_path))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{text.count('def test_')} passed" in done.stdout
