"""Digests of blobs, and the file names made of them.

Source: Ollama v0.33.0-rc2, manifest/paths.go BlobsPath.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from .errors import InvalidDigest

_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})", re.ASCII)
_FILE = re.compile(r"sha256-([0-9a-f]{64})", re.ASCII)


def file_name(digest: str) -> str:
    """Give the name of a blob's file, which cannot lead out of its folder.

    Raises:
        InvalidDigest: the text is not ``sha256:`` or ``sha256-`` and 64 hex digits.
    """
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise InvalidDigest
    return f"sha256-{match[1]}"


def digest_in(name: str) -> str | None:
    """Give the digest a file name stands for, or None if it is not a blob's."""
    match = _FILE.fullmatch(name)
    return f"sha256:{match[1]}" if match else None


def digest_of(data: bytes) -> str:
    """Digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_of_file(path: Path) -> str:
    """Digest of a whole file. Raises `OSError`."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
