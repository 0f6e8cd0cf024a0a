"""Write values as Go's `json.Marshal` does: sorted keys, structs in order, HTML escaped.

Source: Go 1.26, encoding/json encode.go; the names of fields are Ollama's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from .gotext import whole_text
from .values import ABSENT, Struct, TypedList, TypedMap, is_list, is_map, is_nil

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_SPECIAL = re.compile('["\\\\\x00-\x1f<>&\u2028\u2029]')
_EXPONENT = re.compile(r"e([+-])0?(\d)$")


class Unmarshalable(ValueError):
    """JSON has no notation for the value."""


def marshal(value: object) -> str:
    """Write a value as JSON; "" if that is impossible, as Ollama ignores the error."""
    pieces: list[str] = []
    try:
        _write(value, pieces)
    except Unmarshalable:
        return ""
    return "".join(pieces)


def json_string(text: str) -> str:
    """Write a JSON string."""
    return f'"{_SPECIAL.sub(_escaped, whole_text(text))}"'


def _escaped(found: re.Match[str]) -> str:
    sign = found[0]
    return _ESCAPES.get(sign) or f"\\u{ord(sign):04x}"


def _write(value: object, pieces: list[str]) -> None:
    if is_nil(value):
        pieces.append("null")
    elif isinstance(value, str):
        pieces.append(json_string(value))
    elif isinstance(value, bool):
        pieces.append("true" if value else "false")
    elif isinstance(value, float):
        pieces.append(json_float(value))
    elif isinstance(value, int):
        pieces.append(str(int(value)))
    elif isinstance(value, Struct):
        _write_struct(value, pieces)
    elif is_map(value):
        ordered = isinstance(value, TypedMap) and value.keeps_order
        keys = value if ordered else sorted(value)
        _write_object([(key, value[key]) for key in keys], pieces)
    elif is_list(value):
        _write_list(value, pieces)
    else:
        raise Unmarshalable(f"json: unsupported type: {type(value).__name__}")


def _write_list(value: Sequence[object], pieces: list[str]) -> None:
    bare = isinstance(value, TypedList) and value.single_is_bare and len(value) == 1
    pieces.append("" if bare else "[")
    for index, item in enumerate(value):
        pieces.append("," if index else "")
        _write(item, pieces)
    pieces.append("" if bare else "]")


def _write_struct(value: Struct, pieces: list[str]) -> None:
    members: list[tuple[str, object]] = []
    for name, item in value.fields.items():
        key, omits_empty = value.json_names.get(name, (name, False))
        if not (omits_empty and _is_empty(item)):
            members.append((key, item))
    _write_object(members, pieces)


def _write_object(members: list[tuple[str, object]], pieces: list[str]) -> None:
    pieces.append("{")
    for index, (key, item) in enumerate(members):
        pieces.append("," if index else "")
        pieces.append(json_string(key))
        pieces.append(":")
        _write(item, pieces)
    pieces.append("}")


def _is_empty(value: object) -> bool:
    """Whether ``omitempty`` leaves a value out."""
    if isinstance(value, (str, bool, int, float)) or is_list(value) or is_map(value):
        return not value
    return value is None or value is ABSENT


def json_float(value: float) -> str:
    """Write a number as Go does: plain unless very small or very large.

    Raises:
        Unmarshalable: it is infinite or not a number.
    """
    if not math.isfinite(value):
        raise Unmarshalable(f"json: unsupported value: {value}")
    size = abs(value)
    if size and (size < 1e-6 or size >= 1e21):
        mantissa, _, exponent = repr(value).partition("e")
        if exponent:
            return _EXPONENT.sub(r"e\1\2", f"{mantissa.removesuffix('.0')}e{exponent}")
    return f"{Decimal(repr(value)):f}".removesuffix(".0")
