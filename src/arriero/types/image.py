"""Images given to vision models."""

from base64 import b64encode
from pathlib import Path
from typing import Any

from arriero.types.record import Record


class Image(Record):
    """An image by path, raw bytes, base64 text, data URI, file object or PIL image."""

    value: Any
    """`str` (path, base64 or ``data:`` URI), `bytes`, `pathlib.Path`, a binary file object
    or a PIL image. Read when the request is sent, not before."""

    def __repr__(self) -> str:
        value = self.value
        shown = repr(value) if isinstance(value, Path) else type(value).__name__
        return f"Image({shown})"

    def model_dump(self, **how: Any) -> Any:
        """Give what stands for the image in the dump of a message: a text, not a mapping."""
        return self._dump(how)

    def _dump(self, how: Any) -> Any:
        """Give bytes as base64, as they are sent; a path stays one: nothing is read here."""
        value = self.value
        if isinstance(value, bytes | bytearray):
            return b64encode(value).decode()
        return str(value) if isinstance(value, Path) else value
