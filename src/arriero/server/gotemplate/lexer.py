"""Cut a template into tokens.

Source: Go 1.26, text/template/parse/lex.go, for what is a token and for the error texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from .gotext import quote

_SPACE = " \t\r\n"
_SPACES = tuple(_SPACE)
_ENDS = (*_SPACES, *".,|:)(", "")
"""What may follow a name; the last is the end of the text."""
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_QUOTED = {
    '"': (re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'), "unterminated quoted string"),
    "'": (re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"), "unterminated character constant"),
    "`": (re.compile(r"`[^`]*`"), "unterminated raw quoted string"),
}


class Kind(Enum):
    """What a token is; those from `KEYWORD` on are words of the language."""

    ERROR = auto()
    BOOL = auto()
    CHAR = auto()
    CHARACTER = auto()
    ASSIGN = auto()
    DECLARE = auto()
    EOF = auto()
    FIELD = auto()
    IDENTIFIER = auto()
    LEFT = auto()
    LEFT_PAREN = auto()
    NUMBER = auto()
    PIPE = auto()
    RAW_STRING = auto()
    RIGHT = auto()
    RIGHT_PAREN = auto()
    SPACE = auto()
    STRING = auto()
    TEXT = auto()
    VARIABLE = auto()
    DOT = auto()
    KEYWORD = auto()


KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template")
) | {"with"}
"""The words that are no functions. `nil` is one of them."""

_QUOTED_KINDS = {'"': Kind.STRING, "'": Kind.CHARACTER, "`": Kind.RAW_STRING}
_SIGNS = {"=": Kind.ASSIGN, "|": Kind.PIPE}


class Token(NamedTuple):
    """A piece of a template."""

    kind: Kind
    at: int
    """Index of its first character."""
    text: str
    """The piece itself, or the message of an error."""
    line: int
    """Line it begins on, from 1."""

    def __str__(self) -> str:
        """Name the token as Go's error texts do."""
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind in (Kind.DOT, Kind.KEYWORD):
            return f"<{self.text}>"
        if len(self.text.encode("utf-8", "replace")) > 10:
            return f"{quote(self.text[:10])}..."
        return quote(self.text)


