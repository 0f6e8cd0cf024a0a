"""What users give as an image."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image as Pil

from arriero._core.images import (
    ImageFile,
    ImagePath,
    ImageSlot,
    image_to_wire,
    images_to_wire,
    loaded,
)
from arriero.errors import RequestError
from arriero.types.image import Image

DATA = b"\x89PNG data"
TEXT = base64.b64encode(DATA).decode()
LONG = "aGk=" * 300


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (DATA, TEXT),
        (bytearray(DATA), TEXT),
        (memoryview(DATA), TEXT),
        (Image(value=DATA), TEXT),
        ({"value": DATA}, TEXT),
        (SimpleNamespace(value=DATA), TEXT),
        (f"data:image/png;base64,{TEXT}", TEXT),
        ("aGk" * 400, "aGk" * 400),
        ("photo.png", ImagePath("photo.png")),
        ("aGk=", ImagePath("aGk=", "aGk=")),
        (Path("photo.png"), ImagePath("photo.png")),
        (Image(value="photo.png"), ImagePath("photo.png")),
        (Image(value=Path("a")), ImagePath("a")),
    ],
)
def test_an_image_is_told_by_its_type(value: object, sent: object) -> None:
    """Bytes and data are sent, names are read when the request is; a short text may be both."""
    assert image_to_wire(value, where="images[0]") == sent


def test_an_open_file_is_read_later() -> None:
    """A binary file object is not touched while arguments are checked."""
    file = BytesIO(DATA)

    assert image_to_wire(file, where="x") == ImageFile(file)
    assert file.tell() == 0


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "1"])
def test_a_pil_image_is_sent_as_png(mode: str) -> None:
    """Modes that PNG does not know are converted first."""
    sent = image_to_wire(Pil.new(mode, (2, 3)), where="x")

    assert isinstance(sent, str)
    with Pil.open(BytesIO(base64.b64decode(sent))) as read:
        assert (read.format, read.size) == ("PNG", (2, 3))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("data:image/png;base64", "data: URI"),
        ("data:image/png,abc", "data: URI"),
        ("data:image/png;base64,a-b_", "data: URI"),
        ("data:image/png;base64,abc", "data: URI"),
        ("http://a/b.png", "not fetched"),
        ("https://a/b.png", "not fetched"),
        ("", "empty"),
        ("x y " * 300, "neither base64 nor a path"),
        ("A" * 2001, "neither base64 nor a path"),
        (5, "not int"),
        (SimpleNamespace(value=None), "not SimpleNamespace"),
    ],
)
def test_what_is_no_image_is_refused(value: Any, message: str) -> None:
    """Nothing is sent that the server could not read; the place is named."""
    with pytest.raises(RequestError, match=message) as caught:
        image_to_wire(value, where="messages[2].images[0]")

    assert str(caught.value).startswith("messages[2].images[0]: ")


def test_line_breaks_in_base64_are_data() -> None:
    """Base64 as mail writes it is taken, as the server takes it."""
    assert image_to_wire("aGlo\r\n" * 300, where="x") == "aGlo\r\n" * 300


def test_slots_wait_for_what_must_be_read() -> None:
    """The list holds the place of an image; the slot says where it belongs."""
    slots: list[ImageSlot] = []
    made = images_to_wire([DATA, "photo.png", Path("b.png")], slots, where="images")

    assert made == [TEXT, "", ""]
    assert [(slot.index, slot.source) for slot in slots] == [
        (1, ImagePath("photo.png")),
        (2, ImagePath("b.png")),
    ]
    assert all(slot.images is made for slot in slots)


@pytest.mark.parametrize("value", [DATA, [DATA], (DATA,)])
def test_one_image_needs_no_list(value: object) -> None:
    """A single image and a sequence of them mean the same."""
    assert images_to_wire(value, [], where="images") == [TEXT]


def test_what_was_read_becomes_base64() -> None:
    """Text files hold text, which has bytes too."""
    assert loaded(DATA) == TEXT
    assert loaded("hi") == "aGk="
