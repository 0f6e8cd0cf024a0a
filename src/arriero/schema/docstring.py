"""Docstrings: what a function does and what its arguments mean.

Reads Google, NumPy, Sphinx and Epydoc style.
"""

from __future__ import annotations

import functools
import inspect
import re

import msgspec

_HEADING = re.compile(
    r"([ \t]*)(args|arguments|parameters|params|returns|yields|raises|attributes|examples?):\s*$",
    re.IGNORECASE,
)

_LISTS = ("Args:", "Arguments:", "Parameters:", "Params:", "Attributes:")
"""Sections in which a line without a colon is no item."""

_TYPES: dict[str, type] = {
    "int": int,
    "integer": int,
    "float": float,
    "number": float,
    "str": str,
    "string": str,
    "bool": bool,
    "boolean": bool,
}


class Argument(msgspec.Struct, frozen=True):
    """What a docstring says of one argument."""

    description: str
    type: type | None
    """Its type, if named in one plain word."""


class Docs(msgspec.Struct, frozen=True):
    """What a docstring says."""

    description: str = ""
    """All before the first section."""
    arguments: dict[str, Argument] = {}
    """By name; also the attributes of a class."""


@functools.lru_cache(maxsize=1024)
def docs_of(text: str | None) -> Docs:
    """Read a docstring; one that follows no known style is all description."""
    if not text or not text.strip():
        return Docs()
    import docstring_parser

    clean = _mended(inspect.cleandoc(text))
    try:
        parsed = docstring_parser.parse(clean)
    except docstring_parser.ParseError:
        return Docs(clean)
    arguments: dict[str, Argument] = {}
    for part in parsed.params:
        kind = _TYPES.get((part.type_name or "").partition(",")[0].strip().lower())
        description = " ".join((part.description or "").split())
        if description or kind:
            arguments[part.arg_name.strip().lstrip("*")] = Argument(description, kind)
    return Docs((parsed.description or "").strip(), arguments)


def _mended(text: str) -> str:
    """Bring sections into the form the parser insists on.

    The `ollama` package takes ``args:`` too, and its examples write it so; "None" stands
    where there are no arguments; lines that continue a description are not always indented.
    """
    made: list[str] = []
    heading: str | None = None  # indentation of the section's title and of its items
    items: str | None = None
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if found := _HEADING.match(line):
            heading, items = found[1], None
            made.append(f"{found[1]}{found[2].capitalize()}:")
            continue
        if line.strip() and heading is not None:
            if len(indent) <= len(heading):
                heading = None
            elif items is None and ":" in line:
                items = indent
            elif items is None:
                made.append("" if made[-1].lstrip() in _LISTS else line)
                continue
            elif indent == items and ":" not in line and made:
                line = f"    {line}"
        made.append(line)
    return "\n".join(made)
