"""A real server on loopback of which a test says what it writes, byte for byte, and when."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

WAIT_S = 30.0
"""How long a script waits for the other side before the test fails."""


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire."""

    line: str
    fields: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Fields by lower-case name."""
        return {name.lower(): value for name, value in self.fields}


class HungUp(Exception):
    """The client closed the connection."""


class Line:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self._buffer = b""

    def request(self) -> Received:
        """Read one request. Raises HungUp if the client closes instead."""
        head = self.request_head()
        size = int(head.headers.get("content-length", 0))
        while len(self._buffer) < size:
            self._more()
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return Received(head.line, head.fields, body)

    def request_head(self) -> Received:
        """Read one request up to its body."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        pairs = [field.split(": ", 1) for field in fields]
        return Received(line, [(name, value) for name, value in pairs], b"")

    def send(self, data: bytes) -> None:
        """Write `data` in one piece."""
        try:
            self._sock.sendall(data)
        except OSError as cause:
            raise HungUp from cause

    def trickle(self, data: bytes, pause_s: float) -> None:
        """Write `data` byte by byte."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            self.pause(pause_s)

    def pause(self, seconds: float) -> None:
        """Let time pass, unless the test is over."""
        if self._stopping.wait(seconds):
            raise HungUp

    def drain(self) -> None:
        """Read and drop until the client closes: forever, as far as a test can tell."""
        while True:
            self._buffer = b""
            self._more(None)

    def swallow(self, size: int) -> None:
        """Read and drop `size` bytes."""
        size -= len(self._buffer)
        self._buffer = b""
        while size > 0:
            self._more()
            size -= len(self._buffer)
            self._buffer = b""

    def hang(self) -> None:
        """Say nothing and read nothing until the test is over."""
        self._stopping.wait()

    def close(self) -> None:
        """Hang up in good order, but for TLS: see `end_tls`."""
        self._sock.close()

    def end_tls(self) -> None:
        """Say that nothing more comes, and leave the connection open."""
        assert isinstance(self._sock, ssl.SSLSocket)
        self._sock.settimeout(0)
        with contextlib.suppress(ssl.SSLWantReadError):  # the client has not said so yet
            self._sock.unwrap()

    def reset(self) -> None:
        """Hang up with a reset."""
        linger = struct.pack("ii", 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._sock.close()

    def _more(self, wait_s: float | None = WAIT_S) -> None:
        self._sock.settimeout(wait_s)
        try:
            data = self._sock.recv(262_144)
        except TimeoutError:
            raise AssertionError("the client sent nothing") from None
        except OSError as cause:
            raise HungUp from cause
        if not data:
            raise HungUp
        self._buffer += data


Script = Callable[[Line], None]


class Peer:
    """Accepts connections and runs one script in a thread for each.

    The n-th connection runs the n-th script; the last script serves all later ones. What a
    script raises, other than HungUp, fails the test when the peer is closed.
    """

    def __init__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._host = f"[{host}]" if ":" in host else host
        self._scripts = scripts
        self._tls = tls
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []
        self.accepted = 0
        self.ended = threading.Semaphore(0)
        """Released each time a connection ends."""
        self._acceptor = threading.Thread(target=self._accept, name="peer")
        self._acceptor.start()

    @property
    def url(self) -> str:
        """Where the peer listens."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    def wait_ended(self) -> None:
        """Wait until a connection has ended on this side."""
        assert self.ended.acquire(timeout=WAIT_S), "the connection is still open"

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()
        self._acceptor.join(WAIT_S)
        with self._lock:
            left = list(self._open)
        for sock in left:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive(), "a script does not end"
        if self.failures and error[0] is None:
            raise self.failures[0]

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(sock, script), name="peer line")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, script: Script) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(sock)
        shaken = sock
        try:
            if self._tls is not None:
                sock.settimeout(WAIT_S)
                shaken = self._tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.add(shaken)
            script(Line(shaken, self._stopping))
        except (HungUp, OSError):
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            shaken.close()
            sock.close()
            with self._lock:
                self._open -= {sock, shaken}
            self.ended.release()


def answering(*answers: bytes, requests: list[Received] | None = None) -> Script:
    """Answer the n-th request of a connection with the n-th answer, the last one forever."""

    def script(line: Line) -> None:
        for answer in _endless(answers):
            request = line.request()
            if requests is not None:
                requests.append(request)
            line.send(answer)

    return script


def _endless(answers: tuple[bytes, ...]) -> Iterator[bytes]:
    yield from answers
    while True:
        yield answers[-1]


def whole(body: bytes = b"{}", status: str = "200 OK", fields: str = "") -> bytes:
    """An answer with Content-Length."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    return head.encode() + body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
"""The head of an answer in chunks."""


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)
