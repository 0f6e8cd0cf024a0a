"""Turn decoded JSON into typed values, as Go's decoder would, with its messages.

Source: Go 1.26, encoding/json decode.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from . import gojson


class RequestRefused(ValueError):
    """The body does not fit the route; the message is Ollama's; the status is 400."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a body a value stands, for Go's messages."""

    struct: str
    path: str

    def refuse(self, value: Any, go_type: str) -> NoReturn:
        """Say that a value does not fit the type Ollama has here."""
        raise RequestRefused(
            f"json: cannot unmarshal {_go_kind(value, go_type)} into Go struct field "
            f"{self.struct}.{self.path} of type {go_type}"
        )

    def below(self, key: str) -> Place:
        """The place of a key of the object here."""
        return Place(self.struct, f"{self.path}.{key}")


Reader: TypeAlias = Callable[[Any, Place], Any]
"""Turns one decoded value into a typed one. Raises `ValueError` with the message to send."""

_INT64 = 2**63

Fields: TypeAlias = Mapping[str, tuple[str, Reader]]
"""Key in the body: attribute of the request, and how to read it."""


def read_body(body: bytes, struct: str, fields: Fields, *, package: str = "api") -> dict[str, Any]:
    """Read a whole body into attributes; keys that are absent or null are left out.

    Args:
        body: What the client sent.
        struct: Name of Ollama's type for it, for messages.
        fields: What to read.
        package: Where Ollama has that type.

    Raises:
        RequestRefused: it is no JSON object, or a value has the wrong type.
    """
    try:
        raw = gojson.decode(body)
    except gojson.JsonError as error:
        raise RequestRefused(str(error)) from error
    if raw is None:
        return {}
    if not gojson.is_object(raw):
        kind = _go_kind(raw, "struct")
        text = f"json: cannot unmarshal {kind} into Go value of type {package}.{struct}"
        raise RequestRefused(text)
    return read_object(raw, Place(struct, ""), fields)


def read_object(raw: Mapping[str, Any], place: Place, fields: Fields) -> dict[str, Any]:
    """Read one object into attributes, keys in any case, the first fault winning.

    Raises:
        RequestRefused: a value has the wrong type.
    """
    values: dict[str, Any] = {}
    for key, value in raw.items():
        name = key if key in fields else key.lower()
        if name not in fields or value is None:
            continue
        attribute, reader = fields[name]
        inner = place.below(name) if place.path else Place(place.struct, name)
        try:
            values[attribute] = reader(value, inner)
        except RequestRefused:
            raise
        except ValueError as error:
            raise RequestRefused(str(error)) from error
    return values


def read_text(value: Any, place: Place) -> str:
    """Read a string."""
    return value if isinstance(value, str) else place.refuse(value, "string")


def read_flag(value: Any, place: Place) -> bool:
    """Read a boolean."""
    return value if isinstance(value, bool) else place.refuse(value, "bool")


def read_integer(value: Any, place: Place) -> int:
    """Read a whole number; ``1.0`` is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        place.refuse(value, "int")
    return value


def read_float(value: Any, place: Place) -> float:
    """Read a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _fits(value):
        place.refuse(value, "float64")
    return value


def read_integers(value: Any, place: Place) -> list[int]:
    """Read a list of whole numbers."""
    return [read_integer(item, place) for item in read_list(value, place, "[]int")]


def read_map(value: Any, place: Place, go_type: str = "map[string]interface {}") -> dict[str, Any]:
    """Read an object as it is."""
    return value if gojson.is_object(value) else place.refuse(value, go_type)


def read_list(value: Any, place: Place, go_type: str) -> list[Any]:
    """Read a list as it is."""
    return value if gojson.is_list(value) else place.refuse(value, go_type)


def read_anything(value: Any, place: Place) -> Any:
    """Take any value."""
    return value


def _fits(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _go_kind(value: Any, go_type: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        # Only a number that has the wrong form for a number is printed.
        return f"number {gojson.encode(value).decode()}" if go_type == "int" else "number"
    return "array" if isinstance(value, list) else "object"
