"""The chain of an audit log: how a record is sealed, and how a seal is checked.

A line is one JSON object. Its first fields are ``seq``, its number, and ``prev``, the hash of
the record before; its last is ``hash``, over every byte of the line before that field. So a
line cannot be changed without its hash, nor a hash without all that follow.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

GENESIS = "0" * 64
"""What the first record of a log links to."""

_MARK = b',"hash":"'
_SEAL_BYTES = len(_MARK) + 64 + len(b'"}')
HEAD_BYTES = 320
"""Room for four numbers and two hashes."""


class Broken(ValueError):
    """A line is not what was once sealed; the text says why."""


class Link(msgspec.Struct, frozen=True):
    """One record's place in the chain."""

    seq: int
    hash: str


class Head(msgspec.Struct, frozen=True):
    """The end of a log, kept beside it: without it a cut at the end could not be seen."""

    seq: int
    hash: str
    number: int
    """Of the file that is written; those before have lower ones."""
    size: int
    """Bytes of that file."""
    began_s: float
    """When it was begun, seconds since the epoch."""


START = Head(0, GENESIS, 1, 0, 0.0)


def digest(data: bytes, key: bytes | None) -> str:
    """Give the hash of bytes; with a key, one that nobody can make without it."""
    made = _hash(key).copy()  # to begin one costs more than to hash a record
    made.update(data)
    text: str = made.hexdigest()
    return text


@functools.lru_cache(8)
def _hash(key: bytes | None) -> Any:
    return hashlib.sha256() if key is None else hmac.new(key, digestmod="sha256")


def written_at() -> str:
    """Give the time of a record: UTC, with microseconds."""
    second, us = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(second)}.{us:06d}+00:00"


@functools.lru_cache(8)
def _second(since_epoch: int) -> str:
    return datetime.fromtimestamp(since_epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _seal(body: bytes, key: bytes | None) -> tuple[bytes, str]:
    mine = digest(body, key)
    return body + _MARK + mine.encode() + b'"}', mine


def _unseal(line: bytes, key: bytes | None) -> tuple[dict[str, Any], str]:
    body, seal = line[:-_SEAL_BYTES], line[-_SEAL_BYTES:]
    if not seal.startswith(_MARK) or not seal.endswith(b'"}'):
        raise Broken("it is no sealed record")
    mine = digest(body, key)
    if not hmac.compare_digest(mine.encode(), seal[len(_MARK) : -2]):
        raise Broken("its hash does not fit: it was changed, or sealed with another key")
    return msgspec.json.decode(body + b"}"), mine


def sealed(record: bytes, seq: int, before: str, key: bytes | None) -> tuple[bytes, str]:
    """Give a record, a JSON object that is not empty, as a line; and its hash.

    Args:
        record: What is written down.
        seq: Its number.
        before: The hash of the record before it.
        key: See `digest`.
    """
    body = b'{"seq":%d,"prev":"%b",%b' % (seq, before.encode(), record[1:-1])
    line, mine = _seal(body, key)
    return line + b"\n", mine


def unsealed(line: bytes, key: bytes | None) -> tuple[dict[str, Any], Link]:
    """Give the record of a line, without its line end, and its place.

    Raises:
        Broken: it was changed.
    """
    record, mine = _unseal(line, key)
    return record, Link(int(record["seq"]), mine)


def head_bytes(head: Head, key: bytes | None) -> bytes:
    """Give a head as it is stored: always as long, so that it is written over in place."""
    line, _ = _seal(msgspec.json.encode(head)[:-1], key)
    return line.ljust(HEAD_BYTES - 1) + b"\n"


def head_of(data: bytes, key: bytes | None) -> Head:
    """Give the head that is stored; `START` if there is none yet.

    Raises:
        Broken: it was changed.
    """
    if not data:
        return START
    if len(data) != HEAD_BYTES or not data.endswith(b"\n"):
        raise Broken("it has another length")
    fields, _ = _unseal(data.rstrip(), key)
    if head_bytes(head := msgspec.convert({**fields}, Head), key) != data:
        raise Broken("it is not as it was written")
    return head
