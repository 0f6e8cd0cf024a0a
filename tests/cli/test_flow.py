"""Text that comes bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.cli.flow import WordWrap

PIECES = st.lists(st.text("ab \n\N{CJK UNIFIED IDEOGRAPH-4E2D}", max_size=8), max_size=12)


def wrapped(columns: int, *pieces: str) -> str:
    """Feed pieces, give all that is written."""
    wrap = WordWrap(columns)
    return "".join([*map(wrap.feed, pieces), wrap.end()])


@given(PIECES)
def test_wrapping_changes_nothing_but_blanks(pieces: list[str]) -> None:
    """Every letter is written, in order, and no line end is lost."""
    text, written = "".join(pieces), wrapped(10, *pieces)
    assert "".join(written.split()) == "".join(text.split())
    assert written.count("\n") >= text.count("\n")


@given(st.lists(st.text("abc", min_size=1, max_size=5), max_size=30), st.integers(1, 7))
def test_lines_are_not_wider_than_the_terminal(words: list[str], size: int) -> None:
    """However the text is cut; words stay whole."""
    text = " ".join(words)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    written = wrapped(10, *pieces)
    assert all(len(line) <= 10 for line in written.splitlines())
    assert written.split() == words
    assert written == wrapped(10, text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("one two three", "one two\nthree"),
        ("0123456789 x", "0123456789\nx"),
        ("a\n  b\n", "a\n  b\n"),
        ("a 0123456789abcdef b", "a\n0123456789abcdef b"),
        ("", ""),
    ],
)
def test_a_line_breaks_where_the_next_word_would(text: str, written: str) -> None:
    """At ten columns; indentation stays, a word wider than the line is left to the terminal."""
    assert wrapped(10, text) == written


def test_what_has_no_blanks_is_not_kept_back() -> None:
    """Chinese, and addresses longer than half a line, are shown as they come."""
    wrap = WordWrap(10)
    assert wrap.feed("\N{CJK UNIFIED IDEOGRAPH-4E2D}") == "\N{CJK UNIFIED IDEOGRAPH-4E2D}"
    assert wrap.feed(" abc") == ""
    assert wrap.feed("defg") == " abcdefg"
