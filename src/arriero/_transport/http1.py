"""Answers of HTTP/1.1 as bytes: heads and the framing of bodies. Sans-IO.

Source: RFC 9112, sections 2 to 7; RFC 9110, section 6.4.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

MAX_HEAD_BYTES = 65_536
"""Longest head, and longest trailer, of an answer: what Go and nginx stay below by far."""
MAX_SIZE_LINE_BYTES = 4_096

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?:[ \t][^\r\n]*)?\r?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\0\r\n]*?)[ \t]*\r?")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_SIZE_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,15}[ \t]*(?:;[^\r\n]*)?\r?")
_HEAD_END = re.compile(rb"\n\r?\n")


class Malformed(Exception):  # internal: adapters turn it into a Fault
    """The bytes are not HTTP/1.1; the text says where."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and fields of an answer."""

    status: int
    headers: dict[str, str]
    """Lower-case names; values of repeated ones joined by a comma."""
    keeps_alive: bool
    """True if the connection can serve another request after the body."""


class HeadReader:
    """Finds the head of the final answer in what arrives, skipping interim answers."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._skipped_bytes = 0

    @property
    def loss(self) -> str:
        """Say what it means if the connection ends here."""
        has_begun = self._bytes or self._skipped_bytes
        where = "inside the head of its answer" if has_begun else "unanswered"
        return f"the server closed the connection {where}"

    @property
    def may_be_final(self) -> bool:
        """True if what arrived cannot be the beginning of an interim answer."""
        begin = bytes(self._bytes[:10])
        return not any(prefix.startswith(begin) for prefix in _INTERIM)

    @property
    def rest(self) -> bytes:
        """What arrived after the head."""
        return bytes(self._bytes)

    def feed(self, data: bytes) -> Head | None:
        """Take `data`; give the head once it is whole.

        Raises:
            Malformed: this is no HTTP/1.1, or the head is longer than MAX_HEAD_BYTES.
        """
        searched = max(0, len(self._bytes) - 2)
        self._bytes += data
        while True:
            if not b"HTTP/1.".startswith(self._bytes[:7]):
                raise Malformed(f"the answer begins with {bytes(self._bytes[:20])!r}")
            end = _HEAD_END.search(self._bytes, searched)
            if self._skipped_bytes + (end.end() if end else len(self._bytes)) > MAX_HEAD_BYTES:
                raise Malformed(f"the head of the answer exceeds {MAX_HEAD_BYTES} bytes")
            if end is None:
                return None
            head = _head_from(bytes(self._bytes[: end.start()]))
            del self._bytes[: end.end()]
            if head.status == 101:
                raise Malformed("status 101 for a request that asked for no upgrade")
            if head.status >= 200:
                return head
            self._skipped_bytes += end.end()
            searched = 0


_INTERIM = (b"HTTP/1.1 1", b"HTTP/1.0 1")


def _head_from(block: bytes) -> Head:
    first, *lines = block.split(b"\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise Malformed(f"the status line is {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Malformed(f"a header line is {line[:80]!r}")
        name = field[1].decode("ascii").lower()
        value = field[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Head(int(status[2]), headers, _keeps_alive(status[1] == b"1", headers))


def _keeps_alive(is_1_1: bool, headers: dict[str, str]) -> bool:
    connection = headers.get("connection", "").lower()
    if is_1_1:
        return "close" not in connection
    return "keep-alive" in connection


class Body(Protocol):
    """The framing of one body: raw bytes in, content out."""

    is_done: bool
    """True once the body is whole."""
    has_surplus: bool
    """True if bytes arrived after the body's end: the connection must not be reused."""

    is_wrong: bool
    """True if the next `feed` raises, whatever it is given."""

    def feed(self, data: bytes) -> bytes:
        """Give the content in `data`, maybe none.

        Raises:
            Malformed: the framing is wrong, and all content before that was given.
        """
        ...

    def end(self) -> bool:
        """Say whether the body is whole if the connection ends here."""
        ...


def body_of(method: str, head: Head) -> Body:
    """Choose the framing of the body that follows `head`.

    Raises:
        Malformed: the head contradicts itself, or names an unknown coding.
    """
    headers = head.headers
    if method == "HEAD" or head.status in (204, 304):
        return Sized(0)
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise Malformed(f"transfer-encoding is {coding[:80]!r}")
        return Chunked()
    length = headers.get("content-length")
    if length is None:
        return Unsized()
    # A list of equal numbers is one number: RFC 9110, section 8.6.
    sizes = {size.strip() for size in length.split(",")}
    size = sizes.pop()
    if sizes or not (size.isascii() and size.isdigit()) or len(size) > 18:
        raise Malformed(f"content-length is {length[:80]!r}")
    return Sized(int(size))


