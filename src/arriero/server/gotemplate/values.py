"""Values as a template sees them.

Plain Python values stand for Go's: None for a nil interface, bool, int, float64, str, list for
``[]interface {}``, dict for ``map[string]interface {}``. The classes here stand for what
Python lacks: structs, typed lists and maps, bytes, and the value that is not there at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias, TypeGuard, runtime_checkable


class _Absent(Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""No value, not even nil: reflect's invalid value."""

Absent: TypeAlias = Literal[_Absent.ABSENT]


class Byte(int):
    """One byte of a text (``uint8``)."""


@runtime_checkable
class Printing(Protocol):
    """A value that says itself how it is printed: Go's `fmt.Stringer`."""

    def go_text(self) -> str:
        """Give the text `String()` gives."""
        ...


@runtime_checkable
class TypeScripted(Protocol):
    """A value that knows its type in TypeScript: a property of a tool."""

    def type_script_type(self) -> str:
        """Name the type."""
        ...


class TypedList(list[object]):
    """A slice whose elements have a type of their own; nil when made from None.

    Attributes:
        go_type: What ``%T`` prints.
        single_is_bare: Whether JSON shows one element without brackets.
    """

    go_type = "[]interface {}"
    single_is_bare = False

    def __init__(self, items: Iterable[object] | None = None) -> None:
        super().__init__(() if items is None else items)
        self.is_nil = items is None


class TypedMap(dict[str, object]):
    """A map whose values have a type of their own; nil when made from None.

    Attributes:
        go_type: What ``%T`` prints.
        keeps_order: Whether JSON shows the keys in their order instead of sorted.
    """

    go_type = "map[string]interface {}"
    keeps_order = False

    def __init__(self, items: Mapping[str, object] | None = None) -> None:
        super().__init__({} if items is None else items)
        self.is_nil = items is None

    def missing(self) -> object:
        """Give the value of a key that is not there."""
        return None


class Struct:
    """A struct: its fields by their Go names, in order.

    Attributes:
        go_type: What ``%T`` prints.
        json_names: JSON name of each field, and whether it is left out when empty; a field
            that is not here keeps its Go name.
    """

    go_type = "struct {}"
    json_names: Mapping[str, tuple[str, bool]] = {}

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.fields = fields


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Whether a value is a slice."""
    return isinstance(value, (list, tuple))


def is_map(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether a value is a map."""
    return isinstance(value, Mapping)


def holds_anything(value: Mapping[str, object]) -> bool:
    """Whether the values of a map have no type of their own."""
    return not isinstance(value, TypedMap) or value.missing() is None


def type_name(value: object) -> str:
    """Give the name Go prints for the type of a value."""
    match value:
        case None:
            return "interface {}"
        case bool():
            return "bool"
        case Byte():
            return "uint8"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case TypedList() | TypedMap() | Struct():
            return value.go_type
        case _ if is_list(value):
            return "[]interface {}"
        case _ if is_map(value):
            return "map[string]interface {}"
        case _:
            return "<nil>" if value is ABSENT else type(value).__name__


def is_true(value: object) -> bool:
    """Whether a value is not the zero of its type; structs always are."""
    if value is None or value is ABSENT:
        return False
    if isinstance(value, Struct):
        return True
    if isinstance(value, (bool, int, float, str)) or is_list(value) or is_map(value):
        return bool(value)
    return True


def is_nil(value: object) -> bool:
    """Whether a value is nil, of whatever type."""
    if value is None or value is ABSENT:
        return True
    return isinstance(value, (TypedList, TypedMap)) and value.is_nil


def go_value(value: object) -> object:
    """Turn decoded JSON into what Go would have decoded: every number is a float64.

    Raises:
        RecursionError: lists and objects lie too deep in each other.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    if isinstance(value, str) or value is None:
        return value
    if is_map(value):
        return {str(key): go_value(item) for key, item in value.items()}
    if is_list(value):
        return [go_value(item) for item in value]
    return value
