"""Data the tables of this folder are rendered over."""

from __future__ import annotations

VALUES: dict[str, object] = {
    "s": "héllo <b>&'\"",
    "e": "",
    "n": 5.0,
    "f": 1.5,
    "big": 12345678.0,
    "t": True,
    "b": False,
    "nil": None,
    "l": ["a", "b", 3.0, None, True, [1.0, 2.0]],
    "el": [],
    "m": {"z": 1.0, "a": "x", "n": None, "inner": {"k": "v"}},
    "em": {},
    "nest": {"l": [{"name": "A"}, {"name": "B"}]},
}
"""What a JSON document gives: every number is a float64."""
