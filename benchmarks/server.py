"""A server that costs nothing to speak of: one loop, raw sockets, prepared bytes.

``python -m benchmarks.server`` prints its port and runs until its standard input closes.
"""

from __future__ import annotations

import heapq
import itertools
import re
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from functools import lru_cache

from benchmarks import wire

_MODEL = re.compile(rb'"model"\s*:\s*"(paced|together)-([\d-]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_GATHERING_S = 0.1


@lru_cache
def _pieces(path: str, parts: int, are_joined: bool) -> list[bytes]:
    return wire.pieces(path, parts, are_joined=are_joined)


class Connection:
    """One client: what it sent so far, and what it is still to get."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = bytearray()
        self.unsent: memoryview | None = None
        self.pieces: Iterator[bytes] | None = None
        self.interval_s = 0.0
        self.written = 0
        """Pieces of this stream, the head of the answer included."""

    def take_request(self) -> bytes | None:
        """Give what is to be written first, once a whole request has arrived."""
        end = self.inbox.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        length = _LENGTH.search(self.inbox, 0, end)
        size = end + (int(length[1]) if length else 0)
        if len(self.inbox) < size:
            return None
        request = bytes(self.inbox[:size])
        del self.inbox[:size]
        path = request.split(b" ", 2)[1].decode()
        model = _MODEL.search(request, end)
        if model is None:
            return wire.whole(path)
        numbers = [int(number) for number in model[2].split(b"-")]
        is_paced = model[1] == b"paced"
        self.interval_s = numbers[0] / 1e6 if is_paced else 0.0
        self.pieces = iter(_pieces(path, numbers[-1], not is_paced))
        self.written = 0
        return wire.STREAM_HEAD

    def next_at(self, now: float) -> float:
        """Say when the next piece is due: streams of one interval get theirs together.

        The first part comes at once; then there is time for more streams to be opened.
        """
        self.written += 1
        if self.written == 1 or not self.interval_s:
            return now
        step_s, earliest = self.interval_s, now
        if self.written == 2:
            step_s, earliest = _GATHERING_S, now + _GATHERING_S / 2
        return (earliest // step_s + 1) * step_s

    def send(self, data: bytes | memoryview) -> bool:
        """Write; False if some of it must wait for room."""
        left = memoryview(data)
        while left:
            try:
                left = left[self.sock.send(left) :]
            except BlockingIOError:
                self.unsent = left
                return False
        self.unsent = None
        return True


class Server:
    """The loop."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._due: list[tuple[float, int, Connection]] = []
        self._numbers = itertools.count()

    def run(self) -> None:
        """Serve until standard input closes."""
        while True:
            for key, events in self._selector.select(self._pause_s()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is sys.stdin:
                    return
                else:
                    self._serve(key.data, events)
            self._write_due()

    def _pause_s(self) -> float | None:
        if not self._due:
            return None
        left_s = self._due[0][0] - time.perf_counter()
        if left_s >= 0.002:
            return left_s - 0.001
        if left_s > 0:
            time.sleep(left_s)  # epoll counts in milliseconds
        return 0.0

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.settimeout(0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def _serve(self, connection: Connection, events: int) -> None:
        if events & selectors.EVENT_WRITE and connection.unsent is not None:
            self._write(connection, connection.unsent)
            return
        try:
            data = connection.sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            connection.pieces = None
            self._selector.unregister(connection.sock)
            connection.sock.close()
            return
        connection.inbox += data
        first = connection.take_request()
        if first is not None:
            self._write(connection, first)

    def _write(self, connection: Connection, data: bytes | memoryview) -> None:
        was_waiting = connection.unsent is not None
        try:
            is_sent = connection.send(data)
        except OSError:
            connection.pieces = None
            return
        if is_sent == was_waiting:
            events = selectors.EVENT_READ if is_sent else selectors.EVENT_WRITE
            self._selector.modify(connection.sock, events, connection)
        if is_sent and connection.pieces is not None:
            at = connection.next_at(time.perf_counter())
            heapq.heappush(self._due, (at, next(self._numbers), connection))

    def _write_due(self) -> None:
        now = time.perf_counter()
        while self._due and self._due[0][0] <= now:
            connection = heapq.heappop(self._due)[2]
            piece = None if connection.pieces is None else next(connection.pieces, None)
            if piece is None:
                connection.pieces = None
            else:
                self._write(connection, piece)


if __name__ == "__main__":
    for prepared in ("/api/chat", "/api/embed", "/v1/embeddings"):
        wire.whole(prepared)
    server = Server()
    print(server.port, flush=True)
    server.run()
