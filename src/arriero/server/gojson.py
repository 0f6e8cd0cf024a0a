"""JSON as Go's `encoding/json` reads and writes it.

Reading takes the first value of a body and ignores the rest; what is wrong with it is said
in Go's words. Writing escapes the characters HTML minds.

Source: Go 1.26, encoding/json scanner.go and decode.go.
"""

from __future__ import annotations

import json
from typing import Any, TypeGuard

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_SPACE = " \t\r\n"
_ESCAPES = '"\\/bfnrt'
_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"

_ESCAPED = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


class JsonError(ValueError):
    """The body is not JSON; the message is Go's."""


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a decoded value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a decoded value is a list."""
    return isinstance(value, list)


def encode(value: Any) -> bytes:
    """Write a value; these characters only occur inside strings, so bytes are replaced."""
    data = _encode(value)
    for plain, escaped in _ESCAPED:
        if plain in data:
            data = data.replace(plain, escaped)
    return data


def decode(body: bytes) -> Any:
    """Read the first JSON value of a body.

    Raises:
        JsonError: there is none.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_slowly(body)


def _decode_slowly(body: bytes) -> Any:
    text = body.decode("utf-8", "replace").lstrip(_SPACE)
    if not text:
        raise JsonError("missing request body")
    try:
        # Also finds the end of the first value, which Go's decoder stops at.
        end = _Scanner(text).value(0)
    except RecursionError:
        raise JsonError("exceeded max depth") from None
    return _whole_text(json.loads(text[:end]))


def _whole_text(value: Any) -> Any:
    """Replace lone surrogates, which Python keeps and Go does not."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if is_list(value):
        return [_whole_text(item) for item in value]
    if is_object(value):
        return {_whole_text(key): _whole_text(item) for key, item in value.items()}
    return value


class _Scanner:
    """Walk over one value; each method takes a position and gives the one after it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, at: int) -> int:
        at = self._space(at)
        sign = self._at(at)
        if sign == "{":
            return self._object(at + 1)
        if sign == "[":
            return self._array(at + 1)
        if sign == '"':
            return self._string(at + 1)
        if sign == "-" or sign in _DIGITS:
            return self._number(at)
        for word in ("true", "false", "null"):
            if sign == word[0]:
                return self._literal(at, word)
        raise self._wrong(at, "looking for beginning of value")

    def _object(self, at: int) -> int:
        at = self._space(at)
        if self._at(at) == "}":
            return at + 1
        while True:
            at = self._space(at)
            if self._at(at) != '"':
                raise self._wrong(at, "looking for beginning of object key string")
            at = self._space(self._string(at + 1))
            if self._at(at) != ":":
                raise self._wrong(at, "after object key")
            at = self._space(self.value(at + 1))
            if self._at(at) == "}":
                return at + 1
            if self._at(at) != ",":
                raise self._wrong(at, "after object key:value pair")
            at += 1

    def _array(self, at: int) -> int:
        at = self._space(at)
        if self._at(at) == "]":
            return at + 1
        while True:
            at = self._space(self.value(at))
            if self._at(at) == "]":
                return at + 1
            if self._at(at) != ",":
                raise self._wrong(at, "after array element")
            at += 1

    def _string(self, at: int) -> int:
        while True:
            sign = self._at(at)
            if sign == '"':
                return at + 1
            if sign < " ":
                raise self._wrong(at, "in string literal")
            if sign == "\\":
                at += 1
                if self._at(at) == "u":
                    for _ in range(4):
                        at += 1
                        if self._at(at) not in _HEX:
                            raise self._wrong(at, "in \\u hexadecimal character escape")
                elif self._at(at) not in _ESCAPES:
                    raise self._wrong(at, "in string escape code")
            at += 1

    def _number(self, at: int) -> int:
        if self._text[at] == "-":
            at += 1
            if self._at(at) not in _DIGITS:
                raise self._wrong(at, "in numeric literal")
        at = at + 1 if self._text[at] == "0" else self._digits(at)
        if self._text[at : at + 1] == ".":
            at += 1
            if self._at(at) not in _DIGITS:
                raise self._wrong(at, "after decimal point in numeric literal")
            at = self._digits(at)
        if self._text[at : at + 1] in ("e", "E"):
            at += 1
            if self._at(at) in "+-":
                at += 1
            if self._at(at) not in _DIGITS:
                raise self._wrong(at, "in exponent of numeric literal")
            at = self._digits(at)
        return at

    def _literal(self, at: int, word: str) -> int:
        for offset, want in enumerate(word):
            if self._at(at + offset) != want:
                raise self._wrong(at + offset, f"in literal {word} (expecting '{want}')")
        return at + len(word)

    def _digits(self, at: int) -> int:
        while self._text[at : at + 1] and self._text[at] in _DIGITS:
            at += 1
        return at

    def _space(self, at: int) -> int:
        while self._text[at : at + 1] and self._text[at] in _SPACE:
            at += 1
        return at

    def _at(self, at: int) -> str:
        if at >= len(self._text):
            raise JsonError("unexpected EOF")
        return self._text[at]

    def _wrong(self, at: int, where: str) -> JsonError:
        return JsonError(f"invalid character {_quoted(self._at(at))} {where}")


def _quoted(sign: str) -> str:
    """A character as Go's quoteChar prints it."""
    if sign == "'":
        return "'\\''"
    if sign == '"':
        return "'\"'"
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "\a": "\\a", "\b": "\\b"}
    named |= {"\f": "\\f", "\v": "\\v"}
    if sign in named:
        return f"'{named[sign]}'"
    if sign < " " or sign == "\x7f":
        return f"'\\x{ord(sign):02x}'"
    # The scanner works on bytes: it sees the first byte of a longer character as Latin-1.
    first = chr(sign.encode("utf-8", "replace")[0])
    return f"'{first}'" if first.isprintable() else f"'\\u{ord(first):04x}'"
