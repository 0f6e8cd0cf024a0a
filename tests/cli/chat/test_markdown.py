"""Markdown that is shown while it arrives."""

from __future__ import annotations

import io
import itertools

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from arriero.cli.chat.markdown import MarkdownStream, blocks_of

TEXT = """# Title

Some **bold** words.
A second line.

- one
- two

```python
a = 1

b = 2
```

| a | b |
|---|---|
| 1 | 2 |

Last.
"""
SHOWN = """\
# Title

Some bold words.
A second line.

 • one
 • two

 a = 1

 b = 2

 a  b
 ────
 1  2

Last."""


def shown(pieces: list[str], *, rows: int = 40, columns: int = 40) -> str:
    """Give what a terminal shows at the end, with what scrolled away."""
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=True, width=columns, height=rows, legacy_windows=False
    )
    ticks = itertools.count()
    with MarkdownStream(console, lambda: float(next(ticks))) as stream:
        for piece in pieces:
            stream.feed(piece)
    screen = pyte.HistoryScreen(columns, rows, history=1000)
    pyte.Stream(screen).feed(file.getvalue().replace("\n", "\r\n"))
    above = ["".join(row[x].data for x in range(columns)) for row in screen.history.top]
    assert not screen.cursor.hidden
    return "\n".join(line.rstrip() for line in (*above, *screen.display)).rstrip()


@pytest.mark.parametrize("size", [1, 2, 7, 40, 1000])
def test_pieces_show_what_the_whole_shows(size: int) -> None:
    """However the text arrives, the same stays on the screen."""
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    assert shown(pieces) == SHOWN


@given(st.lists(st.integers(0, len(TEXT)), max_size=6))
def test_any_pieces_show_what_the_whole_shows(cuts: list[int]) -> None:
    """At whatever places it is cut."""
    edges = [0, *sorted(cuts), len(TEXT)]
    assert shown([TEXT[a:b] for a, b in itertools.pairwise(edges)]) == SHOWN


def test_a_block_higher_than_the_terminal_is_whole_in_the_end() -> None:
    """While it grows its end is shown; nothing is drawn twice when it scrolls."""
    lines = [f"{n}. item {n}\n" for n in range(1, 31)]
    text = shown(lines, rows=8)
    assert [line.split()[0] for line in text.splitlines()] == [str(n) for n in range(1, 31)]


def test_a_text_that_is_cut_off_is_shown() -> None:
    """Ctrl-C in the middle of a word leaves what had arrived."""
    assert shown(["Hello wo"]) == "Hello wo"


@pytest.mark.parametrize(
    "blocks",
    [
        [""],
        ["word"],
        ["\n\nword"],
        ["one\n\n", "two"],
        ["- a\n\n- b\n"],
        ["```\na\n\nb\n"],
        ["```\na\n```\n", "b"],
        ["a\u2028b\n", "# b\n", "c"],
    ],
)
def test_a_block_ends_where_the_next_begins(blocks: list[str]) -> None:
    """Lists and code may go on after an empty line."""
    assert blocks_of("".join(blocks)) == blocks
