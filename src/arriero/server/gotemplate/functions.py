"""The functions a template may call: Go's own and Ollama's.

Source: Go 1.26, text/template/funcs.go; Ollama v0.33.0-rc2, template/template.go funcs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias
from urllib.parse import quote_plus

from .formatting import sprint, sprintln
from .gotext import byte_length, bytes_of, text_of
from .marshal import marshal
from .printf import sprintf
from .values import (
    ABSENT,
    Byte,
    Struct,
    TypedMap,
    TypeScripted,
    is_list,
    is_map,
    is_nil,
    is_true,
    type_name,
)


class Failed(Exception):
    """A function cannot do what is asked; the message is Go's."""


@dataclass(frozen=True, slots=True)
class Context:
    """What functions need besides their arguments.

    Attributes:
        today: Gives the current date.
        max_chars: The most a text they make may come to.
    """

    today: Callable[[], date]
    max_chars: int


Args: TypeAlias = Sequence[object]
Body: TypeAlias = Callable[[Context, Args], object]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function.

    Attributes:
        body: What it does.
        least: How many arguments it needs.
        most: How many it takes; None for any number.
        texts: Which arguments must be texts: none, the first, or all.
    """

    body: Body
    least: int
    most: int | None
    texts: Literal["none", "first", "all"] = "none"


def _not(context: Context, args: Args) -> bool:
    return not is_true(args[0])


def _length(context: Context, args: Args) -> int:
    value = args[0]
    if value is None:
        raise Failed("len of nil pointer")
    if isinstance(value, str):
        return byte_length(value)
    if is_list(value) or is_map(value):
        return len(value)
    if value is ABSENT:
        raise Failed("reflect: call of reflect.Value.Type on zero Value")
    raise Failed(f"len of type {type_name(value)}")


def _position(value: object, limit: int) -> int:
    if value is None or value is ABSENT:
        raise Failed("cannot index slice/array with nil")
    if isinstance(value, bool) or not isinstance(value, int):
        raise Failed(f"cannot index slice/array with type {type_name(value)}")
    if not 0 <= value <= limit:
        raise Failed(f"index out of range: {int(value)}")
    return int(value)


def _index(context: Context, args: Args) -> object:
    item = args[0]
    if item is None or item is ABSENT:
        raise Failed("index of untyped nil")
    for key in args[1:]:
        if item is None or item is ABSENT:
            raise Failed("index of nil pointer")
        item = _item(item, key)
    return item


def _item(item: object, key: object) -> object:
    if isinstance(item, str):
        data = bytes_of(item)
        at = _position(key, len(data))
        if at == len(data):
            raise Failed("reflect: string index out of range")
        return Byte(data[at])
    if is_list(item):
        at = _position(key, len(item))
        if at == len(item):
            raise Failed("reflect: slice index out of range")
        return item[at]
    if is_map(item):
        if key is None or key is ABSENT:
            raise Failed("value is nil; should be of type string")
        if not isinstance(key, str):
            raise Failed(f"value has type {type_name(key)}; should be string")
        return item.get(key, missing_value(item))
    raise Failed(f"can't index item of type {type_name(item)}")


def missing_value(item: Mapping[str, object]) -> object:
    """Give what a map holds for a key it does not have: the zero of its values' type."""
    return item.missing() if isinstance(item, TypedMap) else None


def _slice(context: Context, args: Args) -> object:
    item, bounds = args[0], args[1:]
    if item is None or item is ABSENT:
        raise Failed("slice of untyped nil")
    if len(bounds) > 3:
        raise Failed(f"too many slice indexes: {len(bounds)}")
    if isinstance(item, str):
        if len(bounds) == 3:
            raise Failed("cannot 3-index slice a string")
        data = bytes_of(item)
        start, end = _bounds(bounds, len(data))
        return text_of(data[start:end])
    if not is_list(item):
        raise Failed(f"can't slice item of type {type_name(item)}")
    start, end = _bounds(bounds, len(item))
    return list(item[start:end])


def _bounds(bounds: Args, length: int) -> tuple[int, int]:
    found = [_position(bound, length) for bound in bounds]
    start = found[0] if found else 0
    end = found[1] if len(found) > 1 else length
    if start > end:
        raise Failed(f"invalid slice index: {start} > {end}")
    if len(found) == 3 and end > found[2]:
        raise Failed(f"invalid slice index: {end} > {found[2]}")
    return start, end


_BAD_KIND = "invalid type for comparison"
_UNLIKE = "incompatible types for comparison"


