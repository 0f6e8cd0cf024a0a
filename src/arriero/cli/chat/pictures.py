"""Pictures named in a question: their paths are taken out of the text and sent along."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_PATH = re.compile(
    r"""(?P<quote>["'])(?P<quoted>[^"'\n]+?\.(?:png|jpe?g|webp|gif|bmp))(?P=quote)"""
    r"""|(?<!\S)(?P<bare>(?:\\.|[^\s\\"'])+?\.(?:png|jpe?g|webp|gif|bmp))(?=[\s,;:!?]|\.?\s|\.?$)""",
    re.IGNORECASE,
)
"""A path in quotes, or one whose blanks are written ``\\ ``, as terminals drop files."""


def pictures_in(text: str, exists: Callable[[Path], bool] = Path.is_file) -> tuple[str, list[Path]]:
    """Give the text without the paths of pictures there are, and those paths.

    A path of a file that is not there stays in the text: it may be what the talk is about.
    """
    found: list[Path] = []

    def take(match: re.Match[str]) -> str:
        written = match["quoted"] or re.sub(r"\\(.)", r"\1", match["bare"])
        path = Path(written).expanduser()
        if not exists(path):
            return match[0]
        found.append(path)
        return ""

    rest = _PATH.sub(take, text)
    return (re.sub(r"[ \t]{2,}", " ", rest).strip(), found) if found else (text, found)
