"""Request bodies in pieces, so that a large one never lies in memory whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from arriero._core.http import Fault, FileBody

PIECE_BYTES = 262_144
"""Size of one piece: large enough that reading and sending dwarf the Python between."""


def pieces_of(body: FileBody) -> Iterator[bytes]:
    """Read a file piece by piece.

    Raises:
        Fault: ``closed``: the file cannot be read, or is shorter than it was said to be.
    """
    try:
        with open(body.path, "rb") as file:
            left = body.size
            while left > 0:
                piece = file.read(min(PIECE_BYTES, left))
                if not piece:
                    raise _too_short(body)
                left -= len(piece)
                yield piece
    except OSError as cause:
        raise _unreadable(body, cause) from cause


async def async_pieces_of(body: FileBody) -> AsyncIterator[bytes]:
    """As `pieces_of`, reading in threads of the loop's default executor."""
    try:
        with await asyncio.to_thread(open, body.path, "rb") as file:
            left = body.size
            while left > 0:
                piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, left))
                if not piece:
                    raise _too_short(body)
                left -= len(piece)
                yield piece
    except OSError as cause:
        raise _unreadable(body, cause) from cause


def _too_short(body: FileBody) -> Fault:
    return Fault("closed", "send", f"{body.path} became shorter while it was sent")


def _unreadable(body: FileBody, cause: OSError) -> Fault:
    return Fault("closed", "prepare", f"cannot read {body.path}: {cause.strerror or cause}")
