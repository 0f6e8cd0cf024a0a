"""Pictures named in a question."""

from __future__ import annotations

from pathlib import Path

import pytest

from arriero.cli.chat.pictures import pictures_in


@pytest.mark.parametrize(
    ("text", "rest", "paths"),
    [
        ("What is on a.png?", "What is on ?", ["a.png"]),
        ("/tmp/a.JPG", "", ["/tmp/a.JPG"]),
        ("compare 'my photo.jpeg' and ./b.webp, please", "compare and , please",
         ["my photo.jpeg", "b.webp"]),
        ("see /tmp/my\\ photo.png now", "see now", ["/tmp/my photo.png"]),
        ("no picture here", "no picture here", []),
        ("write to x.png.txt", "write to x.png.txt", []),
    ],
)  # fmt: skip
def test_paths_of_pictures_are_taken_out(text: str, rest: str, paths: list[str]) -> None:
    """Bare, quoted, or with escaped blanks."""
    assert pictures_in(text, lambda path: True) == (rest, [Path(one) for one in paths])


def test_what_is_not_there_stays_in_the_text() -> None:
    """It may be what the talk is about."""
    text = "How do I make  logo.png smaller?"
    assert pictures_in(text, lambda path: False) == (text, [])
