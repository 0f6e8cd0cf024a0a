"""A real server on loopback that answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WAIT_S = 60.0

NOWHERE = "http://127.0.0.1:1"
"""Where nobody listens."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Held:
    """An answer that stops in the middle: the server waits for the client to hang up."""

    data: bytes


Answer = bytes | Held | Callable[[Asked], bytes]


def answer(
    body: Any = b"", status: str = "200 OK", type: str = "application/json", **fields: str
) -> bytes:
    """Write a whole answer; a body that is not bytes is written as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Type: {type}", f"Content-Length: {len(data)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + data


def lines(*records: Any, end: bool = True) -> bytes:
    """Write a streamed answer, a chunk for each record; bytes are taken as they are.

    Args:
        end: False leaves out the chunk that ends it, as a server that was killed.
    """
    made = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
    made += b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    for record in records:
        data = record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n"
        made += b"%x\r\n%s\r\n" % (len(data), data)
    return made + (b"0\r\n\r\n" if end else b"")


def part(content: str, **more: Any) -> dict[str, Any]:
    """Give a chat record."""
    return {"model": "m", "message": {"role": "assistant", "content": content}, **more}


DONE = part("", done=True, done_reason="stop")
"""The record that ends a chat."""


class Scripted:
    """Answers each connection with the next answer; the last one serves all later ones."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._served = 0
        self.asked: list[Asked] = []
        self.hung_up = threading.Event()
        """Set when the client hangs up on a `Held` answer."""
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.asked[-1]

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(WAIT_S)
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.add(sock)
        try:
            sock.settimeout(WAIT_S)
            asked = _read(sock)
            with self._lock:
                self.asked.append(asked)
                made = self._answers[min(self._served, len(self._answers) - 1)]
                self._served += 1
            if isinstance(made, Held):
                sock.sendall(made.data)
                self._wait_for_the_end(sock)
                return
            sock.sendall(made if isinstance(made, bytes) else made(asked))
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                sock.recv(1)  # wait for the client to hang up
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _wait_for_the_end(self, sock: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            if sock.recv(1):
                return
        self.hung_up.set()


def _read(sock: socket.socket) -> Asked:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)
    }
    method, path, _ = line.split(" ")
    if headers.get("transfer-encoding") == "chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += _more(sock)
        return Asked(method, path, headers, _joined(body))
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(sock)
    return Asked(method, path, headers, body)


def _joined(chunks: bytes) -> bytes:
    made = b""
    while True:
        size, _, chunks = chunks.partition(b"\r\n")
        count = int(size, 16)
        if not count:
            return made
        made, chunks = made + chunks[:count], chunks[count + 2 :]


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise OSError("the client hung up")
    return data


Serve = Callable[..., Scripted]
"""Starts a server with the answers it is called with: the fixture `scripted`."""
