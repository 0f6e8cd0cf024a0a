"""Text that comes bit by bit, with lines that a terminal does not break within words."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from arriero.cli.printable import printable

if TYPE_CHECKING:
    from arriero.cli.output import Output

_PIECE = re.compile(r"\n|[^\S\n]+|\S+")


class Flow:
    """Writes one text to stdout as it comes; in a pipe exactly as it is.

    Args:
        out: Where it goes.
    """

    def __init__(self, out: Output) -> None:
        self._out = out
        self._wrap = WordWrap(shutil.get_terminal_size().columns) if out.is_terminal else None
        self._ends_line = False

    def feed(self, text: str) -> None:
        """Write what has arrived; on a terminal without a word that may go on."""
        if text:
            self._ends_line = text.endswith("\n")
            self._out.piece(text if self._wrap is None else self._wrap.feed(printable(text)))

    def end(self) -> None:
        """Write what is left, and a line end if there is none."""
        rest = "" if self._wrap is None else self._wrap.end()
        self._out.piece(rest if self._ends_line else f"{rest}\n")


class WordWrap:
    """Breaks lines between words. A word waits for its end, and then goes where it fits.

    What is longer than half a line, or as wide as Chinese, which has no blanks, goes out as it
    comes: the terminal may break it anywhere.

    Args:
        columns: Width of a line.
    """

    def __init__(self, columns: int) -> None:
        self._columns = max(1, columns)
        self._column = 0
        self._blank = ""
        self._word = ""

    def feed(self, text: str) -> str:
        """Give what can be written of the text so far."""
        return "".join(self._take(piece) for piece in _PIECE.findall(text))

    def end(self) -> str:
        """Give what is left."""
        return self._release()

    def _take(self, piece: str) -> str:
        if not piece.isspace():
            self._word += piece
            return self._release() if self._is_long() else ""
        done = self._release()
        if piece == "\n":
            self._column, self._blank = 0, ""
            return f"{done}\n"
        self._blank += piece
        return done

    def _is_long(self) -> bool:
        return len(self._word) * 2 > self._columns or _width(self._word) > len(self._word)

    def _release(self) -> str:
        word, blank = self._word, self._blank
        if not word:
            return ""
        self._word, self._blank = "", ""
        width = _width(blank) + _width(word)
        if self._column and blank and self._column + width > self._columns:
            self._column = _width(word) % self._columns
            return f"\n{word}"
        self._column += width
        if self._column > self._columns:
            self._column %= self._columns
        return blank + word


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
