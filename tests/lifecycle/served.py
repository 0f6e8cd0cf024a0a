"""The Ollama in memory behind a real socket."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.lifecycle.ollama import Ollama


@contextlib.contextmanager
def served(ollama: Ollama) -> Iterator[str]:
    """Serve it on loopback until the block is left; give its URL.

    `ollama.busy` counts the requests that are being answered.
    """
    lock, over = threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle_one_request()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

        def _reply(self) -> None:
            with lock:
                ollama.busy += 1
            try:
                self._answer()
            finally:
                with lock:
                    ollama.busy -= 1

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                status, records = ollama.answer(
                    self.command, self.path, json.loads(raw) if raw else {}
                )
            self.send_response(status)
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
            pending = iter(records)
            while True:
                with lock:
                    record = next(pending, None)
                if record is None or record == "cut":
                    return
                if record == "stall":
                    over.wait(30)
                    return
                data = record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n"
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_DELETE = _reply  # noqa: N815  # as the base class calls them

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
