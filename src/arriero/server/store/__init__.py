"""Where the server keeps its models: Ollama's layout, safe for several processes."""

from __future__ import annotations

from .entries import Entry
from .errors import CorruptManifest, InvalidDigest, MissingBlob, StoreError
from .manifests import Layer, Manifest
from .partials import Partial
from .store import Store, layer_of
from .uploads import Upload

__all__ = (
    "CorruptManifest",
    "Entry",
    "InvalidDigest",
    "Layer",
    "Manifest",
    "MissingBlob",
    "Partial",
    "Store",
    "StoreError",
    "Upload",
    "layer_of",
)
