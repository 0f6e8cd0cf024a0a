"""Write a small file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from arriero.errors import RequestError


def write_text(path: Path, text: str) -> None:
    """Replace a file; a reader sees the old one or the new one, after a power cut too.

    Raises:
        RequestError: it cannot be written; the old one stays.
    """
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # What mkstemp makes is the owner's alone, which a file under version control is not.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(draft, 0o666 & ~umask)
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
    except OSError as cause:
        raise RequestError(f"{path} cannot be written: {cause.strerror}") from cause
