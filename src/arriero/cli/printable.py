"""Text from outside, fit for a terminal."""

from __future__ import annotations

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
