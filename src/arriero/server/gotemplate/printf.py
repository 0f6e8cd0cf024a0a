"""Go's `Sprintf`.

Source: Go 1.26, fmt/print.go doPrintf.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .formatting import Flags, Printer
from .values import ABSENT, type_name

_FLAGS = re.compile(r"[+\-# 0]*")
_INDEX = re.compile(r"\[([^\]]*)(\]?)")
_NUMBER = re.compile(r"[0-9]+")
_MAX_WIDTH = 1_000_000
"""Go takes no larger widths and precisions; it looks before it reads the last digit."""


def sprintf(format: str, values: Sequence[object], max_chars: int) -> str:
    """Print values into a format text.

    What does not fit together is said in the text, as Go does.

    Args:
        format: Text with verbs such as ``%d``.
        values: One for each verb.
        max_chars: The most the result may come to.

    Raises:
        TemplateError: the result is longer.
    """
    return _Format(format, values, Printer(max_chars)).run()


class _Format:
    def __init__(self, format: str, values: Sequence[object], printer: Printer) -> None:
        self._format = format
        self._values = values
        self._printer = printer
        self._at = 0
        self._next = 0
        self._reordered = False
        self._indexed = False
        self._good_index = True

    def run(self) -> str:
        text, printer = self._format, self._printer
        while True:
            percent = text.find("%", self._at)
            printer.add(text[self._at :] if percent < 0 else text[self._at : percent])
            if percent < 0:
                break
            self._at = percent + 1
            self._verb()
        printer.flags = Flags()
        rest = self._values[self._next :]
        if rest and not self._reordered:
            printer.add("%!(EXTRA ")
            for index, value in enumerate(rest):
                printer.add(", " if index else "")
                self._typed(value)
            printer.add(")")
        return printer.text()

    def _typed(self, value: object) -> None:
        if value is None or value is ABSENT:
            self._printer.add("<nil>")
        else:
            self._printer.add(f"{type_name(value)}=")
            self._printer.value(value, "v")

    def _verb(self) -> None:
        printer = self._printer
        self._good_index, self._indexed = True, False
        printer.flags = flags = self._flags()
        self._index()
        self._width(flags)
        if self._peek() == ".":
            self._at += 1
            if self._indexed:
                self._good_index = False
            self._index()
            self._precision(flags)
        if not self._indexed:
            self._index()
        verb = self._peek()
        if not verb:
            printer.add("%!(NOVERB)")
            return
        self._at += 1
        if verb == "%":
            printer.add("%")
        elif not self._good_index:
            printer.add(f"%!{verb}(BADINDEX)")
        elif self._next >= len(self._values):
            printer.add(f"%!{verb}(MISSING)")
        else:
            if verb == "v":
                flags.names_fields, flags.plus = flags.plus, False
                flags.as_source, flags.sharp = flags.sharp, False
            self._next += 1
            printer.value(self._values[self._next - 1], verb)

    def _peek(self) -> str:
        return self._format[self._at : self._at + 1]

    def _flags(self) -> Flags:
        found = _FLAGS.match(self._format, self._at)
        marks = "" if found is None else found[0]
        self._at += len(marks)
        return Flags(
            plus="+" in marks,
            minus="-" in marks,
            sharp="#" in marks,
            space=" " in marks,
            zero="0" in marks and "-" not in marks,
        )

    def _index(self) -> None:
        """Read ``[n]``, which names the next value by number."""
        found = _INDEX.match(self._format, self._at)
        if found is None:
            return
        self._reordered = True
        self._at = found.end() if found[2] else self._at + 1
        number = found[1]
        good = bool(found[2]) and bool(_NUMBER.fullmatch(number)) and len(number) < 7
        if good and 1 <= int(number) <= len(self._values):
            self._next = int(number) - 1
            self._indexed = True
        else:
            self._good_index = False

    def _number(self) -> int | None:
        found = _NUMBER.match(self._format, self._at)
        if found is None:
            return None
        self._at = found.end()
        if len(found[0]) > 20 or int(found[0]) // 10 > _MAX_WIDTH:
            # Go gives up reading here, and with it the verb.
            self._at = len(self._format)
            return None
        return int(found[0])

    def _star(self, complaint: str) -> int | None:
        self._at += 1
        value = self._values[self._next] if self._next < len(self._values) else None
        self._next += self._next < len(self._values)
        self._indexed = False
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_WIDTH:
            self._printer.add(complaint)
            return None
        return value

    def _width(self, flags: Flags) -> None:
        if self._peek() != "*":
            number = self._number()
            if number is not None and self._indexed:
                self._good_index = False
            flags.width = number
            return
        flags.width = self._star("%!(BADWIDTH)")
        if flags.width is not None and flags.width < 0:
            flags.width, flags.minus, flags.zero = -flags.width, True, False

    def _precision(self, flags: Flags) -> None:
        if self._peek() != "*":
            flags.precision = self._number() or 0
            return
        flags.precision = self._star("%!(BADPREC)")
        if flags.precision is not None and flags.precision < 0:
            flags.precision = None
            self._printer.add("%!(BADPREC)")
