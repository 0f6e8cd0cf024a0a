"""One blob on its way into the store, shared by everybody who wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from ..registry.fetching import NoRanges, fetch_range
from ..registry.messages import Lost, Stream, TransferFailed
from ..registry.pace import Pace, Patience, split, whole
from ..registry.session import Session
from ..store import Layer, Store, StoreError
from ..store.parts import Part
from ..workers import Workers
from .http import Http

T = TypeVar("T")


class Download:
    """A blob being fetched and then checked. Use from one event loop.

    Begins when it is made. Whoever makes it awaits `close` in the end, which keeps what has
    arrived for the next one.

    Args:
        store: Where it goes.
        layer: The blob.
        session: Where it comes from.
        http: Fetches it.
        workers: Write and read it.
        pace: How hard it is tried.
    """

    def __init__(
        self,
        store: Store,
        layer: Layer,
        session: Session,
        http: Http,
        workers: Workers,
        pace: Pace,
    ) -> None:
        self.digest = layer.digest
        self.total = layer.size_bytes
        self.users = 0
        self._store = store
        self._session = session
        self._http = http
        self._workers = workers
        self._pace = pace
        self._partial = store.partial(layer.digest)
        self._elsewhere = 0
        self._closed = False
        self._fetched: asyncio.Task[None] = asyncio.ensure_future(self._fetch())
        self._checked: asyncio.Task[None] | None = None

    @property
    def completed(self) -> int:
        """Bytes that have arrived, by us or by another process."""
        return self._partial.completed or self._elsewhere

    @property
    def has_failed(self) -> bool:
        """Whether it has come to a bad end."""
        tasks = (self._fetched, self._checked)
        return any(
            task is not None and task.done() and (task.cancelled() or task.exception())
            for task in tasks
        )

    async def fetched(self, tell: Callable[[int], Awaitable[None]]) -> None:
        """Wait until it is here; tell how much is, every now and then.

        Raises:
            TransferFailed: it cannot be had.
            StoreError: the store cannot take it.
        """
        while not self._fetched.done():
            await asyncio.wait((self._fetched,), timeout=self._pace.tick_s)
            if not self._fetched.done():
                await tell(self.completed)
        self._fetched.result()

    async def checked(self) -> None:
        """Wait until it is known to be what its digest says; read only once for all.

        Raises:
            TransferFailed: it is something else, and has been thrown away.
        """
        if self._checked is None:
            self._checked = asyncio.ensure_future(self._check())
        await asyncio.wait((self._checked,))
        self._checked.result()

    def commit(self) -> None:
        """Make it a blob of the store, once it is checked. Blocks. Raises `OSError`."""
        self._partial.commit()

    async def close(self) -> None:
        """Stop; what has arrived stays for the next download, unless it was committed."""
        self._closed = True
        tasks = [task for task in (self._fetched, self._checked) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Waits for a write that still runs on another thread.
        await self._on_disk(self._partial.close)

    # -- fetching

    async def _fetch(self) -> None:
        if not await self._taken():
            return
        try:
            await self._fetch_parts()
        except NoRanges:
            await self._on_disk(partial(self._partial.begin, self.total, whole(self.total)))
            await self._fetch_parts()

    async def _taken(self) -> bool:
        """Take the partial file; False if the blob appears meanwhile, fetched by others."""
        while not await self._on_disk(partial(self._partial.open, self.total, self._fresh)):
            if await self._on_disk(partial(self._store.has_blob, self.digest)):
                return False
            self._elsewhere = await self._on_disk(self._partial.progress)
            await asyncio.sleep(self._pace.look_s)
        return True

    def _fresh(self) -> list[Part]:
        return split(self.total, self._pace)

    async def _fetch_parts(self) -> None:
        limit = asyncio.Semaphore(self._pace.streams)

        async def fetch(part: Part) -> None:
            async with limit:
                await self._fetch_part(part)

        try:
            async with asyncio.TaskGroup() as group:
                for part in self._partial.parts:
                    if not part.is_done:
                        group.create_task(fetch(part))
        except ExceptionGroup as errors:
            # The first is why the others were given up.
            raise errors.exceptions[0] from errors

    async def _fetch_part(self, part: Part) -> None:
        patience = Patience(self._pace)
        while not part.is_done:
            try:
                answer = await self._http.run(
                    fetch_range(self._session, self.digest, part.next_byte, part.end, self.total)
                )
                assert answer.stream is not None
                await self._take(part, answer.stream, patience)
            except TransferFailed as error:
                await asyncio.sleep(patience.wait_s(error))

    async def _take(self, part: Part, stream: Stream, patience: Patience) -> None:
        try:
            async for piece in stream.pieces():
                left = part.end - part.next_byte
                await self._on_disk(partial(self._partial.write, part, piece[:left]))
                patience.progressed()
                if len(piece) >= left:
                    return
        finally:
            stream.close()
        raise Lost(f"blob {self.digest}: unexpected EOF")

    # -- checking

    async def _check(self) -> None:
        if not self._partial.is_open:
            return
        found = await self._on_disk(partial(self._partial.hash, lambda: not self._closed))
        if found != self.digest:
            await self._on_disk(self._partial.remove)
            raise TransferFailed(
                f"digest mismatch, file must be downloaded again: want {self.digest}, got {found}"
            )

    async def _on_disk(self, call: Callable[[], T]) -> T:
        try:
            return await self._workers.submit(call)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(f"write {self._partial.path}: {reason}") from error
