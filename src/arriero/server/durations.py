"""`keep_alive` values and Go's duration texts.

Source: Ollama v0.33.0-rc2, api/types.go Duration; Go's time.ParseDuration.
"""

from __future__ import annotations

import json
import math
import re

FOREVER_S = math.inf
"""A `keep_alive` below zero: never unload."""

_UNIT_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,  # U+03BC, the Greek letter: Go takes both signs
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}

_PIECE = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")


class InvalidDuration(ValueError):
    """The message is the one Go or Ollama gives."""


def parse_duration(text: str) -> float:
    """Read a Go duration such as ``1h30m`` or ``-1.5s``; give seconds.

    Raises:
        InvalidDuration: with Go's own text.
    """
    sign, rest = 1.0, text
    if rest[:1] in ("-", "+"):
        sign, rest = (-1.0 if rest[0] == "-" else 1.0), rest[1:]
    if rest == "0":
        return 0.0
    total_s = 0.0
    at = 0
    while at < len(rest):
        piece = _PIECE.match(rest, at)
        if piece is None:
            raise InvalidDuration(f"time: invalid duration {_quoted(text)}")
        if not piece[2]:
            raise InvalidDuration(f"time: missing unit in duration {_quoted(text)}")
        if piece[2] not in _UNIT_S:
            raise InvalidDuration(
                f"time: unknown unit {_quoted(piece[2])} in duration {_quoted(text)}"
            )
        total_s += float(piece[1]) * _UNIT_S[piece[2]]
        at = piece.end()
    if at == 0:
        raise InvalidDuration(f"time: invalid duration {_quoted(text)}")
    return sign * total_s


def parse_keep_alive(value: object) -> float | None:
    """Read a `keep_alive` of a request; give seconds.

    Returns:
        None for null; `FOREVER_S` for anything negative.

    Raises:
        InvalidDuration: with Ollama's own text.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        raise InvalidDuration("Unsupported type: 'bool'")
    if isinstance(value, (int, float)):
        return FOREVER_S if value < 0 else float(value)
    if isinstance(value, str):
        seconds = parse_duration(value)
        return FOREVER_S if seconds < 0 else seconds
    kind = "[]interface {}" if isinstance(value, list) else "map[string]interface {}"
    raise InvalidDuration(f"Unsupported type: '{kind}'")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
