"""A server on a real socket that gives recorded answers, framed as they were recorded."""

from __future__ import annotations

import contextlib
import socket
import threading

from .cases import Case


class CorpusServer:
    """Answers every request on every connection with the case that is set.

    Attributes:
        case: The exchange to replay.
        heard: Bodies of the requests that came.
    """

    def __init__(self) -> None:
        self.case: Case | None = None
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._begin(self._accept)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """End every connection and thread."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)

    def _begin(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]  # one of ours
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(connection)
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            while lines.readline():
                size = 0
                while (header := lines.readline().strip().lower()) != b"":
                    if header.startswith(b"content-length:"):
                        size = int(header.partition(b":")[2])
                self.heard.append(lines.read(size))
                case = self.case  # the next one may be set before this one is all sent
                assert case is not None
                connection.sendall(head_of(case))
                for piece in framed(case):
                    connection.sendall(piece)
                if case.ended != "clean":
                    return


def head_of(case: Case) -> bytes:
    """Give status line and headers, with the length of the body as it is kept here."""
    lines = [f"HTTP/1.1 {case.status} {case.response['reason']}"]
    for name, value in case.response["headers"]:
        if name.lower() == "content-length" and case.method != "HEAD":
            value = str(len(case.answer))
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode()


def framed(case: Case) -> list[bytes]:
    """Give the body as it went over the wire, chunk by chunk."""
    if case.response["framing"] == "none":
        return []
    if case.response["framing"] == "content-length":
        return case.pieces
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in case.pieces]
    return [*chunks, b"0\r\n\r\n"] if case.ended == "clean" else chunks
