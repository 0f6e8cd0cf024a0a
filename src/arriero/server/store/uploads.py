"""Blobs that arrive whole, in one stream."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Self

from .digests import file_name
from .errors import told
from .files import Draft


class Upload:
    """A blob being received. Leaving the block without `finish` drops it.

    Attributes:
        is_new: Whether the finished blob was not there before.
    """

    is_new = False

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._hash = hashlib.sha256()
        self._draft = Draft(folder, "sha256", durable=durable)

    def write(self, data: bytes) -> None:
        """Append. Raises `StoreError`."""
        self._hash.update(data)
        with told():
            self._draft.write(data)

    def finish(self) -> str:
        """Keep it under its digest, and give that. Raises `StoreError`."""
        digest = f"sha256:{self._hash.hexdigest()}"
        target = self._folder / file_name(digest)
        with told():
            # What has the name has the content; on Windows it may be in use, too.
            if not target.exists():
                self._draft.commit(target)
                self.is_new = True
        return digest

    def __enter__(self) -> Self:
        """Give the upload."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop it unless it was finished."""
        self.discard()

    def discard(self) -> None:
        """Drop it unless it was finished."""
        self._draft.discard()
