"""The jobs as code over the official client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import ollama

from benchmarks import pace, wire
from benchmarks.jobs import AsyncJob, Job
from benchmarks.wire import MESSAGES, TEXTS


def sync_stream(url: str, _: AsyncExitStack) -> Job:
    """Read one chat stream."""
    client = ollama.Client(url)

    def run(model: str, count: int) -> int:
        parts = 0
        for part in client.chat(model, MESSAGES, stream=True):
            parts += part.message.content is not None
        return parts

    return run


def sync_streams(url: str, _: AsyncExitStack) -> Job:
    """Read `count` chat streams in turn, a part of each, the first parts unmeasured."""
    client = ollama.Client(url)

    def run(model: str, count: int) -> int:
        streams = [iter(client.chat(model, MESSAGES, stream=True)) for _ in range(count)]
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


def async_stream(url: str, _: AsyncExitStack) -> AsyncJob:
    """Read one chat stream in an event loop."""
    client = ollama.AsyncClient(url)

    async def run(model: str, count: int) -> int:
        parts = 0
        async for part in await client.chat(model, MESSAGES, stream=True):
            parts += part.message.content is not None
        return parts

    return run


def async_streams(url: str, _: AsyncExitStack) -> AsyncJob:
    """Read `count` chat streams, a task each, the first parts unmeasured."""
    client = ollama.AsyncClient(url)

    async def read(stream: AsyncIterator[Any]) -> int:
        parts = 0
        async for part in stream:
            parts += part.message.content is not None
        return parts

    async def run(model: str, count: int) -> int:
        streams: list[AsyncIterator[Any]] = []
        for _ in range(count):
            streams.append(aiter(await client.chat(model, MESSAGES, stream=True)))
        await asyncio.gather(*(anext(stream) for stream in streams))
        pace.start()
        brake = asyncio.create_task(pace.brake(model))
        parts = await asyncio.gather(*(read(stream) for stream in streams))
        brake.cancel()
        return sum(parts)

    return run


def sync_calls(url: str, _: AsyncExitStack) -> Job:
    """Make small calls, one after another."""
    client = ollama.Client(url)

    def run(model: str, count: int) -> int:
        return sum(client.chat(model, MESSAGES).message.content != "" for _ in range(count))

    return run


def async_calls(url: str, _: AsyncExitStack) -> AsyncJob:
    """Make small calls in an event loop, one after another."""
    client = ollama.AsyncClient(url)

    async def run(model: str, count: int) -> int:
        made = 0
        for _ in range(count):
            made += (await client.chat(model, MESSAGES)).message.content != ""
        return made

    return run


def embed_lists(url: str, _: AsyncExitStack) -> Job:
    """Embed 256 texts, vectors as lists."""
    client = ollama.Client(url)

    def run(model: str, count: int) -> int:
        return sum(len(client.embed(model, TEXTS).embeddings) == len(TEXTS) for _ in range(count))

    return run


def embed_array(url: str, _: AsyncExitStack) -> Job:
    """Embed 256 texts, and make one array of the lists."""
    import numpy as np

    client = ollama.Client(url)

    def run(model: str, count: int) -> int:
        made = 0
        for _ in range(count):
            vectors = client.embed(model, TEXTS).embeddings
            made += len(np.array(vectors, dtype=np.float32)) == len(TEXTS)
        return made

    return run


def many_streams(url: str, _: AsyncExitStack) -> AsyncJob:
    """Open and read `count` chat streams at once."""
    client = ollama.AsyncClient(url)

    async def read(model: str) -> int:
        parts = 0
        async for part in await client.chat(model, MESSAGES, stream=True):
            parts += part.message.content is not None
        return parts

    async def run(model: str, count: int) -> int:
        return sum(await asyncio.gather(*(read(model) for _ in range(count))))

    return run


def pull(url: str, _: AsyncExitStack) -> Job:
    """Read the progress of a pull."""
    client = ollama.Client(url)

    def run(model: str, count: int) -> int:
        return sum(part.status is not None for part in client.pull(model, stream=True))

    return run


# It has no policies.
governed_calls, governed_stream = sync_calls, sync_stream
audited_calls = guarded_calls = traced_calls = sync_calls
