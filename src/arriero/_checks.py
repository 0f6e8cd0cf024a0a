"""What settings and arguments are refused for, in words that say what to write."""

from __future__ import annotations

import dataclasses
from typing import Any

from arriero.errors import RequestError


def check_kind(name: str, value: object, kind: type | tuple[type, ...], instead: str) -> None:
    """Refuse `value` unless it is None or of a kind.

    Raises:
        RequestError: with what to write, `instead`; the value may be secret and is not shown.
    """
    if value is not None and not isinstance(value, kind):
        raise RequestError(f"{name}: {instead}, or None, not {type(value).__name__}")


def check_function(name: str, value: object) -> None:
    """Refuse `value` unless it is None or can be called.

    Raises:
        RequestError: it cannot.
    """
    if value is not None and not callable(value):
        raise RequestError(f"{name} takes a function, not {type(value).__name__}")


def check_count(settings: Any, name: str, *, least: int) -> None:
    """Refuse a field that is no whole number from `least` on, unless it takes None and is it.

    Raises:
        RequestError: it is not.
    """
    value: Any = getattr(settings, name)
    if value is None and _takes_none(settings, name):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        kind = type(settings).__name__
        raise RequestError(f"{kind}.{name} takes a whole number from {least} on, not {value!r}")


def check_number(settings: Any, name: str, *, above_zero: bool = False) -> None:
    """Refuse a field that is no number above 0, or from 0 on, unless it takes None and is it.

    Raises:
        RequestError: it is not.
    """
    value: Any = getattr(settings, name)
    if value is None and _takes_none(settings, name):
        return
    if not _is_number(value, above_zero=above_zero):
        kind, least = type(settings).__name__, "above 0" if above_zero else "from 0 on"
        raise RequestError(f"{kind}.{name} takes a number {least}, not {value!r}")


def _takes_none(settings: Any, name: str) -> bool:
    (kind,) = (str(field.type) for field in dataclasses.fields(settings) if field.name == name)
    return kind.endswith("None") or kind == "Seconds"


def _is_number(value: object, *, above_zero: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value > 0 if above_zero else value >= 0
