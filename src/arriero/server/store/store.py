"""Models on disk, in Ollama's layout: manifests by name, blobs by digest.

Two servers may share one store. Files appear whole or not at all, so readers need no lock.
Whoever adds a model holds the lock together with others of its kind; whoever removes blobs
holds it alone, so no blob vanishes between its check and the manifest that names it.

Source: Ollama v0.33.0-rc2, manifest/.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from ...names import InvalidName, ModelName
from .digests import digest_in, digest_of, digest_of_file, file_name
from .entries import (
    Entry,
    entry_of,
    files_in,
    manifest_files,
    manifest_path,
    name_of,
    read_manifest,
    remove_empty_folders,
    spelt,
)
from .errors import CorruptManifest, MissingBlob, StoreError, told
from .files import Draft, remove_leftovers
from .locks import locked
from .manifests import Layer, Manifest
from .partials import Partial, remove_abandoned
from .uploads import Upload

_LOCK_WAIT_S = 60.0
_YOUNG_S = 3600.0
"""Ollama's pruning spares blobs younger than this: somebody may be about to use them."""

_FORGOTTEN_S = 7 * 24 * 3600.0
"""Ollama throws downloads away after an hour; a large one may wait for a night or a weekend."""

_PIECE_BYTES = 1024 * 1024
_log = logging.getLogger("arriero.server")


