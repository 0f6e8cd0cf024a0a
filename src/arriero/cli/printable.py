"""Text fit for a terminal: without what it would obey, broken between words."""

from __future__ import annotations

import re
import shutil
import sys

_WORD = re.compile(r"(\s*)(\S+)")
_CONTROLS = {code: "?" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_CONTROLS[ord("\r")] = ""


def printable(text: str) -> str:
    """Take out what a terminal would obey: control characters, escape codes with them.

    Line ends and tabs stay. A model, a server or a file name must not be able to move the
    cursor, change the title or write to the clipboard.
    """
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """Give `text` on one line, without what a terminal would obey."""
    return printable(" ".join(text.split()))


def complain(text: str) -> None:
    """Write an error or a warning to stderr: on a terminal broken between words, else one line."""
    line = f"arriero: {one_line(text)}"
    if sys.stderr.isatty():
        line = wrapped(line, shutil.get_terminal_size().columns)
    print(line, file=sys.stderr)


def wrapped(line: str, columns: int) -> str:
    """Break a line between words; what follows is indented a little more, if there is room.

    A word that is wider than a line, such as a path, goes onto a line of its own, and the terminal
    breaks it: so it can be copied.
    """
    from rich.cells import cell_len

    lead = line[: len(line) - len(line.lstrip())]
    hang = f"{lead}    " if columns >= len(lead) + 30 else ""
    rows: list[str] = []
    row = lead
    for blank, word in _WORD.findall(line[len(lead) :]):
        if row.strip() and cell_len(row) + len(blank) + cell_len(word) > columns:
            rows.append(row)
            row = f"{hang}{word}"
        else:
            row += f"{blank}{word}"
    return "\n".join([*rows, row])
