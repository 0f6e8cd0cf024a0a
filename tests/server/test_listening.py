"""The sockets a server listens on."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Awaitable, Callable

import pytest

from arriero.server import create_app
from arriero.server.http_server import HttpServer
from arriero.server.listening import listen, stop_listening

Stop = Callable[[], Awaitable[None]]


def test_small_records_are_sent_at_once() -> None:
    """A connection has Nagle's algorithm off, else a record waits 40 ms for an ACK."""
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()[:2]),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def streams(listener: socket.socket) -> Stop:
    """Serve with tasks, as `ScriptedServer` does; give what ends that."""
    begun: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(writer)

    server = await asyncio.start_server(connected, sock=listener)

    async def stop() -> None:
        await stop_listening([server])
        for writer in begun:
            writer.close()

    return stop


async def uvicorn(listener: socket.socket) -> Stop:
    """Serve as `serve` does; give what ends that."""
    server = HttpServer(create_app(models=[]))
    await server.start(listener)
    return lambda: server.stop(drain_s=0)


@pytest.mark.parametrize("begin", [streams, uvicorn])
@pytest.mark.parametrize("turns", range(6))
def test_who_comes_as_the_server_stops_is_hung_up_on(
    begin: Callable[[socket.socket], Awaitable[Stop]], turns: int
) -> None:
    """In whatever turn of the loop; a socket that is forgotten instead is a ResourceWarning."""

    async def main() -> bytes:
        listener = listen("127.0.0.1", 0)
        stop = await begin(listener)
        with socket.create_connection(listener.getsockname()[:2], timeout=60) as peer:
            for _ in range(turns):
                await asyncio.sleep(0)
            await stop()
            try:
                return await asyncio.to_thread(peer.recv, 1)
            except ConnectionResetError:
                return b""

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert asyncio.run(main()) == b""
        gc.collect()
    assert [str(one.message) for one in told] == []