def tokens_of(text: str) -> Iterator[Token]:
    """Cut a template into tokens, up to an `EOF` or `ERROR` token, which is the last."""
    return _Lexer(text).run()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._parens = 0

    def run(self) -> Iterator[Token]:
        while True:
            start = self._at
            opening = self._text.find("{{", start)
            end = len(self._text) if opening < 0 else opening
            trims = opening >= 0 and self._trims_left(opening + 2)
            piece = self._text[start:end]
            piece = piece.rstrip(_SPACE) if trims else piece
            if piece:
                yield self._token(Kind.TEXT, start, piece)
            if opening < 0:
                yield self._token(Kind.EOF, end, "")
                return
            inside = opening + (4 if trims else 2)
            if self._text.startswith("/*", inside):
                error = self._comment(inside)
                if error is not None:
                    yield error
                    return
                continue
            yield self._token(Kind.LEFT, opening, "{{")
            self._at = inside
            self._parens = 0
            for token in self._action():
                yield token
                if token.kind is Kind.ERROR:
                    return

    def _token(self, kind: Kind, at: int, text: str) -> Token:
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return Token(kind, at, text, self._line)

    def _error(self, at: int, text: str) -> Token:
        return self._token(Kind.ERROR, at, text)

    def _trims_left(self, at: int) -> bool:
        return self._text[at : at + 1] == "-" and self._text[at + 1 : at + 2] in _SPACES

    def _closing(self, at: int) -> int:
        """Length of the closing delimiter at a position: 2, 4 with a trim mark, 0 if none."""
        if self._text.startswith("}}", at):
            return 2
        trims = self._text[at : at + 1] in _SPACES and self._text.startswith("-}}", at + 1)
        return 4 if trims else 0

    def _leave(self, at: int, closing: int) -> None:
        self._at = at + closing
        if closing == 4:
            rest = self._at
            while self._text[rest : rest + 1] in _SPACES:
                rest += 1
            self._at = rest

    def _comment(self, start: int) -> Token | None:
        end = self._text.find("*/", start + 2)
        if end < 0:
            return self._error(start, "unclosed comment")
        closing = self._closing(end + 2)
        if not closing:
            return self._error(start, "comment ends before closing delimiter")
        self._leave(end + 2, closing)
        return None

    def _action(self) -> Iterator[Token]:
        while True:
            start = self._at
            closing = self._closing(start)
            if closing:
                if self._parens:
                    yield self._error(start, "unclosed left paren")
                    return
                yield self._token(Kind.RIGHT, start + closing - 2, "}}")
                self._leave(start, closing)
                return
            token = self._next(start)
            yield token
            if token.kind is Kind.ERROR:
                return
            self._at = start + len(token.text)

    def _next(self, at: int) -> Token:
        sign = self._text[at : at + 1]
        if not sign:
            return self._error(at, "unclosed action")
        if sign in _SPACES:
            return self._space(at)
        if sign in _SIGNS:
            return self._token(_SIGNS[sign], at, sign)
        if sign in _QUOTED:
            return self._quoted(at, sign)
        if sign == ":":
            if self._text.startswith(":=", at):
                return self._token(Kind.DECLARE, at, ":=")
            return self._error(at, "expected :=")
        if sign in "()":
            return self._paren(at, sign)
        digit = self._text[at + 1 : at + 2]
        if sign == "$" or (sign == "." and digit and not ("0" <= digit <= "9")):
            return self._field(at, sign)
        if sign in ".+-" or "0" <= sign <= "9":
            return self._number(at)
        if _is_word(sign):
            return self._word(at)
        if "!" <= sign <= "~":
            return self._token(Kind.CHAR, at, sign)
        return self._error(at, f"unrecognized character in action: {_named(sign)}")

    def _space(self, at: int) -> Token:
        end = at
        while self._text[end : end + 1] in _SPACES:
            end += 1
        # The last one may be the beginning of a trimming delimiter.
        if self._closing(end - 1) == 4:
            end -= 1
        return self._token(Kind.SPACE, at, self._text[at:end])

    def _quoted(self, at: int, mark: str) -> Token:
        pattern, error = _QUOTED[mark]
        found = pattern.match(self._text, at)
        if found is None:
            return self._error(at, error)
        return self._token(_QUOTED_KINDS[mark], at, found[0])

    def _paren(self, at: int, sign: str) -> Token:
        self._parens += 1 if sign == "(" else -1
        if self._parens < 0:
            return self._error(at, "unexpected right paren")
        return self._token(Kind.LEFT_PAREN if sign == "(" else Kind.RIGHT_PAREN, at, sign)

    def _field(self, at: int, sign: str) -> Token:
        end = at + 1
        if not self._ends_word(end):
            end = self._word_end(end)
            if not self._ends_word(end):
                return self._error(at, f"bad character {_named(self._text[end])}")
        elif sign == ".":
            return self._token(Kind.DOT, at, sign)
        kind = Kind.VARIABLE if sign == "$" else Kind.FIELD
        return self._token(kind, at, self._text[at:end])

    def _word(self, at: int) -> Token:
        end = self._word_end(at)
        if not self._ends_word(end):
            return self._error(at, f"bad character {_named(self._text[end])}")
        word = self._text[at:end]
        if word in KEYWORDS:
            return self._token(Kind.KEYWORD, at, word)
        kind = Kind.BOOL if word in ("true", "false") else Kind.IDENTIFIER
        return self._token(kind, at, word)

    def _word_end(self, at: int) -> int:
        found = _WORD.match(self._text, at)
        if found is None:
            return at
        # `\w` also takes numerals that Go does not count as digits.
        for index, sign in enumerate(found[0]):
            if not _is_word(sign):
                return at + index
        return found.end()

    def _ends_word(self, at: int) -> bool:
        sign = self._text[at : at + 1]
        return sign in _ENDS or self._text.startswith("}}", at)

    def _number(self, at: int) -> Token:
        found = _NUMBER.match(self._text, at)
        end = at if found is None else found.end()
        following = self._text[end : end + 1]
        # A sign right behind a number makes it complex, which no prompt needs.
        if following in ("+", "-") or _is_word(following):
            return self._error(at, f"bad number syntax: {quote(self._text[at : end + 1])}")
        return self._token(Kind.NUMBER, at, self._text[at:end])


def _is_word(sign: str) -> bool:
    return sign == "_" or sign.isalpha() or sign.isdecimal()


def _named(sign: str) -> str:
    """A character as ``%#U`` prints it."""
    code = f"U+{ord(sign):04X}"
    return f"{code} '{sign}'" if sign.isprintable() else code
