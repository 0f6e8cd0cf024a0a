"""Files that a request is made of: images and blobs."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from arriero.errors import (
    RequestError,
)

from .scripted import Colour, reply


@pytest.mark.parametrize("kind", [str, Path])
def test_an_image_is_read_from_disk(colour: Colour, tmp_path: Path, kind: Any) -> None:
    """When the request is sent."""
    path = tmp_path / "a.png"
    client = colour.client(reply(b'{"done":true}'))
    path.write_bytes(b"hi")
    colour.do(client.generate("m", "hi", images=kind(path)))

    assert b'"images":["aGk="]' in colour.script.sent[0].body


def test_an_image_may_be_an_open_file(colour: Colour, tmp_path: Path) -> None:
    """Read from where it stands."""
    path = tmp_path / "a.png"
    path.write_bytes(b"hi")
    client = colour.client(reply(b'{"done":true}'))
    with path.open("rb") as file:
        colour.do(client.generate("m", "hi", images=file))

    assert b'"images":["aGk="]' in colour.script.sent[0].body


def test_an_image_that_is_not_there_is_named(colour: Colour, tmp_path: Path) -> None:
    """The system's reason comes with it."""
    client = colour.client()

    with pytest.raises(RequestError, match=r"none\.png' cannot be read: No such file"):
        colour.do(client.generate("m", "hi", images=tmp_path / "none.png"))


def test_a_blob_is_uploaded_unless_it_is_there(colour: Colour, tmp_path: Path) -> None:
    """HEAD, then POST of the file itself; only HEAD the second time."""
    path = tmp_path / "blob"
    path.write_bytes(b"x" * 3_000_000)
    digest = f"sha256:{hashlib.sha256(b'x' * 3_000_000).hexdigest()}"
    client = colour.client(reply(status=404), reply(status=201), reply())

    assert colour.do(client.create_blob(path)) == digest
    assert colour.do(client.create_blob(str(path))) == digest
    assert [sent.request.method for sent in colour.script.sent] == ["HEAD", "POST", "HEAD"]
    assert colour.script.sent[1].body == b"x" * 3_000_000


@pytest.mark.parametrize("path", ["/nowhere/at/all", 5, None])
def test_a_path_that_cannot_be_read_is_refused(colour: Colour, path: Any) -> None:
    """With an error of ours."""
    client = colour.client()

    with pytest.raises(RequestError):
        colour.do(client.create_blob(path))


def test_an_image_file_that_is_closed_is_a_request_error(colour: Colour) -> None:
    """What its `read` raises does not cross the API."""
    file = BytesIO(b"x")
    file.close()

    client = colour.client()

    with pytest.raises(RequestError, match="closed file"):
        colour.do(client.generate("m", "hi", images=[file]))
