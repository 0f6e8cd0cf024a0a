"""Lines of JSON into records.

Source: Ollama v0.33.0-rc2, `server/routes.go` streamResponse: one object a line, ended by
a line feed. No other character ends a line: U+0085 stands unescaped inside strings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, cast

import msgspec

from arriero._core.replies import error_of_record
from arriero.errors import ArrieroError, ProtocolError
from arriero.types.record import Record, from_wire

R = TypeVar("R", bound=Record)

DEFAULT_MAX_LINE_BYTES = 64 * 1024 * 1024
"""Ollama's own client refuses records above 8 MB, and some (contexts, log probabilities)
come near that; this is far enough above to be a guard only."""

_SHOWN = 200
"""Bytes of a broken line that go into a message."""


class RecordDecoder(Generic[R]):
    """Decode JSON objects into one record type.

    Known fields are decoded straight into the record. An object with anything else in it
    is decoded again with care: an ``error`` is raised, unknown fields are kept.

    Attributes:
        decode_fast: Decodes an object of known fields. Raises msgspec.DecodeError or
            RecursionError if it needs care: `decode` it then.
    """

    __slots__ = ("_cls", "_fast", "decode_fast")

    def __init__(self, cls: type[R]) -> None:
        self._cls = cls
        self._fast = msgspec.json.Decoder(cls)
        self.decode_fast: Callable[[bytes], R] = self._fast.decode

    def decode(self, data: bytes) -> R:
        """Decode one object.

        Raises:
            StreamFailed: the object is an error.
            ProtocolError: no JSON object, or a known field has the wrong type.
        """
        try:
            return self._fast.decode(data)
        except msgspec.DecodeError:  # its subclass ValidationError is what unknown fields give
            return self._decode_with_care(data)
        except RecursionError as cause:
            raise ProtocolError(f"JSON nested too deep: {_shown(data)}") from cause

    def decode_lines(self, block: bytes | bytearray) -> list[R]:
        """Decode whole lines at once.

        Raises:
            msgspec.DecodeError: some line needs care; decode them one by one.
        """
        try:
            made = self._fast.decode_lines(block)
        except RecursionError as cause:
            raise msgspec.DecodeError("nested too deep") from cause
        if len(made) != block.count(b"\n"):
            # An object over two lines, or two on one: taken or refused, it must not depend
            # on how the bytes were cut.
            raise msgspec.DecodeError("not one object a line")
        return made

    def _decode_with_care(self, data: bytes) -> R:
        try:
            raw = msgspec.json.decode(data)
        except RecursionError as cause:
            raise ProtocolError(f"JSON nested too deep: {_shown(data)}") from cause
        except (msgspec.DecodeError, UnicodeDecodeError) as cause:
            # Go's encoder never writes such bytes; a proxy that cuts or joins may.
            try:
                raw = msgspec.json.decode(data.decode("utf-8", "replace"))
            except msgspec.DecodeError:
                raise ProtocolError(f"no JSON: {_shown(data)} ({cause})") from cause
        if not isinstance(raw, dict):
            raise ProtocolError(f"a JSON object was due, not {_shown(data)}")
        record = cast("dict[str, Any]", raw)
        if "error" in record and (error := error_of_record(record)) is not None:
            raise error
        try:
            return from_wire(self._cls, record)
        except (msgspec.ValidationError, TypeError) as cause:
            raise ProtocolError(f"{cause}: {_shown(data)}") from cause


class NdjsonDecoder(Generic[R]):
    """Turn a byte stream into records; how the bytes were cut does not matter.

    Attributes:
        failure: What ended the stream, once something has. Records that came before it
            are still given out.
    """

    __slots__ = ("_decode_fast", "_decoder", "_held", "_max", "failure")

    def __init__(
        self, decoder: RecordDecoder[R], *, max_line_bytes: int = DEFAULT_MAX_LINE_BYTES
    ) -> None:
        self._decoder = decoder
        self._decode_fast = decoder.decode_fast
        self._held = bytearray()  # the unfinished last line
        self._max = max_line_bytes
        self.failure: ArrieroError | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes of the unfinished last line."""
        return len(self._held)

    def feed(self, data: bytes) -> list[R]:
        """Give every record that `data` completes; sets `failure` instead of raising."""
        held, size = self._held, len(data)
        if not held and data.find(b"\n") + 1 == size <= self._max:  # one line: as servers write
            try:
                return [self._decode_fast(data)]
            except (msgspec.DecodeError, RecursionError):
                return self._one_by_one((data,))
        if len(held) + size > self._max:
            return self._feed_with_care(data)
        cut = data.rfind(b"\n") + 1
        if not cut:
            held += data
            return []
        if held:
            held += data[:cut]
            block: bytes | bytearray = held
            self._held = bytearray(data[cut:])
        else:
            block = data[:cut]
            if cut != len(data):
                held += data[cut:]
        try:
            return self._decoder.decode_lines(block)
        except msgspec.DecodeError:
            return self._one_by_one(block.split(b"\n"))

    def end(self) -> list[R]:
        """Give the last record if the stream ended without a line feed after it.

        A whole object that answers a streaming request has none.
        """
        last, self._held = self._held, bytearray()
        return self._one_by_one([last]) if last and self.failure is None else []

    def _feed_with_care(self, data: bytes) -> list[R]:
        lines = data.split(b"\n")
        made: list[R] = []
        for index, part in enumerate(lines):
            self._held += part
            if len(self._held) > self._max:
                self.failure = ProtocolError(
                    f"a line longer than max_line_bytes={self._max}: {_shown(self._held)}"
                )
                self._held = bytearray()
                break
            if index < len(lines) - 1:
                line, self._held = self._held, bytearray()
                made += self._one_by_one([line])
                if self.failure is not None:
                    break
        return made

    def _one_by_one(self, lines: Iterable[bytes | bytearray]) -> list[R]:
        made: list[R] = []
        for line in lines:
            if not line.strip():  # proxies send blank lines to keep connections open
                continue
            try:
                made.append(self._decoder.decode(bytes(line)))
            except ArrieroError as error:
                self.failure = error
                break
        return made


def _shown(data: bytes | bytearray) -> str:
    text = bytes(data[:_SHOWN]).decode("utf-8", "replace")
    return repr(text) + ("..." if len(data) > _SHOWN else "")
