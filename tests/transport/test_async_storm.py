"""Many calls at once, most of which end in some bad way at some bad moment."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from arriero._core.http import Fault, FileBody, Request
from arriero._core.statistics import Connections
from arriero._transport.interface import AsyncAnswer, TransportSettings
from arriero._transport.over_asyncio import AsyncioTransport
from arriero.settings import Pool, Tls

from .adapters import get, post
from .certificates import Certificates
from .peer import CHUNKED, chunk, whole

CALLS = int(os.environ.get("ARRIERO_STORM_CALLS", "1000"))
"""How many there are in one storm."""
SEED = int(os.environ.get("ARRIERO_STORM_SEED", "1"))
TASKS = 24
CONNECTIONS = 5
WAIT_S = 20.0

GOOD = ("whole", "chunks", "unsized", "nothing", "goodbye", "surplus", "leaves")
BAD = ("silent end", "half a head", "half a body", "reset", "refusal", "hangs")


class Weather:
    """A server in the test's own loop; what a request's path asks for, it does."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.open = 0
        self.seen = Counter[str]()
        self.hung = asyncio.Event()
        """Set once a request was left without an answer."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.open += 1
        try:
            while await self._answer(reader, writer):
                await self.moment()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()

    async def moment(self) -> None:
        """Let some time pass, mostly very little."""
        if self._rng.random() < 0.1:
            await asyncio.sleep(0.001)
        for _ in range(self._rng.randrange(3)):
            await asyncio.sleep(0)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        number, manner = head.split(" ")[1].replace("%20", " ").split("/")[1:]
        self.seen[manner] += 1
        if manner == "refusal":  # before it has the body
            writer.write(whole(number.encode(), "413 Content Too Large"))
            await writer.drain()
            return False
        sizes = [line for line in head.split("\r\n") if line.startswith("Content-Length")]
        await reader.readexactly(int(sizes[0].split(" ")[1]) if sizes else 0)
        await self.moment()
        for piece in _pieces(manner, number.encode()):
            writer.write(piece)
            await writer.drain()
            await self.moment()
        if manner == "hangs":
            self.hung.set()
            await reader.read()  # until the client has had enough
        if manner == "unsized":
            writer.close()  # in good order, which takes its time under TLS
            await writer.wait_closed()
        return manner in ("whole", "chunks", "nothing", "surplus")


def _pieces(manner: str, number: bytes) -> list[bytes]:
    """What is written, in a moment each."""
    match manner:
        case "whole" | "leaves":
            return [whole(number)]
        case "chunks":
            return [CHUNKED, *(chunk(bytes([digit])) for digit in number), b"0\r\n\r\n"]
        case "unsized":
            return [b"HTTP/1.1 200 OK\r\n\r\n" + number]
        case "nothing":
            return [b"HTTP/1.1 204 " + number + b"\r\n\r\n"]
        case "goodbye":
            return [whole(number, fields="Connection: close\r\n")]
        case "surplus":
            return [whole(number) + whole(b"nobody's")]
        case "half a head":
            return [b"HTTP/1.1 20"]
        case "half a body" | "reset":
            return [b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n" + number]
        case _:
            return []


class Storm:
    """The calls, and what became of them."""

    def __init__(
        self,
        url: str,
        transport: AsyncioTransport,
        file: FileBody,
        seed: int,
        hung: asyncio.Event,
    ) -> None:
        self._url = url
        self._hung = hung
        self._transport = transport
        self._file = file
        self._rng = random.Random(seed)
        self._numbers = iter(range(10_000, 10_000 + CALLS))
        self.became = Counter[str]()

    async def work(self) -> None:
        """Make one call after another."""
        for number in self._numbers:
            call = asyncio.ensure_future(self._call(number))
            if self._manner(number) == "hangs":
                await self._hung.wait()  # on a busy machine all might be cancelled unseen
                await asyncio.sleep(self._rng.random() * 0.05)
                call.cancel()
            elif self._rng.random() < 0.25:
                await self._some_moments()
                call.cancel()
            try:
                self.became[await call] += 1
            except asyncio.CancelledError:
                self.became["cancelled"] += 1

    def _manner(self, number: int) -> str:
        return random.Random(number * 31 + SEED).choice((GOOD * 3) + BAD)

    def _request(self, number: int) -> Request:
        path = f"{self._url}/{number}/{self._manner(number).replace(' ', '%20')}"
        body = self._rng.choice((None, None, b"{}", b"x" * 300_000, self._file))
        return get(path) if body is None else post(path, body)

    async def _some_moments(self) -> None:
        for _ in range(int(self._rng.expovariate(0.1))):
            await asyncio.sleep(0)
        if self._rng.random() < 0.3:
            await asyncio.sleep(self._rng.random() * 0.01)

    async def _call(self, number: int) -> str:
        manner = self._manner(number)
        try:
            answer = await self._transport.open(self._request(number), connect_s=WAIT_S)
            return await self._end(answer, number)
        except Fault as fault:
            allowed = fault.kind == "lost" and (manner in BAD or fault.reused)
            assert allowed or fault.kind == "closed", (manner, fault)  # noqa: PT017  # or not
            return fault.kind

    async def _end(self, answer: AsyncAnswer, number: int) -> str:
        got = b""
        way = self._rng.choice(("whole", "whole", "whole", "close", "abort", "drop"))
        try:
            while data := await answer.read():
                got += data
                assert str(number).encode().startswith(got), (number, got)
                if way != "whole" and self._rng.random() < 0.5:
                    break
            else:
                expected = b"" if answer.status == 204 else str(number).encode()
                assert got == expected, (number, got)
            if way == "abort":
                answer.abort()
                await self._some_moments()
        finally:
            if way != "drop":
                await answer.close()
        return way


async def opened(transport: AsyncioTransport, request: Request) -> AsyncAnswer:
    """Send a request, as often as a kept connection turns out to be one that the server left."""
    while True:
        try:
            return await transport.open(request, connect_s=WAIT_S)
        except Fault as fault:
            assert fault.kind == "lost"  # noqa: PT017  # it is good if it was kept
            assert fault.reused  # noqa: PT017


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_nothing_is_left_of_a_storm(
    certificates: Certificates, tmp_path: Path, is_tls: bool
) -> None:
    """No call hangs, no answer is another's, and no place, socket or task is lost."""
    (tmp_path / "blob").write_bytes(b"y" * 700_000)
    file = FileBody(str(tmp_path / "blob"), 700_000)
    tls = Tls(ca=certificates.ca) if is_tls else None
    settings = TransportSettings(tls=tls, pool=Pool(max_connections=CONNECTIONS, keep_idle=3))
    complaints: list[dict[str, Any]] = []

    async def main() -> Counter[str]:
        asyncio.get_running_loop().set_exception_handler(lambda _, it: complaints.append(it))
        weather = Weather(random.Random(SEED))
        server = await asyncio.start_server(
            weather.serve, "127.0.0.1", ssl=certificates.server() if is_tls else None
        )
        scheme = "https" if is_tls else "http"
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = AsyncioTransport(settings)
        storm = Storm(url, transport, file, SEED, weather.hung)
        async with asyncio.timeout(WAIT_S + CALLS / 50):
            await asyncio.gather(*(storm.work() for _ in range(TASKS)))
        gc.collect()
        await asyncio.sleep(0)
        left = transport.connections()[url]
        assert left.in_use == 0
        assert left.idle <= 3
        last = [get(f"{url}/{number}/whole") for number in range(CONNECTIONS)]  # no place is lost
        answers = await asyncio.gather(*(opened(transport, each) for each in last))
        for number, answer in enumerate(answers):
            assert await answer.read() == str(number).encode()
            await answer.close()
        await transport.close()
        assert transport.connections() == {url: Connections()}
        server.close()
        while weather.open:  # noqa: ASYNC110  # the server hears of each end
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert set(weather.seen) == {*GOOD, *BAD}
        return storm.became

    became = asyncio.run(main())
    assert not complaints, complaints
    assert sum(became.values()) == CALLS
    assert set(became) == {"whole", "close", "abort", "drop", "lost", "cancelled"}
