"""From what TOML or the environment holds to what a setting takes, by its annotation."""

from __future__ import annotations

import dataclasses
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from arriero.errors import ArrieroError, RequestError

_NAMES: dict[str, Any] = {
    "Callable": Callable,
    "Mapping": Mapping,
    "Sequence": Sequence,
    "ArrieroError": ArrieroError,
    "TracerProvider": object,
    "MeterProvider": object,
}
"""What annotations name that their module imports for type checkers only."""


class Unfit(ValueError):
    """A value is not of the type a setting takes; the text says which is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a class of settings takes."""

    name: str
    hint: Any
    is_secret: bool
    """True for a text that its class keeps out of its repr, and for bytes."""
    default: object = None
    """What it is if nobody sets it; of no use if somebody has to."""
    is_hidden: bool = False
    """True if its class keeps it out of its repr."""


def settings_in(kind: type) -> tuple[Setting, ...]:
    """Give what a class takes: a dataclass's fields, or the arguments of another."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, localns=_NAMES)
        return tuple(
            Setting(
                one.name,
                hints[one.name],
                not one.repr and str in parts_of(hints[one.name]),
                _default_of(one),
                not one.repr,
            )
            for one in dataclasses.fields(kind)
        )
    made = cast("Callable[..., None]", getattr(cast("object", kind), "__init__"))  # noqa: B009  # of any class
    hints = typing.get_type_hints(made, localns=_NAMES)
    return tuple(
        Setting(name, hints[name], bytes in parts_of(hints[name]), one.default)
        for name, one in inspect.signature(made).parameters.items()
        if name != "self"
    )


def _default_of(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def is_settable(hint: Any) -> bool:
    """Tell whether a file can hold a value of this type."""
    return any(_is_plain(part) for part in parts_of(hint))


def _is_plain(part: Any) -> bool:
    origin = typing.get_origin(part)
    if origin in (Literal, Mapping, Sequence, dict, list, tuple):
        return True
    plain = part in (bool, int, float, str) or _is_path(part)
    return plain or dataclasses.is_dataclass(part)


def parts_of(hint: Any) -> tuple[Any, ...]:
    """Give the members of a union, or the type itself."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(part for member in typing.get_args(hint) for part in parts_of(member))
    return (hint,)


def _is_path(part: Any) -> bool:
    return (typing.get_origin(part) or part) is os.PathLike


def shown(hint: Any) -> str:
    """Give a type in words, as an error shows it."""
    words = [word for part in parts_of(hint) if (word := _word(part))]
    return " or ".join(dict.fromkeys(words))


def _word(part: Any) -> str:
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if part is types.NoneType:
        return '"none"'
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    if origin is Mapping:
        return "a table"
    if origin in (Sequence, list, tuple):
        return "a list"
    if _is_path(part):
        return "a path"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return words.get(part, "a table" if dataclasses.is_dataclass(part) else "")


def converted(value: object, hint: Any, folder: str) -> Any:
    """Give `value` as a setting of type `hint` takes it.

    Args:
        value: From TOML.
        hint: The annotation.
        folder: What relative paths are relative to.

    Raises:
        Unfit: it is of another type.
    """
    parts = parts_of(hint)
    if value == "none" and types.NoneType in parts:
        return None
    for part in parts:
        found, made = _as(value, part, folder)
        if found:
            if isinstance(made, str) and any(map(_is_path, parts)):
                return os.path.join(folder, os.path.expanduser(made))
            return made
    raise Unfit(f"takes {shown(hint)}, not {_told(value)}")


def _as(value: object, part: Any, folder: str) -> tuple[bool, Any]:
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if origin is Literal:
        return value in arguments, value
    if part is bool:
        return isinstance(value, bool), value
    if part in (int, float):
        is_number = isinstance(value, int | part) and not isinstance(value, bool)
        return is_number, value
    if part is str:
        return isinstance(value, str), value
    if origin in (Sequence, list, tuple) and isinstance(value, list):
        items = cast("list[object]", value)
        return True, tuple(converted(item, arguments[0], folder) for item in items)
    if origin is Mapping and isinstance(value, Mapping):
        table = cast("Mapping[str, object]", value)
        return True, {key: converted(item, arguments[1], folder) for key, item in table.items()}
    return False, None


def _told(value: object) -> str:
    """Name what was found; its text may be a secret at the wrong place, so not that."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}"
    kinds: dict[type, str] = {str: "a text", list: "a list", dict: "a table"}
    return kinds.get(type(value), type(value).__name__)


def from_text(text: str, hint: Any) -> object:
    """Read the text of an environment variable as TOML would hold it."""
    for part in parts_of(hint):
        read = _reader(part)
        if read is None:
            continue
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _reader(part: Any) -> Callable[[str], object] | None:
    if part is bool:
        return _bool
    if part in (int, float):
        return cast("Callable[[str], object]", part)
    if typing.get_origin(part) in (Sequence, list, tuple):
        return lambda text: list(_items(text))
    if typing.get_origin(part) is Mapping:
        number = typing.get_args(part)[1] is int
        return lambda text: dict(_pairs(text, number=number))
    return None


def _bool(text: str) -> bool:
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise ValueError(text)
    return values[text.lower()]


def _items(text: str) -> Iterator[str]:
    return (item.strip() for item in text.split(",") if item.strip())


def _pairs(text: str, *, number: bool) -> Iterator[tuple[str, object]]:
    for item in _items(text):
        key, equals, value = item.partition("=")
        if not equals:
            raise ValueError(item)
        yield key.strip(), int(value) if number else value.strip()


def nearest(name: str, known: typing.Iterable[str], cutoff: float = 0.6) -> str:
    """Give a hint at the known name that is nearest; empty if none is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def secret_from(variable: str | None, path: str | None, environ: Mapping[str, str]) -> str:
    """Read a secret from where a setting says it is.

    Raises:
        RequestError: it is not there.
    """
    if variable is not None:
        value = environ.get(variable, "")
        if not value:
            raise RequestError(f"the environment variable {variable} is not set")
        return value
    assert path is not None
    try:
        with open(path, encoding="utf-8") as file:
            value = file.read().strip()
    except OSError as cause:
        raise RequestError(f"{path!r} cannot be read: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        raise RequestError(f"{path!r} cannot be read: it is not UTF-8") from cause
    if not value:
        raise RequestError(f"{path!r} is empty")
    return value
