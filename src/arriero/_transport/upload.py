"""Files as request bodies, in pieces, so that they never lie in memory whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO, TypeAlias

from arriero._core.http import Fault, FileBody

PIECE_BYTES = 262_144
"""Size of one piece: large enough that reading and sending dwarf the Python between."""


class _Reader:
    """Reads a file from its beginning, and notes what went wrong."""

    def __init__(self, body: FileBody) -> None:
        self._body = body
        self._file: BinaryIO | None = None
        self._left = body.size
        self._is_closed = False
        self.fault: Fault | None = None
        """Why there is no next piece; some libraries hide what an iterator raises."""

    @property
    def is_done(self) -> bool:
        """True once all pieces were given."""
        return self._left == 0

    def rewind(self) -> None:
        """Begin anew."""
        self.close()
        self._is_closed = False
        self._left = self._body.size

    def close(self) -> None:
        """Close the file, also one that another thread is just opening. May be called again."""
        self._is_closed = True
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def piece(self) -> bytes:
        """Give the next piece, empty at the end.

        Raises:
            Fault: ``closed``: the file cannot be read, or is shorter than it was said to be.
        """
        try:
            return self._piece()
        except Fault as fault:
            self.fault = fault
            raise
        except (OSError, ValueError) as cause:  # ValueError: closed while we read
            why = getattr(cause, "strerror", None) or cause
            self.fault = Fault("closed", "prepare", f"cannot read {self._body.path}: {why}")
            raise self.fault from cause

    def _piece(self) -> bytes:
        if self._file is None:
            if self._is_closed and not self._left:
                return b""
            self._file = open(self._body.path, "rb")  # noqa: SIM115  # `close` closes it
            if self._is_closed:
                self.close()
                raise Fault("closed", "send", "the call ended before its file was open")
        piece = self._file.read(min(PIECE_BYTES, self._left))
        if not piece and self._left > 0:
            raise Fault("closed", "send", f"{self._body.path} became shorter while it was sent")
        self._left -= len(piece)
        return piece


class FilePieces(_Reader, Iterator[bytes]):
    """The pieces of a file. Iterating anew begins anew."""

    def __iter__(self) -> FilePieces:
        self.rewind()
        return self

    def __next__(self) -> bytes:
        piece = self.piece()
        if not piece:
            self.close()
            raise StopIteration
        return piece


class AsyncPieces(AsyncIterator[bytes]):
    """The pieces of a large body in memory. Iterating anew begins anew."""

    fault: Fault | None = None

    def __init__(self, body: bytes) -> None:
        self._whole = body
        self._at = 0

    @property
    def is_done(self) -> bool:
        """True once all pieces were given."""
        return self._at >= len(self._whole)

    def close(self) -> None:
        """Nothing to close."""

    def __aiter__(self) -> AsyncPieces:
        self._at = 0
        return self

    async def __anext__(self) -> bytes:
        if self.is_done:
            raise StopAsyncIteration
        piece = self._whole[self._at : self._at + PIECE_BYTES]
        self._at += PIECE_BYTES
        return piece


class AsyncFilePieces(_Reader, AsyncIterator[bytes]):
    """As `FilePieces`, read in threads of the loop's default executor."""

    def __aiter__(self) -> AsyncFilePieces:
        self.rewind()
        return self

    async def __anext__(self) -> bytes:
        import asyncio  # the sync transport needs this module and never asyncio

        piece = await asyncio.to_thread(self.piece)
        if not piece:
            self.close()
            raise StopAsyncIteration
        return piece


AsyncUpload: TypeAlias = AsyncPieces | AsyncFilePieces
"""A request body in pieces."""
