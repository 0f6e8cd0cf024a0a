"""Manifests as files: where they are, which name each has, what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from ...names import InvalidName, ModelName
from .errors import CorruptManifest
from .manifests import Manifest, decode_manifest

_MAX_MANIFEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One manifest on disk.

    Attributes:
        name: The model, spelt as on disk.
        path: The manifest.
        modified_at_ns: When it was written.
        stamp: Differs from one version of the file to the next.
    """

    name: ModelName
    path: Path
    modified_at_ns: int
    stamp: tuple[int, ...]


def entry_of(root: Path, name: ModelName) -> Entry:
    """Look at the manifest of a name as it is spelt. Raises `OSError`, `InvalidName`."""
    path = manifest_path(root, name)
    about = path.stat()
    if not path.is_file():
        raise InvalidName(str(path))
    stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
    return Entry(name, path, about.st_mtime_ns, stamp)


def manifest_path(root: Path, name: ModelName) -> Path:
    """Where the manifest of a name is, or would be."""
    return root / "manifests" / name.host / name.namespace / name.model / name.tag


def spelt(root: Path, name: ModelName) -> ModelName:
    """Give a name the spelling of the model on disk that differs in case only."""
    folder = root / "manifests"
    for field in fields(name):
        part: str = getattr(name, field.name)
        if not _exists(folder / part):
            part = _other_case(folder, part) or part
            name = replace(name, **{field.name: part})
        folder /= part
    return name


def name_of(path: Path) -> ModelName:
    """Give the name that the place of a manifest means. Raises `InvalidName`."""
    host, namespace, model, tag = path.parts[-4:]
    return ModelName.checked(host, namespace, model, tag)


def read_manifest(path: Path) -> tuple[bytes, Manifest, str]:
    """Give its bytes, what they say, and their digest in hex. Raises `CorruptManifest`."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_MANIFEST_BYTES)
    except OSError as cause:
        raise CorruptManifest(f"{path}: {cause.strerror}") from cause
    try:
        return data, decode_manifest(data), hashlib.sha256(data).hexdigest()
    except CorruptManifest as cause:
        raise CorruptManifest(f"{path}: {cause}") from cause


def manifest_files(root: Path) -> Iterator[Path]:
    """Every file that lies where manifests lie, whatever its name."""
    with suppress(OSError):
        for path in (root / "manifests").glob("*/*/*/*"):
            if not path.name.startswith(".") and path.is_file():
                yield path


def remove_empty_folders(root: Path, folder: Path) -> None:
    """Remove a folder and those above it as far as they are empty."""
    while folder != root / "manifests":
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def files_in(folder: Path) -> Iterator[Path]:
    """What a folder has, in order; nothing if it is not there."""
    with suppress(OSError):
        yield from sorted(folder.iterdir())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # Too long for this file system: it cannot be there.
        return False


def _other_case(folder: Path, part: str) -> str | None:
    folded = part.lower()
    return next((path.name for path in files_in(folder) if path.name.lower() == folded), None)
