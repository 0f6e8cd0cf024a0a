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
    title = ""  # of a list whose first item has not come yet
    around: str | None = None  # indentation of the list's title and of its items
    items: str | None = None
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if found := _HEADING.match(line):
            title = f"{found[1]}{found[2].capitalize()}:"
            around, items = found[1], None
            if title.strip() not in _LISTS:
                made.append(title)
                around = None
        elif around is None or not line.strip():
            made.append(line)
        elif len(indent) <= len(around):
            around = None
            made.append(line)
        elif items is None:
            if ":" in line:
                items = indent
                made += [title, line]
        else:
            made.append(f"    {line}" if indent == items and ":" not in line else line)
    return "\n".join(made)
