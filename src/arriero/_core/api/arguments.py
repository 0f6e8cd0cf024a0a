"""Arguments that several endpoints share, checked and turned into what is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, cast

from arriero.errors import RequestError
from arriero.types.options import Options
from arriero.types.record import Record, to_wire

KeepAlive: TypeAlias = float | str | timedelta
"""Seconds, a Go duration such as ``"5m"``, or a `timedelta`; negative keeps a model loaded for
good, 0 unloads it after the call."""

_GO_DURATION = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|[+-]?0")

Body: TypeAlias = dict[str, Any]


def body_of(**values: Any) -> Body:
    """Give the values that are not None: an absent key lets the server decide."""
    return {name: value for name, value in values.items() if value is not None}


def required(value: object, what: str, call: str) -> str:
    """Give `value` if it is a text that is not empty.

    Raises:
        RequestError: it is not.
    """
    if not isinstance(value, str) or not value.strip():
        shown = "an empty text" if isinstance(value, str) else repr(value)
        raise RequestError(f"{call}: {what} is required, got {shown}")
    return value


def keep_alive_to_wire(value: KeepAlive | None) -> float | str | None:
    """Give what is sent for ``keep_alive``.

    Raises:
        RequestError: a text that is no Go duration, which the server would refuse.
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, str):
        if not _GO_DURATION.fullmatch(value):
            raise RequestError(
                f"keep_alive: {value!r} is no duration: write seconds as a number, a text"
                " with units such as '5m' or '1h30m', or a timedelta"
            )
        return value
    if isinstance(value, bool) or not isinstance(cast("object", value), int | float):
        raise RequestError(f"keep_alive: a number, a text or a timedelta, not {value!r}")
    if not math.isfinite(value):
        raise RequestError(f"keep_alive: {value!r} is not finite; a negative number is forever")
    return value


def options_to_wire(value: Mapping[str, Any] | Options | None) -> Body | None:
    """Give what is sent for ``options``: all of it but None, a lone `stop` text as a list.

    Raises:
        RequestError: neither a mapping nor `Options`.
    """
    if value is None:
        return None
    given: object = value
    if not isinstance(given, Mapping | Record) and not hasattr(given, "model_dump"):
        raise RequestError(f"options: a mapping or Options, not {type(value).__name__}")
    made = cast("Body", to_wire(value))
    made = {name: item for name, item in made.items() if item is not None}
    if isinstance(made.get("stop"), str):
        made["stop"] = [made["stop"]]  # the server takes a list only
    return made


def format_to_wire(value: Any) -> tuple[Any, Callable[[str], Any] | None]:
    """Give what is sent for ``format``, and what makes the object if it is a class.

    Raises:
        RequestError: neither ``"json"``, a schema nor a class.
    """
    if value is None:
        return None, None
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value), None
    from arriero.schema import format_of

    spec = format_of(value)
    return spec.wire, spec.parse


def think_to_wire(value: bool | str | None) -> bool | str | None:
    """Give what is sent for ``think``.

    Raises:
        RequestError: neither a bool nor a text. Levels are not checked: servers learn new ones.
    """
    if value is None or isinstance(value, bool | str):
        return value
    raise RequestError(
        f"think: True, False or a level such as 'low', 'medium', 'high', 'max', not {value!r}"
    )


def input_to_wire(value: object, call: str) -> str | list[str]:
    """Give what is sent for the ``input`` of an embedding call.

    Raises:
        RequestError: neither a text nor a sequence of texts; names the first that is not.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes) or not hasattr(value, "__iter__"):
        raise RequestError(
            f"{call}: input is a text or a list of texts, not {type(value).__name__}"
        )
    texts = list(cast("Any", value))
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise RequestError(f"{call}: input[{index}] is {type(text).__name__}, not a text")
    return texts