class Sized:
    """A body of ``Content-Length`` bytes."""

    __slots__ = ("_left", "has_surplus", "is_done", "is_wrong")

    def __init__(self, size: int) -> None:
        self._left = size
        self.is_done = size == 0
        self.has_surplus = False
        self.is_wrong = False

    def feed(self, data: bytes) -> bytes:
        """See `Body.feed`."""
        self._left -= len(data)
        if self._left > 0:
            return data
        self.is_done = True
        if self._left == 0:
            return data
        self.has_surplus = True
        return data[: self._left]

    def end(self) -> bool:
        """See `Body.end`."""
        return self.is_done


class Unsized:
    """A body that ends with its connection."""

    __slots__ = ("has_surplus", "is_done", "is_wrong")

    def __init__(self) -> None:
        self.is_wrong = False
        self.is_done = False
        self.has_surplus = True

    def feed(self, data: bytes) -> bytes:
        """See `Body.feed`."""
        return data

    def end(self) -> bool:
        """See `Body.end`."""
        self.is_done = True
        return True


_KNOWN_SIZES: dict[bytes, int] = {}
"""Size lines seen before, of sizes with two or three digits, as those of most tokens. Looking
one up takes a third of the time of reading it; there are 11132 at most."""

_IN_SIZE, _IN_DATA, _IN_DATA_END, _IN_TRAILER = range(4)


class Chunked:
    """A body in chunks, each behind a line with its size."""

    __slots__ = ("_left", "_rest", "_state", "_trailer_bytes", "has_surplus", "is_done", "is_wrong")

    def __init__(self) -> None:
        self._rest = b""
        self._left = 0
        self._state = _IN_SIZE
        self._trailer_bytes = 0
        self.is_done = False
        self.is_wrong = False
        self.has_surplus = False

    def feed(self, data: bytes) -> bytes:
        """See `Body.feed`."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        elif self._state == _IN_SIZE and data.endswith(b"\r\n"):
            # Just one chunk, as tokens come.
            for start in (4, 5):
                known = _KNOWN_SIZES.get(data[:start])
                if known is not None and start + known + 2 == len(data):
                    return data[start:-2]
        content: list[bytes] = []
        at, end, state = 0, len(data), self._state
        while at < end:
            if state == _IN_SIZE:
                # The short way, for a chunk that is here whole and whose size is known.
                start = at + 4
                known = _KNOWN_SIZES.get(data[at:start])
                if known is None:
                    start = at + 5
                    known = _KNOWN_SIZES.get(data[at:start])
                if known is not None:
                    stop = start + known
                    if data[stop : stop + 2] == b"\r\n":
                        content.append(data[start:stop])
                        at = stop + 2
                        continue
                size = _SIZE.match(data, at)
                if size is None:
                    self._keep(data[at:], _SIZE_BEGUN, content)
                    break
                self._left = int(size[1], 16)
                if self._left and size.end() - at in (4, 5):
                    _KNOWN_SIZES[size[0]] = self._left
                at = size.end()
                state = _IN_DATA if self._left else _IN_TRAILER
            elif state == _IN_DATA:
                stop = at + self._left
                if stop > end:
                    content.append(data[at:])
                    self._left = stop - end
                    break
                content.append(data[at:stop])
                at = stop
                state = _IN_DATA_END
            elif state == _IN_DATA_END:
                if not data.startswith(b"\r\n", at):
                    self._keep(data[at:], _CRLF_BEGUN, content)
                    break
                at += 2
                state = _IN_SIZE
            else:
                self._skip_trailer(data[at:])
                break
        self._state = state
        return content[0] if len(content) == 1 else b"".join(content)

    def end(self) -> bool:
        """See `Body.end`."""
        return self.is_done

    def _keep(self, rest: bytes, begun: re.Pattern[bytes], content: list[bytes]) -> None:
        """Keep `rest` until more arrives, unless it can never become right."""
        self._rest = rest
        if len(rest) > MAX_SIZE_LINE_BYTES or begun.fullmatch(rest) is None:
            if not content:
                raise Malformed(f"instead of the next chunk comes {rest[:40]!r}")
            self.is_wrong = True

    def _skip_trailer(self, data: bytes) -> None:
        while not self.is_done:
            line, found, rest = data.partition(b"\n")
            if not found:
                break
            self._trailer_bytes += len(line) + 1
            self.is_done = line in (b"", b"\r")
            data = rest
        if self.is_done:
            self.has_surplus = bool(data)
        elif self._trailer_bytes + len(data) > MAX_HEAD_BYTES:
            raise Malformed(f"the trailer exceeds {MAX_HEAD_BYTES} bytes")
        else:
            self._rest = data


_CRLF_BEGUN = re.compile(rb"\r?")
