"""The jobs as bare loops: urllib3 or aiohttp, msgspec into plain structs, nothing else.

No errors are looked for, no deadline is kept, no unknown field survives. What a client adds
is measured against this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from benchmarks import of_arriero, pace, wire
from benchmarks.jobs import AsyncJob, Job
from benchmarks.wire import MESSAGES, TEXTS

_HEADERS = {"Content-Type": "application/json"}


class Message(msgspec.Struct):
    """A message."""

    role: str
    content: str


class Chat(msgspec.Struct):
    """A chat answer or a part of one, with the fields the server sends."""

    model: str
    created_at: str
    message: Message
    done: bool
    done_reason: str | None = None
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0


class Progress(msgspec.Struct):
    """A step of a pull."""

    status: str
    digest: str | None = None
    total: int = 0
    completed: int = 0


class Embed(msgspec.Struct):
    """Vectors as lists."""

    embeddings: list[list[float]]


class Vector(msgspec.Struct):
    """A vector in base64, which msgspec decodes faster than `binascii`."""

    embedding: bytes


class Vectors(msgspec.Struct):
    """Vectors in base64."""

    data: list[Vector]


_CHAT = msgspec.json.Decoder(Chat)
_PROGRESS = msgspec.json.Decoder(Progress)
_EMBED = msgspec.json.Decoder(Embed)
_VECTORS = msgspec.json.Decoder(Vectors)


def _chat_body(model: str, *, stream: bool) -> bytes:
    return msgspec.json.encode({"model": model, "messages": MESSAGES, "stream": stream})


def _pool() -> Any:
    import urllib3

    return urllib3.PoolManager(maxsize=64)


def _parts(pool: Any, url: str, model: str) -> Iterator[Chat]:
    body = _chat_body(model, stream=True)
    answer = pool.request(
        "POST", f"{url}/api/chat", body=body, headers=_HEADERS, preload_content=False
    )
    for chunk in answer.read_chunked():  # a chunk of HTTP is a line here
        yield _CHAT.decode(chunk)
    answer.release_conn()


def sync_stream(url: str, _: AsyncExitStack) -> Job:
    """Read one chat stream."""
    pool = _pool()

    def run(model: str, count: int) -> int:
        parts = 0
        for part in _parts(pool, url, model):
            parts += part.message.content is not None
        return parts

    return run


def sync_streams(url: str, _: AsyncExitStack) -> Job:
    """Read `count` chat streams in turn, a part of each, the first parts unmeasured."""
    pool = _pool()

    def run(model: str, count: int) -> int:
        streams = [_parts(pool, url, model) for _ in range(count)]
        parts = 0
        for stream in streams:
            next(stream)
        pace.start()
        for _ in range(wire.parts_of(model) - 1):
            pace.sleep_past_write(model)
            for stream in streams:
                parts += next(stream).message.content is not None
        return parts

    return run


async def _opened(session: Any, url: str, model: str) -> Any:
    body = _chat_body(model, stream=True)
    return await session.post(f"{url}/api/chat", data=body, headers=_HEADERS)


async def _read(answer: Any) -> int:
    parts, held, readany = 0, b"", answer.content.readany
    while data := await readany():
        data = held + data if held else data
        cut = data.rfind(b"\n") + 1
        for part in _CHAT.decode_lines(data[:cut]):
            parts += part.message.content is not None
        held = data[cut:]
    return parts


def _session(stack: AsyncExitStack) -> Any:
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    stack.push_async_callback(session.close)
    return session


def async_stream(url: str, stack: AsyncExitStack) -> AsyncJob:
    """Read one chat stream in an event loop."""
    session = _session(stack)

    async def run(model: str, count: int) -> int:
        return await _read(await _opened(session, url, model))

    return run


def async_streams(url: str, stack: AsyncExitStack) -> AsyncJob:
    """Read `count` chat streams, a task each, the first parts unmeasured."""
    session = _session(stack)

    async def run(model: str, count: int) -> int:
        answers = [await _opened(session, url, model) for _ in range(count)]
        await asyncio.gather(*(answer.content.readline() for answer in answers))
        pace.start()
        brake = asyncio.create_task(pace.brake(model))
        parts = await asyncio.gather(*(_read(answer) for answer in answers))
        brake.cancel()
        return sum(parts)

    return run


def many_streams(url: str, stack: AsyncExitStack) -> AsyncJob:
    """Open and read `count` chat streams at once."""
    session = _session(stack)

    async def read(model: str) -> int:
        return await _read(await _opened(session, url, model))

    async def run(model: str, count: int) -> int:
        return sum(await asyncio.gather(*(read(model) for _ in range(count))))

    return run


def sync_calls(url: str, _: AsyncExitStack) -> Job:
    """Make small calls, one after another."""
    pool = _pool()

    def run(model: str, count: int) -> int:
        made = 0
        for _ in range(count):
            body = _chat_body(model, stream=False)
            answer = pool.request("POST", f"{url}/api/chat", body=body, headers=_HEADERS)
            made += _CHAT.decode(answer.data).message.content != ""
        return made

    return run


def async_calls(url: str, stack: AsyncExitStack) -> AsyncJob:
    """Make small calls in an event loop, one after another."""
    session = _session(stack)

    async def run(model: str, count: int) -> int:
        made = 0
        for _ in range(count):
            body = _chat_body(model, stream=False)
            async with session.post(f"{url}/api/chat", data=body, headers=_HEADERS) as answer:
                made += _CHAT.decode(await answer.read()).message.content != ""
        return made

    return run


def embed_lists(url: str, _: AsyncExitStack) -> Job:
    """Embed 256 texts, vectors as lists."""
    pool = _pool()

    def run(model: str, count: int) -> int:
        made = 0
        for _ in range(count):
            body = msgspec.json.encode({"model": model, "input": TEXTS})
            answer = pool.request("POST", f"{url}/api/embed", body=body, headers=_HEADERS)
            made += len(_EMBED.decode(answer.data).embeddings) == len(TEXTS)
        return made

    return run


def embed_array(url: str, _: AsyncExitStack) -> Job:
    """Embed 256 texts: base64 straight into one array."""
    import numpy as np

    pool = _pool()

    def run(model: str, count: int) -> int:
        made = 0
        for _ in range(count):
            body = msgspec.json.encode(
                {"model": model, "input": TEXTS, "encoding_format": "base64"}
            )
            answer = pool.request("POST", f"{url}/v1/embeddings", body=body, headers=_HEADERS)
            found = _VECTORS.decode(answer.data).data
            joined = b"".join([vector.embedding for vector in found])
            made += len(np.frombuffer(joined, "<f4").reshape(len(found), -1)) == len(TEXTS)
        return made

    return run


def pull(url: str, _: AsyncExitStack) -> Job:
    """Read the progress of a pull."""
    pool = _pool()

    def run(model: str, count: int) -> int:
        body, parts = msgspec.json.encode({"model": model, "stream": True}), 0
        answer = pool.request(
            "POST", f"{url}/api/pull", body=body, headers=_HEADERS, preload_content=False
        )
        for chunk in answer.read_chunked():
            parts += _PROGRESS.decode(chunk).status is not None
        answer.release_conn()
        return parts

    return run


def governed_calls(url: str, stack: AsyncExitStack) -> Job:
    """Make small calls with arriero, without policies: what governing them is added to."""
    return of_arriero.sync_calls(url, stack)


audited_calls = guarded_calls = traced_calls = governed_calls


def governed_stream(url: str, stack: AsyncExitStack) -> Job:
    """Read one stream with arriero, without policies."""
    return of_arriero.sync_stream(url, stack)
