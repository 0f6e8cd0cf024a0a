"""Numbers and characters as templates write them.

Source: Go 1.26, strconv and text/template/parse/node.go newNumber.
"""

from __future__ import annotations

import re

from .gotext import quote, unquote

_INTEGER = re.compile(
    r"([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]?((?:_?[0-7])+)"
    r"|(0|[1-9](?:_?[0-9])*))"
)
_BASES = (16, 2, 8, 10)
_RUN = "[0-9](?:_?[0-9])*"
_DECIMAL = re.compile(rf"[+-]?(?:{_RUN}\.?(?:{_RUN})?|\.{_RUN})(?:[eE][+-]?{_RUN})?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_MIN, _MAX = -(2**63), 2**63 - 1


def read_number(text: str) -> int | float | str:
    """Read a number; the answer is a text if Go refuses it, saying why."""
    found = _INTEGER.fullmatch(text)
    if found is not None:
        digits = zip(found.groups()[1:], _BASES, strict=True)
        part, base = next((part, base) for part, base in digits if part is not None)
        whole = int(found[1] + part.replace("_", ""), base)
        return whole if _MIN <= whole <= _MAX else f"integer overflow: {quote(text)}"
    if text.endswith("i"):
        return f"complex numbers are not supported: {quote(text)}"
    try:
        value = float(text) if _DECIMAL.fullmatch(text) else _hex_float(text)
    except (ValueError, OverflowError):
        return f"illegal number syntax: {quote(text)}"
    if value in (float("inf"), float("-inf")):
        return f"illegal number syntax: {quote(text)}"
    if not any(sign in text for sign in ".eEpP"):
        return f"integer overflow: {quote(text)}"
    return value


def _hex_float(text: str) -> float:
    if not _HEX_FLOAT.fullmatch(text):
        raise ValueError(text)
    return float.fromhex(text)


def read_character(literal: str) -> int | str:
    """Read a character constant, or say what is wrong with it."""
    text = unquote(literal)
    if not text:
        return "invalid syntax"
    if len(text) != 1:
        return f"malformed character constant: {literal}"
    code = ord(text)
    # A byte written as an escape counts as its own number.
    return code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
