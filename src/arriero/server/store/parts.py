"""The parts a blob arrives in, and the records of them on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .. import gojson


@dataclass(slots=True)
class Part:
    """A part of a blob that arrives front to back.

    Attributes:
        number: Its place among the parts.
        offset: Where it begins, in bytes.
        size_bytes: How long it is.
        completed: How much of it is there.
    """

    number: int
    offset: int
    size_bytes: int
    completed: int = 0

    @property
    def end(self) -> int:
        """Where the next begins."""
        return self.offset + self.size_bytes

    @property
    def next_byte(self) -> int:
        """The first byte that is missing."""
        return self.offset + self.completed

    @property
    def is_done(self) -> bool:
        """Whether all of it is there."""
        return self.completed == self.size_bytes

    def encode(self) -> bytes:
        """Its record, as Ollama writes it, at one length so that it can be overwritten.

        Source: Ollama v0.33.0-rc2, server/download.go jsonBlobDownloadPart.
        """
        record = {
            "N": self.number,
            "Offset": self.offset,
            "Size": self.size_bytes,
            "Completed": self.completed,
        }
        return gojson.encode(record).ljust(_RECORD_BYTES - 1) + b"\n"


_RECORD_BYTES = 128


def decode_part(data: bytes) -> Part | None:
    """Read the record of a part; None if it is none."""
    try:
        raw = gojson.decode(data)
    except gojson.JsonError:
        return None
    if not gojson.is_object(raw):
        return None
    values = [raw.get(key) for key in ("N", "Offset", "Size", "Completed")]
    numbers = [value for value in values if type(value) is int and value >= 0]
    return Part(*numbers) if len(numbers) == len(values) else None


def joined(parts: Iterable[Part | None], total: int) -> Sequence[Part] | None:
    """Put the records of a blob in order; None if they are not about one of this size."""
    known = [part for part in parts if part is not None]
    known.sort(key=lambda part: part.number)
    at = 0
    for number, part in enumerate(known):
        if (part.number, part.offset) != (number, at) or part.completed > part.size_bytes:
            return None
        if part.size_bytes == 0:
            return None
        at = part.end
    return known if at == total else None
