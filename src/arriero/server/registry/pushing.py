"""What a push asks of a registry."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from ...names import InvalidName, parse_name
from ..store import manifests as kinds
from ..store.manifests import Layer
from .messages import Answer, FilePart, Headers, Operation, Request, StatusRefused, TransferFailed
from .session import Session, checked

_RANGE = re.compile(r"(?:bytes=)?0-(\d+)", re.ASCII)

_COMMIT_S = 600.0
"""A registry may read a blob of many gigabytes anew before it says that it has it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an upload goes on.

    Attributes:
        url: Where the next piece goes.
        received: Bytes of the blob the registry has.
    """

    url: str
    received: int


def has_blob(session: Session, digest: str) -> Operation[bool]:
    """Ask whether the registry has a blob already. Raises `TransferFailed`."""
    request = Request("HEAD", session.path(f"blobs/{digest}"))
    answer, url = yield from session.followed(request)
    if answer.status == 404:
        return False
    checked(answer, url)
    return True


def begin_upload(session: Session, layer: Layer) -> Operation[Place | None]:
    """Announce a blob; None if the registry took it over from the model it came with.

    Raises:
        TransferFailed: the registry does not want it.
    """
    mount: dict[str, str] = {}
    if layer.parent:
        try:
            parent = parse_name(layer.parent)
            mount = {"from": f"{parent.namespace}/{parent.model}", "mount": layer.digest}
        except InvalidName:
            # It was written by hand; without it nothing is lost but time.
            mount = {}
    query = f"?{urlencode(mount)}" if mount else ""
    path = session.path(f"blobs/uploads/{query}")
    answer = yield from session.ask(Request("POST", path, (("X-Redirect-Uploads", "1"),)))
    if answer.status == 201:
        return None
    return Place(_next(session, path, answer), 0)


def send_piece(session: Session, place: Place, piece: FilePart) -> Operation[Place]:
    """Send a piece of a blob, which begins where the registry has its end.

    Raises:
        StatusRefused: 416 if the registry has another end; see `look_up`.
        TransferFailed: the registry does not want it.
    """
    end = piece.offset + piece.size_bytes
    headers: Headers = (
        ("Content-Type", "application/octet-stream"),
        ("Content-Range", f"{piece.offset}-{end - 1}"),
        ("X-Redirect-Uploads", "1"),
    )
    request = Request("PATCH", place.url, headers, piece)
    answer, url = yield from session.followed(request)
    if answer.status == 307:
        target = session.resolve(url, answer.headers.get("location", ""))
        # To storage that knows nothing of the registry's tokens.
        sent = yield session.to_stranger(Request("PUT", target, body=piece))
        checked(sent, target)
    elif answer.status >= 400:
        _refuse(answer)
    return Place(_next(session, url, answer), end)


def look_up(session: Session, place: Place) -> Operation[Place]:
    """Ask how much of a blob the registry has, after a piece that went wrong.

    Raises:
        TransferFailed: it does not say.
    """
    answer = yield from session.ask(Request("GET", place.url))
    match = _RANGE.fullmatch(answer.headers.get("range", ""))
    # "0-0" is what stands for nothing at all, and for one byte.
    received = int(match[1]) + 1 if match and int(match[1]) else 0
    return Place(_next(session, place.url, answer, else_=place.url), received)


def finish_upload(session: Session, place: Place, digest: str, checksum: str) -> Operation[None]:
    """Say that a blob is complete.

    Args:
        session: The repository.
        place: Where the upload stands.
        digest: What the blob must be.
        checksum: See Ollama's upload.go; other registries ignore it.

    Raises:
        TransferFailed: it is not, or the registry cannot keep it.
    """
    parts = urlsplit(place.url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("digest", digest)]
    if checksum:
        query.append(("etag", checksum))
    url = parts._replace(query=urlencode(query)).geturl()
    answer, _ = yield from session.followed(Request("PUT", url, patience_s=_COMMIT_S))
    if answer.status >= 400:
        _refuse(answer)


def checksum_of(parts: Sequence[bytes]) -> str:
    """Sum up the MD5 digests of the parts of a blob, as object stores do.

    Source: Ollama v0.33.0-rc2, server/upload.go.
    """
    if not parts:
        return ""
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def put_manifest(session: Session, data: bytes) -> Operation[None]:
    """Give a tag its manifest. Raises `TransferFailed`."""
    path = session.path(f"manifests/{session.name.tag}")
    headers = (("Content-Type", kinds.MANIFEST),)
    yield from session.ask(Request("PUT", path, headers, data))


def _next(session: Session, url: str, answer: Answer, *, else_: str = "") -> str:
    location = answer.headers.get("docker-upload-location") or answer.headers.get("location")
    if not location and not else_:
        raise TransferFailed("the registry does not say where the upload goes on")
    base = url if not url.startswith("/") else f"{session.origin}{url}"
    return session.resolve(base, location or else_)


def _refuse(answer: Answer) -> None:
    text = answer.body.decode("utf-8", "replace").strip()
    raise StatusRefused(answer.status, f"http status {answer.status}: {text[:4096]}")
