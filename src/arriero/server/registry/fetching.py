"""What a pull asks of a registry."""

from __future__ import annotations

import re

from ...names import ModelName
from .. import gojson
from ..store import manifests as kinds
from ..store.errors import CorruptManifest
from ..store.manifests import Manifest, decode_manifest
from .messages import Answer, Lost, Operation, Request, TransferFailed
from .session import Session

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.ASCII)
_TENSOR = "application/vnd.ollama.image.tensor"


class NoRanges(TransferFailed):
    """The registry gives a blob only as a whole."""


def fetch_manifest(session: Session) -> Operation[bytes]:
    """Get the manifest of a tag, byte for byte. Raises `TransferFailed`."""
    path = session.path(f"manifests/{session.name.tag}")
    answer = yield from session.ask(Request("GET", path, (("Accept", kinds.MANIFEST),)))
    return answer.body


def fetch_range(
    session: Session, digest: str, first: int, end: int, total: int
) -> Operation[Answer]:
    """Ask for bytes `first` to `end` of a blob, `end` not among them.

    The registry is asked each time: where it redirects to may be good for minutes only.

    Raises:
        NoRanges: the answer would be the whole blob.
        Lost: there is no answer, or one that is about something else.
        StatusRefused: the answer is an error.
    """
    headers = (("Range", f"bytes={first}-{end - 1}"), ("Accept-Encoding", "identity"))
    path = session.path(f"blobs/{digest}")
    answer = yield from session.ask(Request("GET", path, headers, streams=True))
    if answer.status == 206:
        found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        size = None if found is None or found[3] == "*" else int(found[3])
        if size not in (None, total):
            raise TransferFailed(f"blob {digest} has {size} bytes, its manifest says {total}")
        if found is not None and int(found[1]) == first and int(found[2]) < end:
            return answer
        raise Lost(f"blob {digest}: the answer is another range than was asked for")
    if answer.status != 200:
        raise Lost(f"blob {digest}: unexpected status code {answer.status}")
    if (first, end) != (0, total):
        raise NoRanges(f"blob {digest}: no ranges")
    return answer


def read_manifest(name: ModelName, data: bytes) -> Manifest:
    """Read a manifest that was fetched; refuse what this server could not run.

    Raises:
        TransferFailed: it is none, or one of a model of another kind.
    """
    try:
        raw: object = gojson.decode(data)
    except gojson.JsonError as error:
        raise TransferFailed(f"pull model manifest: {error}") from error
    try:
        manifest = decode_manifest(data)
    except CorruptManifest as error:
        if _has_empty_digest(raw):
            text = f"{name.namespace}/{name.model}: digest is empty"
        else:
            text = f"pull model manifest: {error}"
        raise TransferFailed(text) from error
    if manifest.of_type(_TENSOR):
        raise TransferFailed(
            "this model requires MLX support, but the MLX runtime is not available"
        )
    if not manifest.of_type(kinds.MODEL):
        raise TransferFailed(f"{name.shortest} has no weights in GGUF format: it cannot run here")
    return manifest


def _has_empty_digest(raw: object) -> bool:
    if not gojson.is_object(raw):
        return False
    layers = raw.get("layers")
    found = [*(layers if gojson.is_list(layers) else ()), raw.get("config")]
    return any(gojson.is_object(layer) and layer.get("digest", "") == "" for layer in found)
