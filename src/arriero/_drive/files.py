"""Reading files, for both drivers."""

from __future__ import annotations

import hashlib
from typing import Any

_CHUNK_BYTES = 1 << 20


def read_file(file: Any) -> Any:
    """Read what the caller opened.

    Raises:
        OSError: it cannot be read, or is closed.
    """
    try:
        return file.read()
    except ValueError as cause:
        raise OSError(str(cause)) from cause


def hash_file(path: str) -> tuple[str, int]:
    """Give a file's digest and size, reading it once."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size
