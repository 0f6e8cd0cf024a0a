"""Many streams at once: all complete, and the server's memory does not follow their length."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STREAMS = 200
SHORT, LONG = 260, 780
"""Words. The short ones fill every buffer there is; what the long ones add must go through."""

MEGABYTE = 1 << 20

MOST_PER_STREAM = 0.25 * MEGABYTE
"""Of memory: a connection, a task and its buffers."""

MOST_BY_LENGTH = 16 * MEGABYTE
"""What 200 longer streams may hold more: kept, their records alone would be 36 MB."""


@dataclass(frozen=True)
class Target:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def memory(self) -> int:
        """Bytes it holds now."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@pytest.fixture(params=[STREAMS])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A server with a slot for each stream, or as many as the test says."""
    command = (sys.executable, "-m", "tests.server.load.served", str(request.param))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield Target(process, int(process.stdout.readline()))
        process.communicate("", timeout=60)


async def ask(port: int, words: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a stream; nothing of it is read yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MEGABYTE)
    body = json.dumps({"model": "m", "prompt": str(words), "raw": True}).encode()
    head = f"POST /api/generate HTTP/1.1\r\nHost: x.local\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    await writer.drain()
    return reader, writer


async def stream(port: int, words: int) -> tuple[int, bool]:
    """Read a whole stream; give the number of its words and whether it is complete."""
    reader, writer = await ask(port, words)
    count, last = 0, b""
    while line := await reader.readline():
        count += line.count(b'"done":false')
        last = line if line.startswith(b"{") else last
    writer.close()
    await writer.wait_closed()
    return count, json.loads(last)["done"]


async def streams(target: Target, count: int, words: int) -> int:
    """Read so many at once, all of which must be complete; give the most memory seen."""
    most, reading = target.memory(), True

    async def watch() -> None:
        nonlocal most
        while reading:
            most = max(most, target.memory())
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    found = await asyncio.gather(*(stream(target.port, words) for _ in range(count)))
    reading = False
    await watching
    assert found == [(words, True)] * count
    return most


def test_memory_follows_neither_number_nor_length(target: Target) -> None:
    """200 streams at once; 0.25 MB for each at most, and no more when they are longer."""

    async def scenario() -> tuple[int, int, int]:
        few = await streams(target, 10, SHORT)
        many = await streams(target, STREAMS, SHORT)
        return few, many, await streams(target, STREAMS, LONG)

    few, many, longer = asyncio.run(scenario())
    print(f"10 x {SHORT}: {few >> 20} MB, {STREAMS} x {SHORT}: {many >> 20} MB, "
          f"{STREAMS} x {LONG}: {longer >> 20} MB")  # fmt: skip
    assert many - few < STREAMS * MOST_PER_STREAM
    assert longer - many < MOST_BY_LENGTH


@pytest.mark.parametrize("target", [3], indirect=True)
def test_more_streams_than_slots_all_complete(target: Target) -> None:
    """They wait in order, without limit; none is lost."""
    asyncio.run(streams(target, STREAMS, 20))


def test_readers_that_do_not_read_cost_little(target: Target) -> None:
    """Their streams wait where they are; whoever reads is served meanwhile."""

    async def scenario() -> tuple[int, int]:
        before = await streams(target, 10, SHORT)
        asked = [await ask(target.port, 20_000) for _ in range(50)]
        during = before
        for _ in range(5):
            during = max(during, await streams(target, 2, SHORT))
        for _reader, writer in asked:
            writer.transport.abort()
        await streams(target, 10, SHORT)
        return before, during

    before, during = asyncio.run(scenario())
    print(f"before: {before >> 20} MB, with 50 that do not read: {during >> 20} MB")
    # 50 streams of 20,000 records would be 120 MB.
    assert during - before < 50 * 2 * MOST_PER_STREAM
