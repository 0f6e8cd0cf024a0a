"""The jobs as code over arriero."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import arriero
from benchmarks import pace, wire
from benchmarks.jobs import AsyncJob, Job
from benchmarks.wire import MESSAGES, TEXTS


def sync_stream(url: str, _: AsyncExitStack) -> Job:
    """Read one chat stream."""
    return _stream_of(arriero.Client(url))


def governed_stream(url: str, _: AsyncExitStack) -> Job:
    """Read one chat stream with every policy on."""
    return _stream_of(_governed(url))


def _stream_of(client: arriero.Client) -> Job:
    def run(model: str, count: int) -> int:
        parts = 0
        for part in client.chat(model, MESSAGES, stream=True):
            parts += part.message.content is not None
        return parts

    return run


def sync_streams(url: str, _: AsyncExitStack) -> Job:
    """Read `count` chat streams in turn, a part of each, the first parts unmeasured."""
    client = arriero.Client(url)

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
    client = arriero.AsyncClient(url)

    async def run(model: str, count: int) -> int:
        parts = 0
        async for part in await client.chat(model, MESSAGES, stream=True):
            parts += part.message.content is not None
        return parts

    return run


def async_streams(url: str, _: AsyncExitStack) -> AsyncJob:
    """Read `count` chat streams, a task each, the first parts unmeasured."""
    client = arriero.AsyncClient(url)

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


def _governed(url: str) -> arriero.Client:
    """Give a client with every policy on and none that ever has a call wait."""
    return arriero.Client(
        url,
        timeouts=arriero.Timeouts(total_s=600),
        retry=arriero.Retry(),
        limits=arriero.Limits(adaptive=True, requests_per_s=1e9, tokens_per_s=1e9),
        breaker=arriero.Breaker(),
        observers=[lambda event: None],
    )


def sync_calls(url: str, _: AsyncExitStack) -> Job:
    """Make small calls, one after another."""
    return _calls_of(arriero.Client(url))


def governed_calls(url: str, _: AsyncExitStack) -> Job:
    """Make small calls, one after another, with every policy on."""
    return _calls_of(_governed(url))


def audited_calls(url: str, stack: AsyncExitStack) -> Job:
    """Make small calls that are written into an audit log, as it is by default."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    log = stack.enter_context(arriero.AuditLog(Path(folder, "audit.jsonl")))
    return _calls_of(arriero.Client(url, audit=log))


def guarded_calls(url: str, _: AsyncExitStack) -> Job:
    """Make small calls that may go where they go, with texts that a function lets pass."""
    content = arriero.Content(before=lambda request: None, after=lambda answer: None)
    return _calls_of(arriero.Client(url, egress=arriero.Egress(look_up=False), content=content))


def traced_calls(url: str, stack: AsyncExitStack) -> Job:
    """Make small calls that make spans and metrics, which nobody collects."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    stack.callback(meters.shutdown)
    stack.callback(tracers.shutdown)
    telemetry = arriero.Telemetry(tracer_provider=tracers, meter_provider=meters)
    return _calls_of(arriero.Client(url, telemetry=telemetry))


def _calls_of(client: arriero.Client) -> Job:
    def run(model: str, count: int) -> int:
        return sum(client.chat(model, MESSAGES).message.content != "" for _ in range(count))

    return run


def async_calls(url: str, _: AsyncExitStack) -> AsyncJob:
    """Make small calls in an event loop, one after another."""
    client = arriero.AsyncClient(url)

    async def run(model: str, count: int) -> int:
        made = 0
        for _ in range(count):
            made += (await client.chat(model, MESSAGES)).message.content != ""
        return made

    return run


def embed_lists(url: str, _: AsyncExitStack) -> Job:
    """Embed 256 texts, vectors as lists."""
    client = arriero.Client(url)

    def run(model: str, count: int) -> int:
        return sum(len(client.embed(model, TEXTS).embeddings) == len(TEXTS) for _ in range(count))

    return run


def embed_array(url: str, _: AsyncExitStack) -> Job:
    """Embed 256 texts, vectors as one array."""
    client = arriero.Client(url)

    def run(model: str, count: int) -> int:
        return sum(len(client.embed_array(model, TEXTS)) == len(TEXTS) for _ in range(count))

    return run


def many_streams(url: str, _: AsyncExitStack) -> AsyncJob:
    """Open and read `count` chat streams at once."""
    client = arriero.AsyncClient(url)

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
    client = arriero.Client(url)

    def run(model: str, count: int) -> int:
        return sum(part.status is not None for part in client.pull(model, stream=True))

    return run
