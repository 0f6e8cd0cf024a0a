"""Where questions come from."""

from __future__ import annotations

import stat
from pathlib import Path

import platformdirs
import pytest

from arriero.cli.chat.reader import Lines, history_file, is_open, unfenced


def questions(data: bytes) -> list[str]:
    """Give the questions of a pipe."""
    reader = Lines(data.splitlines(keepends=True))
    found = []
    while (text := reader.read()) is not None:
        found.append(text)
    return found


def test_a_line_is_a_question() -> None:
    """Empty ones are none."""
    assert questions(b"a\n\n b \r\nc") == ["a", "b", "c"]


def test_triple_quotes_hold_several_lines() -> None:
    """Also with the first line behind them, and without an end."""
    assert questions(b'"""\na\nb\n"""\nc\n"""d\ne"""\n"""f') == ["a\nb", "c", "d\ne", "f"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [('"""', True), ('"""a', True), ('"""a"""', False), ('""""', True), ("a", False), ("", False)],
)
def test_open_quotes_are_known(text: str, wanted: bool) -> None:
    """They decide whether Enter sends."""
    assert is_open(text) is wanted


def test_quotes_are_no_part_of_a_question() -> None:
    """Only those around it."""
    assert unfenced('"""say "hi" """') == 'say "hi" '
    assert unfenced('say """hi"""') == 'say """hi"""'


def test_history_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder nobody else can list; a file that was open to others is closed to them."""
    folder = tmp_path / "state" / "arriero"
    monkeypatch.setattr(platformdirs, "user_state_path", lambda name: folder)
    path = history_file()
    assert path is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    history_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_history_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Ollama's own variable, or where there is no folder to be had."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(platformdirs, "user_state_path", lambda name: tmp_path / "file" / name)
    assert history_file() is None
    monkeypatch.setattr(platformdirs, "user_state_path", lambda name: tmp_path / name)
    monkeypatch.setenv("OLLAMA_NOHISTORY", "1")
    assert history_file() is None
    assert not (tmp_path / "arriero").exists()
