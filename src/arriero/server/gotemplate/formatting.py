"""Print values as Go's `fmt` package does.

Source: Go 1.26, fmt/print.go and fmt/format.go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .errors import TemplateError
from .gotext import bytes_of, quote
from .values import (
    ABSENT,
    Printing,
    Struct,
    TypedList,
    TypedMap,
    is_list,
    is_map,
    is_nil,
    type_name,
)

_BASES = {"d": 10, "v": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}
_DIGITS = {10: "d", 2: "b", 8: "o", 16: "x"}


@dataclass(slots=True)
class Flags:
    """What stands between ``%`` and the verb."""

    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None
    names_fields: bool = False
    """``%+v``"""
    as_source: bool = False
    """``%#v``"""


class Printer:
    """Collect printed text.

    Args:
        max_chars: The most the text may come to.
    """

    def __init__(self, max_chars: int) -> None:
        self._pieces: list[str] = []
        self._left = max_chars
        self._max = max_chars
        self._failing = False
        self.flags = Flags()

    def add(self, text: str) -> None:
        """Append text. Raises `TemplateError` when it becomes too long."""
        self._left -= len(text)
        if self._left < 0:
            raise TemplateError(f"template: a text grew beyond {self._max} characters")
        self._pieces.append(text)

    def text(self) -> str:
        """Give what was printed so far."""
        return "".join(self._pieces)

    def value(self, value: object, verb: str) -> None:
        """Print a value with a verb such as ``v``, keeping to the flags."""
        if verb == "T":
            self.pad("<nil>" if value is None or value is ABSENT else type_name(value))
        elif value is None or value is ABSENT:
            if verb == "v":
                self.pad("<nil>")
            else:
                self._bad_verb(value, verb)
        elif not self._scalar(value, verb) and not self._with_method(value, verb):
            self._composite(value, verb)

    def pad(self, text: str) -> None:
        """Append a text, filled up to the width."""
        width = self.flags.width
        if width is None or len(text) >= width:
            self.add(text)
            return
        filling = ("0" if self.flags.zero else " ") * (width - len(text))
        self.add(text + filling if self.flags.minus else filling + text)

    def _scalar(self, value: object, verb: str) -> bool:
        match value:
            case bool():
                if verb in "tv":
                    self.pad("true" if value else "false")
                else:
                    self._bad_verb(value, verb)
            case int():
                self._integer(value, verb)
            case float():
                self._float(value, verb)
            case str():
                self._string(value, verb, value)
            case _:
                return False
        return True

    def _with_method(self, value: object, verb: str) -> bool:
        if self._failing or self.flags.as_source or verb not in "vsxXq":
            return False
        if not isinstance(value, Printing):
            return False
        self._string(value.go_text(), verb, value)
        return True

    def _bad_verb(self, value: object, verb: str) -> None:
        self._failing = True
        self.add(f"%!{verb}(")
        if value is None or value is ABSENT:
            self.add("<nil>")
        else:
            self.add(f"{type_name(value)}=")
            self.value(value, "v")
        self.add(")")
        self._failing = False

    def _composite(self, value: object, verb: str) -> None:
        if isinstance(value, Struct):
            self._struct(value, verb)
        elif is_map(value):
            self._map(value, verb)
        elif is_list(value):
            self._list(value, verb)
        else:
            self._bad_verb(value, verb)

    def _open(self, value: object, mark: str) -> bool:
        """Begin a composite; False if there is nothing more to print of it."""
        if not self.flags.as_source:
            self.add(mark)
            return True
        self.add(type_name(value))
        if isinstance(value, (TypedList, TypedMap)) and is_nil(value):
            self.add("(nil)")
            return False
        self.add("{")
        return True

    def _separate(self, index: int) -> None:
        if index:
            self.add(", " if self.flags.as_source else " ")

    def _struct(self, value: Struct, verb: str) -> None:
        self._open(value, "{")
        for index, (name, item) in enumerate(value.fields.items()):
            self._separate(index)
            if self.flags.names_fields or self.flags.as_source:
                self.add(f"{name}:")
            self._inner(item, verb)
        self.add("}")

    def _map(self, value: Mapping[str, object], verb: str) -> None:
        if not self._open(value, "map["):
            return
        for index, key in enumerate(sorted(value)):
            self._separate(index)
            self._inner(key, verb)
            self.add(":")
            self._inner(value[key], verb)
        self.add("}" if self.flags.as_source else "]")

    def _list(self, value: Sequence[object], verb: str) -> None:
        if not self._open(value, "["):
            return
        for index, item in enumerate(value):
            self._separate(index)
            self._inner(item, verb)
        self.add("}" if self.flags.as_source else "]")

    def _inner(self, value: object, verb: str) -> None:
        if value is None or value is ABSENT:
            self.add("interface {}(nil)" if self.flags.as_source else "<nil>")
        else:
            self.value(value, verb)

    def _string(self, text: str, verb: str, value: object) -> None:
        flags = self.flags
        if verb not in "vsqxX":
            self._bad_verb(value, verb)
            return
        if verb in "xX":
            self._hex(text, verb)
            return
        if flags.precision is not None:
            text = text[: flags.precision]
        if verb == "q" or flags.as_source:
            raw = flags.sharp and "`" not in text and text.isprintable()
            text = f"`{text}`" if raw else quote(text, ascii_only=flags.plus)
        self.pad(text)

    def _hex(self, text: str, verb: str) -> None:
        flags = self.flags
        data = bytes_of(text)[: flags.precision]
        digits = [f"{byte:02x}" for byte in data]
        prefix = "0x" if flags.sharp and data else ""
        if flags.space:
            result = " ".join(prefix + pair for pair in digits)
        else:
            result = prefix + "".join(digits)
        self.pad(result.upper() if verb == "X" else result)

    def _integer(self, value: int, verb: str) -> None:
        if verb in _BASES:
            self._based(value, verb)
        elif verb == "c":
            self.pad(_character(value))
        elif verb == "q":
            self.pad(quote(_character(value), "'", ascii_only=self.flags.plus))
        elif verb == "U":
            sign = _character(value)
            shown = f" '{sign}'" if self.flags.sharp and sign.isprintable() else ""
            self.pad(f"U+{value % 2**64:04X}{shown}")
        else:
            self._bad_verb(value, verb)

    def _based(self, value: int, verb: str) -> None:
        flags = self.flags
        base = _BASES[verb]
        sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
        digits = f"{abs(value):{_DIGITS[base]}}"
        if flags.precision is not None:
            digits = "" if not value and not flags.precision else digits.zfill(flags.precision)
        elif flags.zero and flags.width is not None:
            digits = digits.zfill(flags.width - len(sign))
        prefix = ""
        if verb == "O":
            prefix = "0o"
        elif flags.sharp and base != 10:
            prefix = {2: "0b", 8: "" if digits.startswith("0") else "0", 16: "0x"}[base]
        text = prefix + digits
        zero, flags.zero = flags.zero, False
        self.pad(sign + (text.upper() if verb == "X" else text))
        flags.zero = zero

    def _float(self, value: float, verb: str) -> None:
        flags = self.flags
        if verb not in "vgGeEfFxX" or (verb in "xX" and flags.precision is not None):
            self._bad_verb(value, verb)
            return
        kind = "g" if verb == "v" else verb
        precision = flags.precision
        if precision is None and kind in "eEfF":
            precision = 6
        text = float_text(abs(value), kind, precision)
        negative = math.copysign(1, value) < 0 and not math.isnan(value)
        sign = "-" if negative else "+" if flags.plus else " " if flags.space else ""
        if math.isinf(value) and not sign:
            sign = "+"
        zero = flags.zero and math.isfinite(value)
        before, flags.zero = flags.zero, False
        if zero and flags.width is not None:
            text = text.rjust(flags.width - len(sign), "0")
        self.pad(sign + text)
        flags.zero = before


