"""``NAME=VALUE`` arguments: options of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from arriero.errors import RequestError


def options_of(pairs: Sequence[str] | None) -> dict[str, Any] | None:
    """Give options by name; a name that stands twice, such as ``stop``, gives a list.

    A value is read as JSON where it is some (numbers, ``true``, lists), else as text.

    Raises:
        RequestError: a pair has no ``=``, or no name before it.
    """
    values: dict[str, list[Any]] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise RequestError(f"{pair!r}: write NAME=VALUE, such as temperature=0")
        values.setdefault(name, []).append(value_of(text))
    options = {
        name: several if len(several) > 1 else several[0] for name, several in values.items()
    }
    return options or None


def value_of(text: str) -> Any:
    """Read a value as JSON where it is some, else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
