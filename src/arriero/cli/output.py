"""What a command shows: for people, for programs, or as little as possible.

Results go to stdout; progress and remarks go to stderr, so that a pipe holds results only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from arriero.cli.printable import complain, one_line, printable, wrapped

if TYPE_CHECKING:
    from rich.console import Console


class Output:
    """Where a command puts its results and its remarks.

    Args:
        as_json: Results are JSON: one document, or a line for each record as it comes.
        quiet: Nothing but the result: no progress, no remarks, of lists only the names.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet

    @cached_property
    def console(self) -> Console:
        """Stdout as Rich sees it: colours only on a terminal that wants them."""
        from rich.console import Console

        return Console(highlight=False, markup=False, emoji=False)

    @cached_property
    def errors(self) -> Console:
        """The same for stderr."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, markup=False, emoji=False)

    @property
    def is_terminal(self) -> bool:
        """True if somebody looks at stdout."""
        return sys.stdout.isatty()

    def document(self, value: Mapping[str, Any]) -> None:
        """Write the one result of a command as JSON, indented where somebody looks."""
        self._write(_json(value, indent=2 if self.is_terminal else None))

    def line(self, value: Mapping[str, Any]) -> None:
        """Write one of several records as a line of JSON, at once."""
        self._write(_json(value))

    def text(self, text: str) -> None:
        """Write a result as it is; on a terminal without what it would obey."""
        self._write(printable(text) if self.is_terminal else text)

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines of words; on a terminal broken between words, never within."""
        for line in lines:
            self.text(wrapped(line, self.console.width) if self.is_terminal else line)

    def piece(self, text: str) -> None:
        """Write a piece of a result that comes bit by bit."""
        sys.stdout.write(printable(text) if self.is_terminal else text)
        sys.stdout.flush()

    def aside(self, text: str) -> None:
        """Write a piece of what is no result, such as reasoning, to stderr."""
        from rich.text import Text

        self.errors.print(Text(printable(text), "dim"), end="", soft_wrap=True)

    def remark(self, text: str) -> None:
        """Tell people something that is no result, unless they want quiet or JSON."""
        if not self.quiet and not self.as_json:
            self.errors.print(printable(text), soft_wrap=not self.errors.is_terminal)

    def warning(self, text: str) -> None:
        """Tell something on stderr that nobody should miss, not even who wants quiet or JSON."""
        if self.as_json:
            print(json.dumps({"warning": one_line(text)}), file=sys.stderr)
        else:
            complain(f"warning: {text}")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows under a head: fitted to a terminal, or whole in a pipe."""
        clean = [[printable(cell) for cell in row] for row in rows]
        if self.is_terminal:
            self._rich_table(head, clean)
        else:
            self._write("\n".join(_columns([list(head), *clean])))

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write names and what they mean; on a terminal the meanings wrap in their column."""
        if not self.is_terminal:
            self._write("\n".join(_columns(rows)))
            return
        from rich.table import Table

        grid = Table.grid(padding=(0, 2, 0, 0))
        for name, meaning in rows:
            grid.add_row(printable(name), printable(meaning))
        self.console.print(grid)

    def _rich_table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write what fits: columns are left out from the right before one would be cut."""
        from rich.table import Table

        widths = _widths([head, *rows])
        while len(widths) > 1 and sum(widths) + 2 * len(widths) - 2 > self.console.width:
            widths.pop()
        head, rows = head[: len(widths)], [row[: len(widths)] for row in rows]

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column(head[0], no_wrap=True, overflow="fold")  # a name is for copying
        for name in head[1:]:
            table.add_column(name)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def _write(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _json(value: object, indent: int | None = None) -> str:
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, indent=indent, ensure_ascii=not is_utf8)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Give the width of each column, in cells of a terminal."""
    from rich.cells import cell_len

    return [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    from rich.cells import cell_len

    widths = _widths(rows)
    return [
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