def _character(code: int) -> str:
    return chr(code) if 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"


def float_text(value: float, verb: str, precision: int | None) -> str:
    """Print a number that is not negative.

    Args:
        value: The number.
        verb: One of ``e E f F g G``, or ``x X`` without precision.
        precision: Digits after the point (all digits for ``g``); None for as many as needed.
    """
    if math.isinf(value):
        return "Inf"
    if math.isnan(value):
        return "NaN"
    if precision is not None:
        return f"{value:.{precision}{verb}}"
    if verb in "xX":
        return _hexadecimal(value, verb)
    exact = Decimal(repr(value))
    exponent = exact.adjusted() if value else 0
    if exponent < -4 or exponent >= 6:
        return _scientific(exact, verb)
    return f"{exact:f}".removesuffix(".0")


def _scientific(exact: Decimal, verb: str) -> str:
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0") or "0"
    mantissa = digits[0] + (f".{digits[1:]}" if digits[1:] else "")
    exponent = exact.adjusted()
    mark = "E" if verb == "G" else "e"
    return f"{mantissa}{mark}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _hexadecimal(value: float, verb: str) -> str:
    mantissa, _, exponent = value.hex().partition("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").removesuffix(".")
    text = f"{mantissa}p{exponent[0]}{int(exponent[1:]):02d}"
    return text.upper() if verb == "X" else text


def sprint(values: Sequence[object], max_chars: int) -> str:
    """Print values side by side, a space between two that are no texts (`Sprint`)."""
    printer = Printer(max_chars)
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            printer.add(" ")
        printer.value(value, "v")
    return printer.text()


def sprintln(values: Sequence[object], max_chars: int) -> str:
    """Print values with spaces between them and a newline (`Sprintln`)."""
    printer = Printer(max_chars)
    for index, value in enumerate(values):
        printer.add(" " if index else "")
        printer.value(value, "v")
    printer.add("\n")
    return printer.text()
