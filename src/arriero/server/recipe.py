"""What a model has besides weights: prompt template, system text, options, first messages.

Source: Ollama v0.33.0-rc2, server/images.go GetModel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..names import ModelName
from . import gojson
from .store import CorruptManifest, Layer, Manifest, Store
from .store import manifests as kinds


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a Modelfile says besides FROM.

    Attributes:
        template: Go template, or "".
        system: System text, or "".
        parameters: Options under Ollama's names, unchecked.
        messages: Beginning of every conversation: `role` and `content`.
        adapters: LoRA files to load on top of the weights.
        projector: File that turns pictures into tokens, or None.
    """

    template: str = ""
    system: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    messages: Sequence[Mapping[str, str]] = ()
    adapters: tuple[Path, ...] = ()
    projector: Path | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a model of a store comes from.

    Attributes:
        store: The store.
        manifest: Its manifest.
        digest: SHA-256 of the manifest, 64 hex digits.
        config: Its config.
    """

    store: Store
    manifest: Manifest
    digest: str
    config: Mapping[str, Any]

    @property
    def parent(self) -> str:
        """Shortest name of the model this one was made from, or ""."""
        return next((layer.parent for layer in self.manifest.of_type(kinds.MODEL)), "")

    @property
    def licenses(self) -> list[str]:
        """Its licences. Raises `StoreError`."""
        layers = self.manifest.of_type(kinds.LICENSE)
        return [text_of(self.store, layer) for layer in layers]


def weights_of(name: ModelName, stored: Stored) -> Path:
    """Find the weights of a model.

    Raises:
        CorruptManifest: it has none this server can run; the message says why.
    """
    if stored.config.get("remote_host"):
        raise CorruptManifest(f"{name.shortest} runs on {stored.config['remote_host']}, not here")
    layers = stored.manifest.of_type(kinds.MODEL)
    kind = stored.config.get("model_format") or "gguf"
    if kind != "gguf" or not layers:
        raise CorruptManifest(f"{name.shortest} has no GGUF weights, only {kind}")
    if len(layers) > 1:
        raise CorruptManifest(f"{name.shortest} is split into {len(layers)} GGUF files")
    return stored.store.blob_path(layers[0].digest)


def recipe_of(stored: Stored) -> Recipe:
    """Read the small layers of a model. Raises `StoreError`."""
    store, manifest = stored.store, stored.manifest
    templates = [*manifest.of_type(kinds.TEMPLATE), *manifest.of_type(kinds.PROMPT)]
    adapters = manifest.of_type(kinds.ADAPTER)
    projectors = manifest.of_type(kinds.PROJECTOR)
    return Recipe(
        template=_last_text(store, templates),
        system=_last_text(store, manifest.of_type(kinds.SYSTEM)),
        parameters=parameters_of(store, manifest),
        messages=_messages(store, manifest),
        adapters=tuple(store.blob_path(layer.digest) for layer in adapters),
        projector=store.blob_path(projectors[0].digest) if projectors else None,
    )


def text_of(store: Store, layer: Layer) -> str:
    """Read a layer of text. Raises `StoreError`."""
    return store.read_blob(layer.digest).decode("utf-8", "replace")


def parameters_of(store: Store, manifest: Manifest) -> dict[str, Any]:
    """Read the options of a model. Raises `StoreError`."""
    found: dict[str, Any] = {}
    for layer in manifest.of_type(kinds.PARAMETERS):
        raw = _json(store, layer)
        if not gojson.is_object(raw):
            raise CorruptManifest(f"{layer.digest}: parameters are not an object")
        found |= raw
    return found


def _last_text(store: Store, layers: Sequence[Layer]) -> str:
    return text_of(store, layers[-1]) if layers else ""


def _messages(store: Store, manifest: Manifest) -> list[dict[str, str]]:
    layers = manifest.of_type(kinds.MESSAGES)
    raw: Any = _json(store, layers[-1]) if layers else []
    if not gojson.is_list(raw) or not all(gojson.is_object(item) for item in raw):
        raise CorruptManifest(f"{layers[-1].digest}: messages are not a list of objects")
    return [
        {"role": str(item.get("role", "")), "content": str(item.get("content") or "")}
        for item in raw
    ]


def _json(store: Store, layer: Layer) -> Any:
    try:
        return gojson.decode(store.read_blob(layer.digest))
    except gojson.JsonError as cause:
        raise CorruptManifest(f"{layer.digest}: {cause}") from cause