def _kind(value: object) -> str:
    """Kind of a value that can be compared by size or content, or ""."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "string" if isinstance(value, str) else ""


def _equal_pair(left: object, right: object) -> bool:
    kind = _kind(left)
    if kind != _kind(right):
        if left in (None, ABSENT) or right in (None, ABSENT):
            return False
        raise Failed(_UNLIKE)
    if kind:
        return left == right
    if is_nil(left) or is_nil(right):
        return is_nil(left) == is_nil(right)
    if isinstance(left, Struct) and left.go_type.startswith("*"):
        return left is right
    raise Failed(f"non-comparable type {sprintf('%s', [right], 1_000_000)}: {type_name(right)}")


def _equal(context: Context, args: Args) -> bool:
    if len(args) < 2:
        raise Failed("missing argument for comparison")
    # The first that is equal ends the comparison, as the rest may not be comparable.
    return any(_equal_pair(args[0], other) for other in args[1:])


def _not_equal(context: Context, args: Args) -> bool:
    return not _equal_pair(args[0], args[1])


def _less_pair(left: object, right: object) -> bool:
    if not _kind(left) or not _kind(right):
        raise Failed(_BAD_KIND)
    if isinstance(left, str) and isinstance(right, str):
        return bytes_of(left) < bytes_of(right)
    if _kind(left) != _kind(right):
        raise Failed(_UNLIKE)
    if isinstance(left, bool) or not isinstance(left, (int, float)):
        raise Failed(_BAD_KIND)
    assert isinstance(right, (int, float))
    return left < right


def _less(context: Context, args: Args) -> bool:
    return _less_pair(args[0], args[1])


def _at_most(context: Context, args: Args) -> bool:
    return _less_pair(args[0], args[1]) or _equal_pair(args[0], args[1])


def _greater(context: Context, args: Args) -> bool:
    return not _at_most(context, args)


def _at_least(context: Context, args: Args) -> bool:
    return not _less(context, args)


def _print(context: Context, args: Args) -> str:
    return sprint(args, context.max_chars)


def _println(context: Context, args: Args) -> str:
    return sprintln(args, context.max_chars)


def _printf(context: Context, args: Args) -> str:
    return sprintf(str(args[0]), args[1:], context.max_chars)


def _printed(context: Context, args: Args) -> str:
    shown = ["<no value>" if value is None or value is ABSENT else value for value in args]
    return sprint(shown, context.max_chars)


_HTML = str.maketrans(
    {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_JS: dict[str, str] = {"\\": "\\\\", "'": "\\'", '"': '\\"'} | {
    sign: f"\\u{ord(sign):04X}" for sign in [*map(chr, range(32)), *"<>&="]
}


def _html(context: Context, args: Args) -> str:
    return _printed(context, args).translate(_HTML)


def _js(context: Context, args: Args) -> str:
    return "".join(map(_js_sign, _printed(context, args)))


def _js_sign(sign: str) -> str:
    if sign in _JS:
        return _JS[sign]
    if sign < "\x80" or sign.isprintable():
        return sign
    return f"\\u{ord(sign):04X}"


def _urlquery(context: Context, args: Args) -> str:
    return quote_plus(bytes_of(_printed(context, args)), safe="~")


def _call(context: Context, args: Args) -> object:
    if args[0] is None or args[0] is ABSENT:
        raise Failed("call of nil")
    raise Failed(f"non-function of type {type_name(args[0])}")


def _json(context: Context, args: Args) -> str:
    return marshal(args[0])


def _current_date(context: Context, args: Args) -> str:
    return context.today().isoformat()


def _yesterday_date(context: Context, args: Args) -> str:
    return (context.today() - timedelta(days=1)).isoformat()


def _type_script_type(context: Context, args: Args) -> str:
    value = args[0]
    return value.type_script_type() if isinstance(value, TypeScripted) else "any"


LAZY = frozenset(("and", "or"))
"""These stop at the argument that decides; the interpreter evaluates them itself."""

FUNCTIONS: Mapping[str, Builtin] = {
    "and": Builtin(_not, 1, None),
    "or": Builtin(_not, 1, None),
    "not": Builtin(_not, 1, 1),
    "len": Builtin(_length, 1, 1),
    "index": Builtin(_index, 1, None),
    "slice": Builtin(_slice, 1, None),
    "eq": Builtin(_equal, 1, None),
    "ne": Builtin(_not_equal, 2, 2),
    "lt": Builtin(_less, 2, 2),
    "le": Builtin(_at_most, 2, 2),
    "gt": Builtin(_greater, 2, 2),
    "ge": Builtin(_at_least, 2, 2),
    "print": Builtin(_print, 0, None),
    "println": Builtin(_println, 0, None),
    "printf": Builtin(_printf, 1, None, "first"),
    "html": Builtin(_html, 0, None),
    "js": Builtin(_js, 0, None),
    "urlquery": Builtin(_urlquery, 0, None),
    "call": Builtin(_call, 1, None),
    "json": Builtin(_json, 1, 1),
    "currentDate": Builtin(_current_date, 0, None, "all"),
    "yesterdayDate": Builtin(_yesterday_date, 0, None, "all"),
    "toTypeScriptType": Builtin(_type_script_type, 1, 1),
}
"""Every function, by its name in templates."""
