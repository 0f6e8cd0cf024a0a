"""Routes that change the store: blobs, create, copy, delete.

Source: Ollama v0.33.0-rc2, server/routes.go, server/create.go.
"""

from __future__ import annotations

import asyncio
import posixpath
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from ..names import ConflictingSource, InvalidName, ModelName, parse_name, split_source
from .bodies import RequestRefused
from .creation import copy_given, create_model
from .drafts import BaseMissing, CreateFailed
from .exchange import Exchange, Refused
from .inference import House
from .progress import fail, succeed
from .registry.messages import TransferFailed
from .store import InvalidDigest, StoreError
from .store_requests import CreateRequest, read_copy, read_create, read_delete
from .transfers import Tell, Wish

T = TypeVar("T")

_WRITE_BYTES = 1024 * 1024
"""Pieces of an upload are joined to this size before a thread writes them."""


async def head_blob(house: House, exchange: Exchange) -> None:
    """Say whether a blob is there. Raises `Refused`."""
    digest = exchange.parts["digest"]
    try:
        found = house.store.has_blob(digest)
    except InvalidDigest as error:
        raise Refused(400, str(error)) from error
    if not found:
        raise Refused(404, f'blob "{digest}" not found')
    await exchange.reply_bytes(b"")


async def blobs(house: House, exchange: Exchange) -> None:
    """Take a blob in, or say whether it is there. Raises `Refused`."""
    if exchange.scope["method"] == "HEAD":
        await head_blob(house, exchange)
        return
    digest = exchange.parts["digest"]
    try:
        if house.store.has_blob(digest):
            await exchange.reply_bytes(b"", 200)
            return
        found = await _receive(house, exchange)
    except InvalidDigest as error:
        raise Refused(400, str(error)) from error
    except StoreError as error:
        raise Refused(500, str(error)) from error
    if found != digest:
        raise Refused(400, f'digest mismatch, expected "{digest}", got "{found}"')
    await exchange.reply_bytes(b"", 201)


async def _receive(house: House, exchange: Exchange) -> str:
    """Write the body to disk as it comes; give its digest. Raises `StoreError`."""
    assert exchange.pieces is not None, "the route hands the body on whole"
    upload = await house.builds.submit(house.store.upload)
    try:
        waiting = bytearray()
        async for piece in exchange.pieces:
            waiting += piece
            if len(waiting) >= _WRITE_BYTES:
                await house.builds.submit(partial(upload.write, bytes(waiting)))
                waiting.clear()
        await house.builds.submit(partial(upload.write, bytes(waiting)))
        return await house.builds.submit(upload.finish)
    finally:
        # Behind a write that may still run; nobody waits for it when the request is cancelled.
        house.builds.submit(upload.discard)


async def create(house: House, exchange: Exchange) -> None:
    """Make a model, telling how it goes. Raises `Refused`."""
    try:
        request = read_create(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    name = _name(request.model, "invalid model name")
    _check_files(request)

    async def tell(record: Mapping[str, Any]) -> None:
        if request.stream:
            await exchange.write(record)

    try:
        try:
            await _made(house, name, request, tell)
        except BaseMissing as error:
            await house.transfers.pull(Wish(error.name), tell)
            await _made(house, name, request, tell)
    except CreateFailed as error:
        await fail(exchange, error.status, error.text, stream=request.stream)
    except (StoreError, TransferFailed) as error:
        await fail(exchange, 500, str(error), stream=request.stream)
    else:
        await succeed(exchange, stream=request.stream)


async def _made(house: House, name: ModelName, request: CreateRequest, tell: Tell) -> None:
    """Make a model on a thread, and pass on what it tells."""
    records: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def emit(status: str) -> None:
        loop.call_soon_threadsafe(records.put_nowait, {"status": status})

    left = threading.Event()
    make = partial(create_model, house.store, house.catalogue, name, request, emit)
    job = house.builds.submit(partial(make, go_on=lambda: not left.is_set()))
    job.add_done_callback(lambda _: records.put_nowait(None))
    try:
        while (record := await records.get()) is not None:
            await tell(record)
        job.result()
    finally:
        # Whoever wanted it may have gone; the thread is told, and nobody waits for it.
        left.set()
        job.cancel()


async def copy(house: House, exchange: Exchange) -> None:
    """Give a model a second name. Raises `Refused`."""
    try:
        request = read_copy(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    source = _name(request.source, f'source "{request.source}" is invalid')
    target = _name(request.destination, f'destination "{request.destination}" is invalid')
    if not await _build(house, partial(_copy, house, source, target)):
        raise Refused(404, f'model "{request.source}" not found')
    await exchange.reply_bytes(b"")


def _copy(house: House, source: ModelName, target: ModelName) -> bool:
    entry = house.store.entry(source)
    if entry is not None:
        if entry.name.folded != target.folded:
            house.store.copy(entry, target)
        return True
    given = house.catalogue.given(source)
    if given is not None and source.folded != target.folded:
        copy_given(house.store, given, target)
    return given is not None


async def delete(house: House, exchange: Exchange) -> None:
    """Remove a model. Raises `Refused`."""
    try:
        text = read_delete(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    if not text:
        raise Refused(400, "model is required")
    try:
        base, source = split_source(text.strip())
    except ConflictingSource as error:
        raise Refused(400, str(error)) from error
    name = _name(base, f'name "{text}" is invalid')
    if source != "cloud" and await _build(house, partial(house.catalogue.remove, name)):
        await exchange.reply_bytes(b"")
        return
    if source != "cloud" and house.catalogue.given(name) is not None:
        raise Refused(400, f"model '{text}' came with the server and cannot be deleted")
    raise Refused(404, f"model '{text}' not found")


async def _build(house: House, call: partial[T]) -> T:
    try:
        return await house.builds.submit(call)
    except CreateFailed as error:
        raise Refused(error.status, error.text) from error
    except StoreError as error:
        raise Refused(500, str(error)) from error


def _name(text: str, refusal: str) -> ModelName:
    try:
        return parse_name(text)
    except InvalidName as error:
        raise Refused(400, refusal) from error


def _check_files(request: CreateRequest) -> None:
    for files in (request.files, request.draft_files):
        for name in files or {}:
            leads_out = name.startswith(("/", "../")) or name in ("", ".", "..")
            if leads_out or posixpath.normpath(name) != name:
                raise Refused(400, "file path must be relative")
    for files in (request.files, request.draft_files, request.adapters):
        if any(not digest for digest in (files or {}).values()):
            raise Refused(400, "invalid digest format")
    if request.draft_quantize and not request.draft_files:
        raise Refused(400, "--draft-quantize requires a DRAFT model")
