"""Manifests and configs: what a model is made of.

Source: Ollama v0.33.0-rc2, manifest/manifest.go, types/model/config.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import gojson
from .digests import digest_in, file_name
from .errors import CorruptManifest, InvalidDigest

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
_IMAGE = "application/vnd.ollama.image."
MODEL = _IMAGE + "model"
PROJECTOR = _IMAGE + "projector"
ADAPTER = _IMAGE + "adapter"
TEMPLATE = _IMAGE + "template"
PROMPT = _IMAGE + "prompt"
"""The name of `TEMPLATE` in old manifests."""
SYSTEM = _IMAGE + "system"
PARAMETERS = _IMAGE + "params"
MESSAGES = _IMAGE + "messages"
LICENSE = _IMAGE + "license"


@dataclass(frozen=True, slots=True)
class Layer:
    """One blob and what it is.

    Attributes:
        media_type: One of the constants above, or one this version does not know.
        digest: ``sha256:`` and 64 hex digits.
        size_bytes: Its size.
        parent: Shortest name of the model it was taken from, or "".
        name: Name of the tensor or file in it, or "".
    """

    media_type: str
    digest: str
    size_bytes: int
    parent: str = ""
    name: str = ""

    def record(self) -> dict[str, Any]:
        """The layer as a manifest has it."""
        found: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size_bytes,
        }
        if self.parent:
            found["from"] = self.parent
        if self.name:
            found["name"] = self.name
        return found


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model: its config and its layers in order."""

    config: Layer
    layers: Sequence[Layer]

    @property
    def size_bytes(self) -> int:
        """Size of everything in it."""
        return self.config.size_bytes + sum(layer.size_bytes for layer in self.layers)

    @property
    def digests(self) -> frozenset[str]:
        """Every blob it needs."""
        return frozenset((self.config.digest, *(layer.digest for layer in self.layers)))

    def of_type(self, media_type: str) -> list[Layer]:
        """Its layers of one kind."""
        return [layer for layer in self.layers if layer.media_type == media_type]

    def encode(self) -> bytes:
        """Write it down, as Ollama does to the byte: the digest of a model hangs on it."""
        return encoded({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.config.record(),
            "layers": [layer.record() for layer in self.layers],
        })  # fmt: skip


def encoded(value: Any) -> bytes:
    """JSON as Go's encoder writes it to a file: with a newline."""
    return gojson.encode(value) + b"\n"


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises `CorruptManifest`."""
    raw = _object(data, "manifest")
    layers: Any = raw.get("layers")
    if layers is None:
        return Manifest(_layer(raw.get("config")), ())
    if not gojson.is_list(layers):
        raise CorruptManifest("manifest: layers are not a list")
    return Manifest(_layer(raw.get("config")), tuple(_layer(layer) for layer in layers))


def _layer(raw: Any) -> Layer:
    if not gojson.is_object(raw):
        raise CorruptManifest("manifest: a layer is not an object")
    media_type, digest = raw.get("mediaType", ""), raw.get("digest", "")
    size, parent, name = raw.get("size", 0), raw.get("from", ""), raw.get("name", "")
    texts = (media_type, digest, parent, name)
    if not all(isinstance(text, str) for text in texts) or not isinstance(size, int):
        raise CorruptManifest("manifest: a layer has a value of the wrong type")
    if size < 0:
        raise CorruptManifest("manifest: a layer has a negative size")
    try:
        known = digest_in(file_name(digest))
    except InvalidDigest:
        known = None
    if known is None:
        raise CorruptManifest("manifest: a layer has no valid digest")
    return Layer(media_type, known, size, parent, name)


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        raw = gojson.decode(data)
    except gojson.JsonError as cause:
        raise CorruptManifest(f"{what}: {cause}") from cause
    if not gojson.is_object(raw):
        raise CorruptManifest(f"{what}: not an object")
    return raw


_CONFIG_KEYS = (
    "model_format", "model_family", "model_families", "model_type", "file_type", "renderer",
    "parser", "requires", "remote_host", "remote_model", "capabilities", "context_length",
    "embedding_length", "base_name", "draft", "architecture", "os",
)  # fmt: skip

_ALWAYS: Mapping[str, Any] = {
    "model_format": "",
    "model_family": "",
    "model_families": None,
    "model_type": "",
    "file_type": "",
    "architecture": "amd64",
    "os": "linux",
}
"""Keys that are written even when empty; the last two Docker asks for."""


def encode_config(values: Mapping[str, Any]) -> bytes:
    """Write a config: keys in Ollama's order, empty ones left out."""
    record = {
        key: values.get(key) or _ALWAYS.get(key)
        for key in _CONFIG_KEYS
        if key in _ALWAYS or values.get(key)
    }
    return encoded(record)


def decode_config(data: bytes) -> dict[str, Any]:
    """Read a config: the keys known here, values of the wrong type left out.

    Raises:
        CorruptManifest: it is no JSON object.
    """
    raw = _object(data, "config")
    found = {key: raw[key] for key in _CONFIG_KEYS if key in raw}
    return {key: value for key, value in found.items() if _fits(key, value)}


def _fits(key: str, value: Any) -> bool:
    if key in ("model_families", "capabilities"):
        return gojson.is_list(value) and all(isinstance(item, str) for item in value)
    if key in ("context_length", "embedding_length"):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, dict if key == "draft" else str)
