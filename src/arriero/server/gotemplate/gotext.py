"""Text as Go has it: bytes that are usually UTF-8.

Where a template cuts a character in two, the halves are kept as surrogate escapes, so that
putting them together again gives the character back; `whole_text` replaces what stays broken.

Source: Go 1.26, strconv/quote.go.
"""

from __future__ import annotations

import re

_NAMED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_UNNAMED = {escape[1]: sign.encode() for sign, escape in _NAMED.items()}
_ESCAPE = re.compile(
    r"""\\(?:(?P<named>[abfnrtv\\'"])|(?P<octal>[0-7]{3})|x(?P<byte>[0-9a-fA-F]{2})"""
    r"""|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))"""
)


def bytes_of(text: str) -> bytes:
    """Give the bytes Go would hold for a text."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def text_of(data: bytes) -> str:
    """Give the text for bytes, broken characters as surrogate escapes."""
    return data.decode("utf-8", "surrogateescape")


def byte_length(text: str) -> int:
    """Count bytes, as Go's `len` does."""
    return len(text) if text.isascii() else len(bytes_of(text))


def whole_text(text: str) -> str:
    """Put broken characters together again and replace what stays broken."""
    if text.isascii():
        return text
    return bytes_of(text).decode("utf-8", "replace")


def quote(text: str, mark: str = '"', *, ascii_only: bool = False) -> str:
    """Quote a text as ``%q`` does.

    Args:
        text: What to quote.
        mark: The quotation mark, which is escaped inside.
        ascii_only: Escape everything beyond ASCII too (``%+q``).
    """
    body = "".join(_quoted_sign(sign, mark, ascii_only) for sign in text)
    return f"{mark}{body}{mark}"


def _quoted_sign(sign: str, mark: str, ascii_only: bool) -> str:
    if sign == mark:
        return "\\" + sign
    if sign in _NAMED:
        return _NAMED[sign]
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if sign.isprintable() and (code < 0x80 or not ascii_only):
        return sign
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(literal: str) -> str | None:
    """Read a string literal with its quotation marks, or give None if Go would refuse it."""
    mark, body = literal[0], literal[1:-1]
    if mark == "`":
        return body.replace("\r", "")
    pieces: list[bytes] = []
    at = 0
    while at < len(body):
        if body[at] != "\\":
            end = body.find("\\", at)
            end = len(body) if end < 0 else end
            pieces.append(bytes_of(body[at:end]))
            at = end
            continue
        escape = _ESCAPE.match(body, at)
        piece = None if escape is None else _unescaped(escape, mark)
        if escape is None or piece is None:
            return None
        pieces.append(piece)
        at = escape.end()
    return text_of(b"".join(pieces))


def _unescaped(escape: re.Match[str], mark: str) -> bytes | None:
    if escape["named"]:
        sign = escape["named"]
        if sign in "'\"":
            return sign.encode() if sign == mark else None
        return _UNNAMED[sign]
    if escape["octal"]:
        code = int(escape["octal"], 8)
        return bytes([code]) if code < 256 else None
    if escape["byte"]:
        return bytes([int(escape["byte"], 16)])
    code = int(escape["short"] or escape["long"], 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return None
    return chr(code).encode()
