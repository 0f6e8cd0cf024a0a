"""`Image` as the `ollama` package has it: a dump holds what is sent."""

from __future__ import annotations

from typing import Any

from arriero._core.images import ImagePath, image_to_wire, loaded
from arriero.errors import RequestError
from arriero.types import image


class Image(image.Image):
    """`arriero.Image`, but a dump reads the file."""

    def _dump(self, how: Any) -> Any:
        """Give base64.

        Raises:
            RequestError: this is no image, or the file cannot be read.
        """
        return dumped(self.value)


def dumped(value: Any) -> Any:
    """Give the base64 of an image; an open file stays as it is, to be read when it is sent.

    Raises:
        RequestError: this is no image, or the file cannot be read.
    """
    made = image_to_wire(value, where="Image")
    if isinstance(made, str):
        return made
    if not isinstance(made, ImagePath):
        return value
    try:
        with open(made.path, "rb") as file:
            return loaded(file.read())
    except OSError as cause:
        if made.text is not None:
            return made.text
        reason = "it does not exist" if isinstance(cause, FileNotFoundError) else cause.strerror
        raise RequestError(f"Image: {made.path!r} cannot be read: {reason}") from cause