class Store:
    """One folder of models. Methods block; threads and processes may share it.

    Args:
        root: The folder, as `OLLAMA_MODELS` names it; made when something is first written.
            None means a folder of its own that is removed by `close`.

    Raises:
        StoreError: as each method, if the file system refuses.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._durable = root is not None
        self._remove: Callable[[], object] | None = None

    @property
    def root(self) -> Path | None:
        """The folder; None for a private one that has not been needed yet."""
        return self._root

    def close(self) -> None:
        """Remove a private folder. Harmless when done already."""
        if self._remove is not None:
            self._remove()
            self._remove, self._root = None, None

    # -- blobs

    def blob_path(self, digest: str) -> Path:
        """Where a blob is, or would be. Raises `InvalidDigest`."""
        name = file_name(digest)
        return (self._root or Path()) / "blobs" / name

    def has_blob(self, digest: str) -> bool:
        """Whether a blob is there. Raises `InvalidDigest`."""
        return self._root is not None and self.blob_path(digest).is_file()

    def read_blob(self, digest: str) -> bytes:
        """Read a small blob whole. Raises `InvalidDigest`, `MissingBlob`."""
        with told():
            return self._present(digest).read_bytes()

    def verify_blob(self, digest: str) -> bool:
        """Read a blob whole and tell whether it is what its name says.

        Raises:
            InvalidDigest: the text is no digest.
            MissingBlob: the blob is not there.
        """
        with told():
            return digest_of_file(self._present(digest)) == digest.replace("-", ":")

    def upload(self) -> Upload:
        """Begin to receive a blob."""
        with told():
            return Upload(self._folder("blobs"), durable=self._durable)

    def add_blob(self, data: bytes) -> tuple[str, bool]:
        """Keep some bytes; give their digest and whether they are new here."""
        digest = digest_of(data)
        if self.has_blob(digest):
            return digest, False
        with self.upload() as upload:
            upload.write(data)
            return upload.finish(), True

    def add_file(self, path: Path) -> tuple[str, bool]:
        """Keep a copy of a file; give its digest and whether it is new here."""
        with told():
            digest = digest_of_file(path)
            if self.has_blob(digest):
                return digest, False
            with self.upload() as upload, path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    upload.write(piece)
                return upload.finish(), True

    def partial(self, digest: str) -> Partial:
        """A blob that arrives in parts. Raises `InvalidDigest`."""
        with told():
            return Partial(self._folder("blobs"), digest, durable=self._durable)

    def _present(self, digest: str) -> Path:
        path = self.blob_path(digest)
        if self._root is None or not path.is_file():
            raise MissingBlob(path)
        return path

    # -- manifests

    def entry(self, name: ModelName) -> Entry | None:
        """Find a model, upper and lower case being the same; None if it is not there."""
        if self._root is None:
            return None
        try:
            return entry_of(self._root, self.spelt(name))
        except (OSError, InvalidName):
            return None

    def entries(self) -> list[Entry]:
        """Every manifest, newest first; what has no valid name is left out."""
        if self._root is None:
            return []
        found: list[Entry] = []
        for path in manifest_files(self._root):
            with suppress(OSError, InvalidName):
                found.append(entry_of(self._root, name_of(path)))
        return sorted(found, key=lambda entry: -entry.modified_at_ns)

    def spelt(self, name: ModelName) -> ModelName:
        """Give a name the spelling of the model on disk that differs in case only."""
        return spelt(self._root or Path(), name)

    def read(self, entry: Entry) -> tuple[Manifest, str]:
        """Read a manifest; give it and its digest, 64 hex digits.

        Raises:
            CorruptManifest: it cannot be read.
        """
        return self.read_whole(entry)[1:]

    def read_whole(self, entry: Entry) -> tuple[bytes, Manifest, str]:
        """The same, after the manifest byte for byte. Raises `CorruptManifest`."""
        return read_manifest(entry.path)

    def manifest_path(self, name: ModelName) -> Path:
        """Where a manifest is, or would be."""
        return manifest_path(self._root or Path(), name)

    @contextmanager
    def adding(self) -> Generator[None]:
        """Keep others from removing blobs while this block adds a model."""
        with self._locked(shared=True):
            yield

    def require(self, digests: Iterable[str]) -> None:
        """Check that blobs are there. Raises `MissingBlob`."""
        for digest in sorted(digests):
            self._present(digest)

    def write(self, name: ModelName, manifest: Manifest, data: bytes | None = None) -> None:
        """Make a manifest the model of a name, within `adding`; case as in `spelt`.

        Args:
            name: The name.
            manifest: What it is made of.
            data: The manifest as it came, to be kept byte for byte; None writes it anew.

        Raises:
            MissingBlob: it names a blob that is not there.
        """
        self.require(manifest.digests)
        self._write(name, manifest.encode() if data is None else data)

    def copy(self, source: Entry, target: ModelName) -> None:
        """Give a model a second name. Raises `CorruptManifest`."""
        with self._locked(shared=True):
            data, manifest, _ = self.read_whole(source)
            self.require(manifest.digests)
            self._write(target, data)

    def delete(self, name: ModelName) -> bool:
        """Remove a model and the blobs only it needed; False if it is not there."""
        if self._root is None:
            return False
        with self._locked(shared=False):
            entry = self.entry(name)
            if entry is None:
                return False
            try:
                manifest = self.read(entry)[0]
            except CorruptManifest as error:
                _log.warning("%s was removed, its blobs stay: %s", entry.name.shortest, error)
                manifest = None
            with told():
                entry.path.unlink()
            remove_empty_folders(self._root, entry.path.parent)
            if manifest is not None:
                self._remove_unused(manifest.digests)
            return True

    def collect(self, digests: Iterable[str]) -> None:
        """Remove those of these blobs that no manifest needs, unless the store is busy."""
        if self._root is None:
            return
        try:
            with self._locked(shared=False):
                self._remove_unused(digests)
        except StoreError as error:
            # The next start finds them again.
            _log.warning("unused blobs stay: %s", error)

    def clean(self, *, prune: bool = True) -> None:
        """Do what a server does with a store when it starts.

        What killed writers left behind goes. So do blobs no manifest needs, unless they are
        younger than an hour, a manifest cannot be read, or another program is downloading;
        and downloads nobody has gone on with for a week.

        Args:
            prune: False keeps unused blobs and downloads.
        """
        if self._root is None or not self._root.is_dir():
            return
        with self._locked(shared=False):
            blobs = list(files_in(self._root / "blobs"))
            manifests = self._root / "manifests"
            left = remove_leftovers(chain(blobs, manifests.glob("*/*/*/.*")))
            if left:
                _log.info("%s: removed %d unfinished files", self._root, left)
            now_s = time.time()
            if prune:
                remove_abandoned(blobs, now_s, _FORGOTTEN_S)
            if prune and not any(_is_download(path, now_s) for path in blobs):
                old = (digest_in(path.name) for path in blobs if _age_s(path, now_s) > _YOUNG_S)
                self._remove_unused(digest for digest in old if digest)

    def _remove_unused(self, digests: Iterable[str]) -> None:
        used: set[str] = set()
        # Whatever lies where manifests lie counts, also under names that are none here.
        for path in manifest_files(self._root or Path()):
            try:
                used |= read_manifest(path)[1].digests
            except CorruptManifest as error:
                # Nobody can tell what it needs.
                _log.warning("unused blobs stay, as a manifest cannot be read: %s", error)
                return
        for digest in set(digests) - used:
            # Windows keeps files that are in use; the next start removes them.
            with suppress(OSError):
                self.blob_path(digest).unlink()

    def _write(self, name: ModelName, data: bytes) -> None:
        with told():
            root = self._made()
            name = self.spelt(name)
            path = manifest_path(root, name)
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with Draft(path.parent, ".manifest", durable=self._durable) as draft:
                draft.write(data)
                draft.commit(path)

    # -- folders

    @contextmanager
    def _locked(self, *, shared: bool) -> Generator[None]:
        with told():
            path = self._made() / ".arriero.lock"
        with locked(path, shared=shared, wait_s=_LOCK_WAIT_S):
            yield

    def _folder(self, name: str) -> Path:
        folder = self._made() / name
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        return folder

    def _made(self) -> Path:
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="arriero-store-"))
            # Also runs when nobody closes the store: at the end of the program.
            self._remove = weakref.finalize(self, _remove_folder, self._root)
        self._root.mkdir(mode=0o755, parents=True, exist_ok=True)
        return self._root


def layer_of(store: Store, media_type: str, data: bytes) -> tuple[Layer, bool]:
    """Keep some bytes as a layer; give it and whether it is new here. Raises `StoreError`."""
    digest, is_new = store.add_blob(data)
    return Layer(media_type, digest, len(data)), is_new


def _remove_folder(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _is_download(path: Path, now_s: float) -> bool:
    return "-partial" in path.name and _age_s(path, now_s) < _YOUNG_S


def _age_s(path: Path, now_s: float) -> float:
    try:
        return now_s - path.stat().st_mtime
    except OSError:
        return 0.0
