"""What a command is given besides words: stdin and files."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from arriero.errors import RequestError


def piped_text() -> str | None:
    """Give what is piped into the command; None if nothing is.

    Only pipes, files and sockets are read: a terminal has a person before it who would have
    to guess, and a service manager's stdin is ``/dev/null``.

    Raises:
        RequestError: it is not UTF-8.
    """
    if not is_piped():
        return None
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as cause:
        raise RequestError(f"stdin: not UTF-8: {cause}") from cause


def lines_of(file: Iterable[bytes], name: str) -> Iterator[str]:
    """Give the lines of a binary file that have something on them, without their ends.

    Raises:
        RequestError: one is not UTF-8.
    """
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as cause:
            raise RequestError(f"{name}, line {number}: not UTF-8: {cause}") from cause
        if text.strip():
            yield text


def is_piped() -> bool:
    """Tell whether stdin is something to read to its end."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # none, closed, or an object of a test
        return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def text_of(path: Path) -> str:
    """Read a text file.

    Raises:
        RequestError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as cause:
        raise RequestError(f"{path}: not UTF-8: {cause}") from cause
    except OSError as cause:
        raise RequestError(f"{path}: cannot be read: {cause.strerror or cause}") from cause


def schema_of(path: Path) -> dict[str, Any]:
    """Read a JSON Schema.

    Raises:
        RequestError: the file cannot be read, is no JSON, or no object.
    """
    try:
        schema: object = json.loads(text_of(path))
    except ValueError as cause:
        if isinstance(cause, RequestError):
            raise
        raise RequestError(f"{path}: not JSON: {cause}") from cause
    if not isinstance(schema, dict):
        raise RequestError(f"{path}: a JSON Schema is an object, such as {{'type': 'object'}}")
    return schema  # pyright: ignore[reportUnknownVariableType]  # JSON's keys are texts
