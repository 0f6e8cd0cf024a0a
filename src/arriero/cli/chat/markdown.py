"""Markdown that is shown while it arrives.

A block (paragraph, list, table, code) is final once the next one begins: it is then printed
for good. Only the last block is drawn again and again, and only as much of it as the terminal
is high, so that nothing scrolls away half drawn.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live

_LINE = re.compile(r"[^\n]*\n|[^\n]+$")
"""A line as the parser counts them, its end included."""
_PAUSE_S = 0.06
"""Between two drawings: eyes see no more, and parsing costs."""


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt().enable("strikethrough").enable("table")


def blocks_of(text: str) -> list[str]:
    """Split a growing text into blocks: all but the last will not change their look any more."""
    tokens = _parser().parse(text)
    starts = sorted({token.map[0] for token in tokens if token.level == 0 and token.map})
    lines = _LINE.findall(text)
    edges = [0, *starts[1:], len(lines)]
    return ["".join(lines[a:b]) for a, b in pairwise(edges)]


def rendered(text: str) -> Any:
    """Give Markdown as Rich prints it, with three things changed for talks.

    A line end stays one, as models mean it; headings stand on the left; links show where they
    lead, since a model chose the words.
    """
    from rich.markdown import Heading, Markdown
    from rich.text import Text

    class LeftHeading(Heading):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            self.text.justify = "left"
            yield Text("#" * int(self.tag[1:]) + " ", "dim") + self.text

    class Talk(Markdown):
        elements = {**Markdown.elements, "heading_open": LeftHeading}  # noqa: RUF012  # as Rich has it

    made = Talk(text, code_theme="ansi_dark", hyperlinks=False)
    for token in made.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return made


class MarkdownStream:
    """Shows an answer on a terminal; used in ``with``.

    Args:
        console: The terminal.
        clock: Seconds, monotonic.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._rest = ""
        self._drawn_s = -1.0
        self._is_first = True
        self._live: Live | None = None

    def __enter__(self) -> MarkdownStream:
        return self

    def __exit__(self, *exc: object) -> None:
        """Print what is left, the end of a text that was cut off included."""
        self._stop()
        self._print(self._rest)
        self._rest = ""

    def feed(self, text: str) -> None:
        """Add what has arrived; without what a terminal would obey."""
        self._rest += text
        if "\n" in text:
            *done, self._rest = blocks_of(self._rest)
            if done:
                self._stop()
            for block in done:
                self._print(block)
        now = self._clock()
        if now - self._drawn_s >= _PAUSE_S:
            self._drawn_s = now
            self._draw()

    def _draw(self) -> None:
        from rich.live import Live

        if self._live is None:
            # Refreshed here and by no thread: Ctrl-C then meets no half-drawn screen.
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                vertical_overflow="visible",
            )
            self._live.start()
        self._live.update(_Tail(self._rest, gap=not self._is_first), refresh=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._live = None

    def _print(self, text: str) -> None:
        if not text.strip():
            return
        lines = _lines(self._console, self._console.options, text)
        self._console.print(_Lines(lines, gap=not self._is_first))
        self._is_first = False


class _Tail:
    """The last lines of a block that is still growing, as many as there is room for."""

    def __init__(self, text: str, *, gap: bool) -> None:
        self._text = text
        self._gap = gap

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        lines = _lines(console, options, self._text)
        room = max(1, console.height - 2)
        yield _Lines(lines[-room:], gap=self._gap and len(lines) < room)


class _Lines:
    """Lines that are rendered already, with an empty one before them or not."""

    def __init__(self, lines: list[list[Any]], *, gap: bool) -> None:
        self._lines = [[], *lines] if gap else lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.segment import Segment

        for line in self._lines:
            yield from line
            yield Segment.line()


def _lines(console: Console, options: ConsoleOptions, text: str) -> list[list[Any]]:
    """Render Markdown without the empty lines Rich puts around some blocks."""
    lines = console.render_lines(rendered(text), options, pad=False)
    full = [at for at, line in enumerate(lines) if any(one.text.strip() for one in line)]
    return lines[full[0] : full[-1] + 1] if full else []
