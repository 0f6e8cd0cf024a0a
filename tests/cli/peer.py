"""A server that says what a test tells it to, and hangs where it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Peer:
    """Answers every request with `lines`, then ends or hangs. Of models it has none.

    Attributes:
        lines: Records of the answer.
        hangs: True keeps the connection open after the last line.
        reached: Set when everything was sent.
        gone: Set when the client of a hanging answer went away.
        heard: Path and body of each request.
    """

    def __init__(self) -> None:
        self.lines: Sequence[dict[str, Any]] = ()
        self.hangs = False
        self.status = 200
        self.reached, self.gone = threading.Event(), threading.Event()
        self.heard: list[tuple[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                peer.heard.append((self.path, json.loads(self.rfile.read(size) or b"null")))
                self.send_response(peer.status)
                self.send_header("content-type", "application/x-ndjson")
                self.end_headers()
                for line in peer.lines:
                    self.wfile.write(json.dumps(line).encode() + b"\n")
                    self.wfile.flush()
                peer.reached.set()
                if peer.hangs and self.rfile.read(1) == b"":
                    peer.gone.set()

            def do_GET(self) -> None:
                if self.path != "/api/tags":
                    return self.do_POST()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"models": []}')
                return None

            def log_message(self, *words: object) -> None:
                pass

        return Handler
