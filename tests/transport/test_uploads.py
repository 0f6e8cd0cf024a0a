"""Bodies that are files, and servers that answer before they have them."""

from __future__ import annotations

import asyncio
import random
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arriero._core.http import Fault, FileBody
from arriero._transport import upload

from .adapters import Adapter, AsyncAdapter, get, post, rest_of
from .peer import WAIT_S, Line, Peer, Received, answering, whole

MEGABYTE = 1 << 20


def sparse(path: Path, size: int) -> FileBody:
    """A file of zeros that takes no room."""
    with path.open("wb") as file:
        file.truncate(size)
    return FileBody(str(path), size)


def test_a_file_is_sent_as_it_is(adapter: Adapter, tmp_path: Path) -> None:
    """The bytes arrive once and in order, with their number in Content-Length."""
    content = random.Random(1).randbytes(MEGABYTE + 1)
    (tmp_path / "blob").write_bytes(content)
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen)) as peer:
        answer = adapter.open(post(peer.url, FileBody(str(tmp_path / "blob"), len(content))))
        assert rest_of(answer) == b"{}"
        answer.close()
        assert rest_of(adapter.open(get(peer.url))) == b"{}"
    assert seen[1].line == "GET / HTTP/1.1"  # nothing came behind the file
    assert seen[0].body == content
    assert seen[0].headers["content-length"] == str(len(content))
    assert "transfer-encoding" not in seen[0].headers


def test_an_empty_file_is_a_body(adapter: Adapter, tmp_path: Path) -> None:
    """Length zero is a length."""
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen)) as peer:
        answer = adapter.open(post(peer.url, sparse(tmp_path / "blob", 0)))
        assert rest_of(answer) == b"{}"
        answer.close()
    assert seen[0].headers["content-length"] == "0"


@pytest.mark.parametrize("size", [100_000, 3 * MEGABYTE])
def test_large_bodies_arrive_whole(adapter: Adapter, size: int) -> None:
    """Bodies beyond every buffer, such as images, are one body."""
    body = b"0123456789" * (size // 10)
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen)) as peer:
        answer = adapter.open(post(peer.url, body))
        assert rest_of(answer) == b"{}"
        answer.close()
    assert seen[0].body == body


def test_a_large_file_takes_little_memory(adapter: Adapter, tmp_path: Path) -> None:
    """64 MiB pass through a few pieces' worth of memory."""
    size = 64 * MEGABYTE

    def script(line: Line) -> None:
        line.request_head()
        line.swallow(size)
        line.send(whole())
        line.drain()

    body = sparse(tmp_path / "blob", size)
    with Peer(script) as peer:
        tracemalloc.start()
        try:
            answer = adapter.open(post(peer.url, body), wait_s=None)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert rest_of(answer) == b"{}"
        answer.close()
    assert peak_bytes < 8 * MEGABYTE


def test_a_refusal_before_the_end_is_delivered(adapter: Adapter, tmp_path: Path) -> None:
    """A server that has seen enough answers; whether it reads on or not, we get the answer."""

    def script(line: Line) -> None:
        line.request_head()
        line.send(whole(b"too large", "413 Content Too Large", "Connection: close\r\n"))
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url, sparse(tmp_path / "blob", 32 * MEGABYTE)), wait_s=None)
        assert (answer.status, rest_of(answer)) == (413, b"too large")
        answer.close()


def test_a_refusal_that_stops_reading_is_delivered(
    adapter: Adapter, name: str, tmp_path: Path
) -> None:
    """A server that answers and reads no more must not block the upload for good."""
    if name in ("httpx", "httpx2", "httpx-async", "httpx2-async"):
        pytest.skip("httpx reads no answer before it has sent everything")

    def script(line: Line) -> None:
        line.request_head()
        line.send(whole(b"no", "401 Unauthorized"))
        line.hang()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url, sparse(tmp_path / "blob", 32 * MEGABYTE)))
        assert (answer.status, rest_of(answer)) == (401, b"no")
        answer.close()
        assert peer.accepted == 1


def test_an_interim_answer_does_not_stop_an_upload(adapter: Adapter, tmp_path: Path) -> None:
    """1xx says: go on."""
    size = 16 * MEGABYTE

    def script(line: Line) -> None:
        line.request_head()
        line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        line.pause(0.05)
        line.swallow(size)
        line.send(whole(b"done"))
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url, sparse(tmp_path / "blob", size)), wait_s=None)
        assert rest_of(answer) == b"done"
        answer.close()


def test_a_connection_lost_while_sending_is_lost(adapter: Adapter, tmp_path: Path) -> None:
    """Nobody knows what the server did with the part it got."""

    def script(line: Line) -> None:
        line.request_head()
        line.reset()

    with Peer(script) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url, sparse(tmp_path / "blob", 32 * MEGABYTE)))
    assert caught.value.kind == "lost"
    assert caught.value.phase in ("send", "head")


@pytest.mark.parametrize("is_there", [True, False], ids=["short", "missing"])
def test_a_file_that_is_not_as_told_is_our_fault(
    adapter: Adapter, tmp_path: Path, is_there: bool
) -> None:
    """A file that vanished or shrank is no fault of the connection."""
    if is_there:
        sparse(tmp_path / "blob", 10)

    def script(line: Line) -> None:
        line.request()

    with Peer(script) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url, FileBody(str(tmp_path / "blob"), 10 * MEGABYTE)))
    assert caught.value.kind == "closed"
    assert "blob" in caught.value.reason


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open files here")
def test_aborted_uploads_leave_no_file_open(
    adapter: Adapter, tmp_path: Path, waits_for: Callable[[Callable[[], object]], None]
) -> None:
    """After a deadline in the middle of an upload, the file is closed."""
    body = sparse(tmp_path / "blob", 64 * MEGABYTE)

    def script(line: Line) -> None:
        line.request_head()
        line.hang()

    with Peer(script) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url, body), wait_s=0.2)
        assert caught.value.kind == "timeout"

    def is_closed() -> bool:
        if isinstance(adapter, AsyncAdapter):
            adapter.run(asyncio.sleep(0))
        open_files = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
        return Path(body.path) not in open_files

    waits_for(is_closed)


def test_a_file_that_opens_after_the_call_ended_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread opens it, which nobody can interrupt: a network drive may take its time."""
    body = sparse(tmp_path / "slow", 3)
    asked, go_on = threading.Event(), threading.Event()
    opened: list[Any] = []

    def slow_open(path: str, mode: str) -> Any:
        asked.set()
        assert go_on.wait(WAIT_S)
        opened.append(open(path, mode))  # noqa: SIM115  # the one under test is to close it
        return opened[0]

    monkeypatch.setattr(upload, "open", slow_open, raising=False)

    async def main() -> None:
        pieces = upload.AsyncFilePieces(body)
        reading = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        assert asked.wait(WAIT_S)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        pieces.close()
        go_on.set()

    asyncio.run(main())
    assert opened[0].closed
