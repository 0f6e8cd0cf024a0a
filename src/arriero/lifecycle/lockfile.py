"""`models.lock`: which versions exactly, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from arriero.errors import RequestError
from arriero.lifecycle.facts import Facts
from arriero.lifecycle.wanted import Wanted, WantedModel
from arriero.lifecycle.writing import write_text

FILE = "models.lock"
VERSION = 1


class LockedLayer(msgspec.Struct, frozen=True):
    """One file of a model."""

    kind: str
    digest: str
    size: int


class LockedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model, pinned."""

    wanted: str
    """Fingerprint of the entry in ``models.toml`` this was made from."""
    digest: str = ""
    """Of the manifest, for a model that is pulled."""
    base: str = ""
    """Name of the model it is made from."""
    base_digest: str = ""
    """That model's digest."""
    size: int = 0
    """Bytes of a pulled model; 0 if nobody said."""
    layers: tuple[LockedLayer, ...] = ()
    files: dict[str, str] = {}
    """Digests of local files and adapters, by their names."""
    facts: Facts = Facts()
    """What its server will show."""
    licences: tuple[str, ...] = ()
    """SPDX identifiers; empty if nobody could read them yet."""
    server: str = ""
    """Version of the server that was asked."""

    @property
    def blobs(self) -> tuple[tuple[str, str], ...]:
        """Kind and digest of every file that is known."""
        layers = tuple((layer.kind, layer.digest) for layer in self.layers)
        return layers or tuple(
            ("model", digest) for digest in (*self.facts.weights, *self.facts.adapters)
        )


class Lock(msgspec.Struct, frozen=True):
    """Every model, pinned. Equal locks are equal files."""

    models: dict[str, LockedModel] = {}
    version: int = VERSION

    def encode(self) -> bytes:
        """Give the text of the file: sorted, indented, so that a change is a small diff."""
        return (
            msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"
        )

    def write(self, path: str | Path = FILE) -> None:
        """Write the file, whole or not at all. Raises `RequestError`."""
        write_text(Path(path), self.encode().decode())

    def stale(self, wanted: Wanted) -> tuple[str, ...]:
        """Say what of the lock does not fit what is wanted, a line for each."""
        found = [
            f"{name} is not locked"
            if name not in self.models
            else f"{name} or its base was changed since it was locked"
            for name, model in wanted.models.items()
            if not self.has(model)
        ]
        found += [f"{name} is locked, but not wanted" for name in self.models
                  if name not in wanted.models]  # fmt: skip
        return tuple(found)

    def has(self, model: WantedModel) -> bool:
        """Tell whether a model is locked as it is wanted now."""
        locked = self.models.get(model.name)
        if locked is None or locked.wanted != model.fingerprint:
            return False
        base = self.models.get(locked.base)
        return base is None or base.digest == locked.base_digest


_ANEW = "delete it and run 'arriero models lock'"
"""It is not written over by itself: it may be the only one who knows what is in use."""


def read_lock(path: str | Path = FILE) -> Lock:
    """Read a lock; one that is not there is empty.

    Raises:
        RequestError: it cannot be read, or another version of arriero wrote it.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Lock()
    except OSError as cause:
        raise RequestError(f"{path} cannot be read: {cause.strerror}") from cause
    try:
        raw: Mapping[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        if raw.get("version") != VERSION:
            raise RequestError(
                f"{path} has version {raw.get('version')!r}, this arriero reads {VERSION}:"
                f" take the arriero that wrote it, or {_ANEW}"
            )
        return msgspec.convert(raw, Lock)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise RequestError(f"{path} is no lock: {cause}; mend it, or {_ANEW}") from cause


def require_fresh(lock: Lock, wanted: Wanted) -> None:
    """Refuse a lock that does not fit.

    Raises:
        RequestError: says what does not.
    """
    if stale := lock.stale(wanted):
        raise RequestError(f"models.lock is stale: {'; '.join(stale)}. Run 'arriero models lock'")
