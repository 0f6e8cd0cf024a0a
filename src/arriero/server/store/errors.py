"""What can go wrong with a store."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class StoreError(Exception):
    """The store cannot do what was asked; the message is for the caller of the route."""


class InvalidDigest(StoreError):
    """A text is no digest."""

    def __init__(self) -> None:
        super().__init__("invalid digest format")


class MissingBlob(StoreError):
    """A blob is not there; the message is the one Go's `os.Open` gives."""

    def __init__(self, path: object) -> None:
        super().__init__(f"open {path}: no such file or directory")


class CorruptManifest(StoreError):
    """A manifest, or what it points to, cannot be read or makes no sense."""


@contextmanager
def told() -> Generator[None]:
    """Turn what the file system says into an error of ours."""
    try:
        yield
    except OSError as cause:
        raise StoreError(f"{cause.strerror or cause}: {cause.filename}") from cause
