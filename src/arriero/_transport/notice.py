"""Warnings that point at the user's line, however deep below it we notice."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from arriero.identity import SecurityWarning

_OURS = str(Path(__file__).parent.parent)


def warn_of(text: str) -> None:
    """Warn of `text`, as a `SecurityWarning` at the nearest line that is not ours."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, SecurityWarning, stacklevel=level)


_told: set[str] = set()


def warn_once(text: str) -> None:
    """Warn of `text` as `warn_of` does, once in the life of the process."""
    if text not in _told:
        _told.add(text)
        warn_of(text)
