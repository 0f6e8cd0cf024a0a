"""What a registry says of a model before a byte of it is pulled.

A registry is asked by this machine, not by the server that will pull, and without
credentials: what it does not tell is unknown, which is not an error of the model.

Source: Ollama v0.33.0-rc2, server/images.go; the registry protocol is Docker's, version 2.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from arriero._core.calls import Call
from arriero._core.host import parse_host
from arriero._core.http import Head
from arriero.errors import ProtocolError, RequestError
from arriero.names import InvalidName, ModelName, parse_name
from arriero.settings import Timeouts

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_IMAGE = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

MAX_TEXT_BYTES = 1 << 20
"""Largest layer that is read as a text; licences and templates are far smaller."""

_PATIENCE = Timeouts(connect_s=5.0, first_token_s=20.0, total_s=30.0)
"""A question on the side must not hold up what it is asked for."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of a model."""

    digest: str
    """``sha256:`` and 64 hex digits."""
    size: int
    """Bytes."""
    kind: str
    """``model``, ``template``, ``license``, ``params`` and so on; ``config`` for the config."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model is made of."""

    digest: str
    """Of the manifest itself, and so of the model: ``sha256:`` and 64 hex digits."""
    layers: tuple[Layer, ...]
    """In their order; the config is the last."""

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer.size for layer in self.layers)

    def of_kind(self, kind: str) -> tuple[Layer, ...]:
        """Give the layers of one kind."""
        return tuple(layer for layer in self.layers if layer.kind == kind)


def checked_name(model: object, call: str) -> ModelName:
    """Give a model's name, taken apart.

    Raises:
        RequestError: it is none.
    """
    try:
        return parse_name(cast("str", model).strip())
    except (InvalidName, AttributeError) as cause:
        raise RequestError(
            f"{call}: {model!r} is no model name; write name, name:tag or host/namespace/name:tag"
        ) from cause


def checked_digest(value: str, call: str) -> str:
    """Give a digest as ``sha256:`` and 64 hex digits; without the prefix, as lists have it, too.

    Raises:
        RequestError: it is none.
    """
    text = value.lower().removeprefix("sha256:").removeprefix("sha256-")
    if not _DIGEST.fullmatch(f"sha256:{text}"):
        raise RequestError(f"{call}: a digest is 'sha256:' and 64 hex digits, not {value!r}")
    return f"sha256:{text}"


def manifest(name: ModelName, *, insecure: bool = False) -> Call[Manifest]:
    """Build a question for a model's manifest. Answered 404, there is no such model."""
    return _ask(name, f"manifests/{name.tag}", MANIFEST, _manifest_of, insecure=insecure)


def text(name: ModelName, layer: Layer, *, insecure: bool = False) -> Call[str]:
    """Build a question for a layer that is text.

    Raises:
        RequestError: it is larger than a text is.
    """
    if layer.size > MAX_TEXT_BYTES:
        raise RequestError(f"layer {layer.digest} has {layer.size:,} bytes: that is no text")

    def read(head: Head, body: bytes) -> str:
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != layer.digest:
            raise ProtocolError(f"what the registry sent for {layer.digest} has another digest")
        return body.decode("utf-8", "replace")

    return _ask(name, f"blobs/{layer.digest}", "*/*", read, insecure=insecure)


def _ask(name: ModelName, what: str, accept: str, read: Any, *, insecure: bool) -> Call[Any]:
    scheme = "http" if insecure else "https"
    return Call(
        "GET",
        f"/v2/{name.namespace}/{name.model}/{what}",
        whole=read,
        base=parse_host(f"{scheme}://{name.host}"),
        headers={"accept": accept},
        timeouts=_PATIENCE,
    )


def _manifest_of(head: Head, body: bytes) -> Manifest:
    try:
        raw = msgspec.json.decode(body)
        layers = [*raw["layers"], {**raw["config"], "mediaType": "config"}]
        made = tuple(map(_layer, layers))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as cause:
        raise ProtocolError("what the registry sent is no manifest of a model") from cause
    return Manifest(f"sha256:{hashlib.sha256(body).hexdigest()}", made)


def _layer(raw: Mapping[str, Any]) -> Layer:
    digest, size, kind = raw["digest"], raw["size"], raw["mediaType"]
    if not _DIGEST.fullmatch(digest) or type(size) is not int or size < 0:
        raise ValueError(raw)
    return Layer(digest, size, kind.removeprefix(_IMAGE))
