"""What users give as an image, told apart without touching a disk.

The wire takes standard padded base64 and nothing else. Source: Ollama v0.33.0-rc2,
`api/types.go` ImageData (a Go ``[]byte``).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from os import PathLike, fspath
from typing import Any, TypeAlias, cast

import msgspec

from arriero.errors import RequestError
from arriero.types.image import Image

_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]+={0,2}[\r\n]*")
_SURELY_NO_PATH = 1024
"""Characters beyond which a text is taken for data: longer paths exist on no system we know,
and asking the disk for one is an error."""


class ImagePath(msgspec.Struct, frozen=True):
    """A file to read. `text` is what to send if there is no such file."""

    path: str
    text: str | None = None


class ImageFile(msgspec.Struct, frozen=True):
    """An open binary file to read."""

    file: Any


ImageSource: TypeAlias = ImagePath | ImageFile


class ImageSlot(msgspec.Struct, frozen=True):
    """A place in a request body that waits for an image to be loaded."""

    images: list[Any]
    index: int
    source: ImageSource


def images_to_wire(value: object, slots: list[ImageSlot], *, where: str) -> list[Any]:
    """Give the list that is sent; what must be read first is put into `slots`.

    Args:
        value: One image or a sequence of them.
        slots: Gets an entry for each image still to be loaded.
        where: Names the argument in an error.

    Raises:
        RequestError: something is no image.
    """
    many = _many(value)
    made: list[Any] = []
    for index, item in enumerate(many):
        source = image_to_wire(item, where=f"{where}[{index}]")
        if not isinstance(source, str):
            slots.append(ImageSlot(made, index, source))
            source = ""
        made.append(source)
    return made


def _many(value: object) -> Sequence[object]:
    if isinstance(value, list | tuple):
        return cast("Sequence[object]", value)
    return (value,)


def image_to_wire(value: object, *, where: str) -> str | ImageSource:
    """Give base64 text, or what to read to get it.

    Raises:
        RequestError: this is no image.
    """
    if isinstance(value, Image):
        return image_to_wire(value.value, where=where)
    if isinstance(value, Mapping) and "value" in value:
        return image_to_wire(cast("Mapping[str, object]", value)["value"], where=where)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()  # pyright: ignore[reportUnknownArgumentType]  # a view of anything
    if isinstance(value, str):
        return _text_to_wire(value, where)
    if isinstance(value, PathLike):
        return ImagePath(fspath(cast("PathLike[str]", value)))
    return _object_to_wire(value, where)


def _object_to_wire(value: Any, where: str) -> str | ImageSource:
    if hasattr(value, "save") and hasattr(value, "mode"):  # a PIL image, without importing PIL
        return _pil_to_wire(value)
    if hasattr(value, "read"):
        return ImageFile(value)
    inner = getattr(value, "value", None)  # the `ollama` package's own Image
    if inner is not None:
        return image_to_wire(inner, where=where)
    raise RequestError(
        f"{where}: an image is a path, bytes, base64 text, a data: URI, a binary file or a"
        f" PIL image, not {type(value).__name__}"
    )


def _text_to_wire(text: str, where: str) -> str | ImageSource:
    if text.startswith("data:"):
        head, comma, data = text.partition(",")
        if not comma or not head.endswith(";base64") or not _is_base64(data):
            raise RequestError(f"{where}: a data: URI must read data:image/...;base64,<base64>")
        return data
    if text.startswith(("http://", "https://")):
        raise RequestError(f"{where}: images are not fetched from URLs; pass the bytes")
    is_data = _is_base64(text)
    if len(text) > _SURELY_NO_PATH:
        if not is_data:
            raise RequestError(f"{where}: neither base64 nor a path ({len(text)} characters)")
        return text
    if not text:
        raise RequestError(f"{where}: an empty text is no image")
    return ImagePath(text, text if is_data else None)


def _is_base64(text: str) -> bool:
    if not _BASE64.fullmatch(text):
        return False
    try:
        base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except binascii.Error:
        return False
    return True


def _pil_to_wire(image: Any) -> str:
    held = BytesIO()
    ready = (
        image
        if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
        else image.convert("RGB")
    )
    ready.save(held, "PNG")
    return base64.b64encode(held.getvalue()).decode()


def loaded(data: bytes | str) -> str:
    """Give the base64 of what was read."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()
