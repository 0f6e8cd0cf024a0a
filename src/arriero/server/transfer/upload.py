"""One blob on its way to a registry."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from ..registry.messages import FilePart, Lost, StatusRefused, TransferFailed
from ..registry.pace import Pace, Patience, split
from ..registry.pushing import (
    Place,
    begin_upload,
    checksum_of,
    finish_upload,
    has_blob,
    look_up,
    send_piece,
)
from ..registry.session import Session
from ..store import Layer
from ..store.parts import Part
from ..workers import Workers
from .http import Http

_PIECE_BYTES = 1024 * 1024
_GIVEN_UP = (400, 404, 416)


class Upload:
    """A blob being sent. Await `run` once.

    Args:
        path: Its file.
        layer: What it is.
        session: Where it goes.
        http: Sends it.
        workers: Read it.
        pace: How hard it is tried.
    """

    def __init__(
        self,
        path: Path,
        layer: Layer,
        session: Session,
        http: Http,
        workers: Workers,
        pace: Pace,
    ) -> None:
        self._path = path
        self._layer = layer
        self._session = session
        self._http = http
        self._workers = workers
        self._pace = pace
        self._completed = 0
        self._was_cut = False

    async def run(self, tell: Callable[[int], Awaitable[None]]) -> None:
        """Send it unless it is there; tell how much is, every now and then.

        Raises:
            TransferFailed: the registry cannot be reached, or does not take it.
        """
        work = asyncio.ensure_future(self._run())
        try:
            while not work.done():
                await asyncio.wait((work,), timeout=self._pace.tick_s)
                if not work.done():
                    await tell(self._completed)
        finally:
            work.cancel()
            await asyncio.wait((work,))
        work.result()

    async def _run(self) -> None:
        if await self._http.run(has_blob(self._session, self._layer.digest)):
            return None
        patience = Patience(self._pace)
        while True:
            self._was_cut = False
            try:
                return await self._send_all()
            except StatusRefused as error:
                # After a cut a registry may know nothing more of an upload, or have another
                # end than it said: docker-registry 2.8 gives such uploads up.
                if not self._was_cut or error.status not in _GIVEN_UP:
                    raise
                await asyncio.sleep(patience.wait_s(Lost(str(error))))

    async def _send_all(self) -> None:
        place = await self._http.run(begin_upload(self._session, self._layer))
        if place is None:
            return
        checksums: list[bytes] = []
        for part in split(self._layer.size_bytes, self._pace):
            checksums.append(await self._workers.submit(partial(_checksum, self._path, part)))
            place = await self._send(part, place)
        await self._finish(place, checksum_of(checksums))

    async def _send(self, part: Part, place: Place) -> Place:
        """Send one part, from wherever the registry has its end."""
        patience = Patience(self._pace)
        while place.received < part.end:
            piece = FilePart(self._path, place.received, part.end - place.received)
            self._completed = place.received
            try:
                place = await self._http.run(send_piece(self._session, place, piece), self._sent)
            except TransferFailed as error:
                await asyncio.sleep(patience.wait_s(error))
                self._was_cut = True
                before = place.received
                place = await self._looked_up(place, patience)
                if place.received > before:
                    patience.progressed()
        return place

    async def _looked_up(self, place: Place, patience: Patience) -> Place:
        while True:
            try:
                return await self._http.run(look_up(self._session, place))
            except TransferFailed as error:
                await asyncio.sleep(patience.wait_s(error))

    async def _finish(self, place: Place, checksum: str) -> None:
        patience = Patience(self._pace)
        digest = self._layer.digest
        while True:
            try:
                return await self._http.run(finish_upload(self._session, place, digest, checksum))
            except TransferFailed as error:
                await asyncio.sleep(patience.wait_s(error))
                # The answer may have been lost after the deed.
                if await self._http.run(has_blob(self._session, digest)):
                    return None

    def _sent(self, count: int) -> None:
        self._completed += count


def _checksum(path: Path, part: Part) -> bytes:
    """MD5 of a part, as the storage behind Ollama's registry wants it; proves nothing."""
    found = hashlib.md5(usedforsecurity=False)
    left = part.size_bytes
    with path.open("rb") as file:
        file.seek(part.offset)
        while left and (piece := file.read(min(left, _PIECE_BYTES))):
            found.update(piece)
            left -= len(piece)
    return found.digest()
