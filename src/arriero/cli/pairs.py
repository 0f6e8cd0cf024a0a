"""``NAME=VALUE`` arguments: options of a model."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Any

from arriero.errors import RequestError


def options_of(pairs: Sequence[str] | None) -> dict[str, Any] | None:
    """Give options by name; a name that stands twice, such as ``stop``, gives a list.

    A value is read as JSON where it is some (numbers, ``true``, lists), else as text.

    Raises:
        RequestError: a pair has no ``=``, no name before it, or one that is a slip.
    """
    values: dict[str, list[Any]] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise RequestError(f"{pair!r}: write NAME=VALUE, such as temperature=0")
        refuse_slip(name)
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


def refuse_slip(name: str) -> None:
    """Refuse what is nearly the name of an option: a server takes no notice of it.

    Other names may be those of a newer server.

    Raises:
        RequestError: with the name that may have been meant.
    """
    from arriero.types.options import Options

    known = Options.__struct_fields__
    near = () if name in known else difflib.get_close_matches(name, known, 1, _NEARLY)
    if near:
        raise RequestError(f"there is no option {name!r}; did you mean {near[0]!r}?")


_NEARLY = 0.86
"""Above the likeness of ``num_gqa``, which servers once took, to ``num_gpu``."""
