"""Pull and push whole models, from the first record to the one before the last.

Source: Ollama v0.33.0-rc2, server/images.go PullModel and PushModel.
"""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from ...names import ModelName
from ..registry.challenge import Credentials
from ..registry.fetching import fetch_manifest, read_manifest
from ..registry.messages import TransferFailed
from ..registry.pace import Pace
from ..registry.pushing import put_manifest
from ..registry.session import Access, Session
from ..store import CorruptManifest, Layer, Manifest, MissingBlob, Store
from ..store.errors import told
from ..transfers import Tell, Wish, layer_record
from ..workers import Workers
from .download import Download
from .http import Http
from .upload import Upload

_ROUNDS = 3
"""How often blobs may vanish from under a pull, deleted with another model."""

_GO_NAMES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}


class RegistryTransfers:
    """See `Transfers`. Use from one event loop.

    Args:
        store: Where models go, and where they come from.
        version: Version of Ollama's protocol; a registry may want a newer one for a model.
        credentials: For the registries that want them, by host.
        pace: How hard it is tried.
    """

    def __init__(
        self,
        store: Store,
        version: str,
        credentials: Mapping[str, Credentials] | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._store = store
        self._credentials = credentials or {}
        self._pace = pace or Pace()
        machine = _GO_NAMES.get(platform.machine(), platform.machine())
        self._agent = f"ollama/{version} ({machine} {platform.system().lower()}) arriero"
        self._workers = Workers(4, "arriero-transfers")
        self._http = Http(self._workers, self._pace.stall_s)
        self._downloads: dict[tuple[str, str], Download] = {}

    async def close(self) -> None:
        """Let go of everything. See `Transfers`."""
        await self._http.close()
        self._workers.close()

    # -- pull

    async def pull(self, wish: Wish, tell: Tell) -> None:
        """Fetch a model. See `Transfers`.

        Nothing of it is visible before all of it is here and known to be right.
        """
        await tell({"status": "pulling manifest"})
        session = await self._session(wish)
        try:
            data = await self._http.run(fetch_manifest(session))
        except TransferFailed as error:
            raise TransferFailed(f"pull model manifest: {error}") from error
        manifest = read_manifest(session.name, data)
        before = await self._workers.submit(partial(self._digests_of, session.name))
        for left in reversed(range(_ROUNDS)):
            try:
                await self._fetch(session, manifest, data, tell)
                break
            except MissingBlob:
                if not left:
                    raise
        if unused := before - manifest.digests:
            await tell({"status": "removing unused layers"})
            await self._workers.submit(partial(self._store.collect, unused))

    async def _fetch(self, session: Session, manifest: Manifest, data: bytes, tell: Tell) -> None:
        async with AsyncExitStack() as stack:
            downloads: list[Download] = []
            for layer in _layers(manifest):
                if not await self._workers.submit(partial(self._store.has_blob, layer.digest)):
                    download = await stack.enter_async_context(self._joined(session, layer))
                    downloads.append(download)
                    await download.fetched(partial(_tell_of, "pulling", layer, tell))
                await _tell_of("pulling", layer, tell, layer.size_bytes)
            await tell({"status": "verifying sha256 digest"})
            for download in downloads:
                await download.checked()
            await tell({"status": "writing manifest"})
            publish = partial(self._publish, session.name, manifest, data, downloads)
            await self._workers.submit(publish)

    def _publish(
        self, name: ModelName, manifest: Manifest, data: bytes, downloads: Sequence[Download]
    ) -> None:
        # Between the blobs and the manifest that needs them nobody may remove any.
        with self._store.adding():
            # First of all, so that nothing is left behind where one was deleted meanwhile.
            self._store.require(manifest.digests - {one.digest for one in downloads})
            with told():
                for download in downloads:
                    download.commit()
            self._store.write(name, manifest, data)

    def _digests_of(self, name: ModelName) -> frozenset[str]:
        entry = self._store.entry(name)
        try:
            return frozenset() if entry is None else self._store.read(entry)[0].digests
        except CorruptManifest:
            return frozenset()

    @asynccontextmanager
    async def _joined(self, session: Session, layer: Layer) -> AsyncGenerator[Download]:
        """Take part in the download of a blob; whoever leaves last ends it."""
        key = (layer.digest, session.name.host)
        download = self._downloads.get(key)
        if download is None or download.has_failed:
            download = self._downloads[key] = Download(
                self._store, layer, session, self._http, self._workers, self._pace
            )
        download.users += 1
        try:
            yield download
        finally:
            download.users -= 1
            if not download.users:
                if self._downloads.get(key) is download:
                    del self._downloads[key]
                await download.close()

    # -- push

    async def push(self, wish: Wish, tell: Tell) -> None:
        """Send a model. See `Transfers`. The tag is written when every blob is there."""
        await tell({"status": "retrieving manifest"})
        session = await self._session(wish)
        try:
            data, manifest = await self._workers.submit(partial(self._stored, session.name))
        except TransferFailed:
            await tell({"status": "couldn't retrieve manifest"})
            raise
        for layer in _layers(manifest):
            path = self._store.blob_path(layer.digest)
            upload = Upload(path, layer, session, self._http, self._workers, self._pace)
            await upload.run(partial(_tell_of, "pushing", layer, tell))
            await _tell_of("pushing", layer, tell, layer.size_bytes)
        await tell({"status": "pushing manifest"})
        await self._http.run(put_manifest(session, data))

    def _stored(self, name: ModelName) -> tuple[bytes, Manifest]:
        entry = self._store.entry(name)
        if entry is None:
            raise TransferFailed(
                f"open {self._store.manifest_path(name)}: no such file or directory"
            )
        data, manifest, _ = self._store.read_whole(entry)
        return data, manifest

    async def _session(self, wish: Wish) -> Session:
        name = await self._workers.submit(partial(self._store.spelt, wish.name))
        credentials = self._credentials.get(name.host.lower())
        if wish.username:
            credentials = Credentials(wish.username, wish.password)
        return Session(name, Access(wish.insecure, credentials, self._agent))


def _layers(manifest: Manifest) -> Sequence[Layer]:
    """What there is to move, each blob once, in Ollama's order."""
    by_digest = {layer.digest: layer for layer in (*manifest.layers, manifest.config)}
    return list(by_digest.values())


async def _tell_of(verb: str, layer: Layer, tell: Tell, completed: int) -> None:
    await tell(layer_record(verb, layer.digest, layer.size_bytes, completed))
