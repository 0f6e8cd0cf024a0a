"""A registry that answers as it is told: pages instead of manifests, redirects, slow blobs."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from ...serving import serving

Answer: TypeAlias = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body."""

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass
class ToyRegistry:
    """What it has, and what it was asked.

    Attributes:
        host: Where it listens.
        answers: By path, whatever the method.
        blobs: By path; in ranges unless `ranges` is off.
        ranges: Whether it gives a part of a blob.
        redirect: Where blobs are instead, in front of their path; "" has them here.
        pace_s: Pause after each 200 kB of a blob.
        is_deaf: Whether it has an upload begin, and then reads nothing of it.
        asked: Method, path and `Authorization` of each request.
        is_over: Set when the registry closes.
    """

    host: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    redirect: str = ""
    pace_s: float = 0.0
    is_deaf: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def manifest(self, repository: str, *layers: tuple[str, str, int]) -> None:
        """Have a manifest of layers: kind, digest, size; the last one is the config."""
        *others, config = [
            {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": size}
            for kind, digest, size in layers
        ]
        data = json.dumps({"schemaVersion": 2, "config": config, "layers": others}).encode()
        self.answers[f"/v2/{repository}/manifests/latest"] = (200, {}, data)

    def blob(self, repository: str, digest: str, data: bytes) -> None:
        """Have a blob, whether its digest is right or not."""
        self.blobs[f"/v2/{repository}/blobs/{digest}"] = data


@contextmanager
def toy_registry() -> Generator[ToyRegistry]:
    """Run a registry while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = False
    toy = ToyRegistry(host=f"127.0.0.1:{server.server_address[1]}")
    server.toy = toy  # type: ignore[attr-defined]
    with serving(server):
        try:
            yield toy
        finally:
            toy.is_over.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def __getattr__(self, name: str) -> object:
        """Treat every method alike."""
        if name.startswith("do_"):
            return self.do_any
        raise AttributeError(name)

    def do_any(self) -> None:
        """Answer."""
        toy: ToyRegistry = self.server.toy  # type: ignore[attr-defined]
        # One request each: no thread waits for another when the test ends.
        self.close_connection = True
        toy.asked.append((self.command, self.path, self.headers.get("authorization")))
        if toy.is_deaf and self._upload(toy):
            return
        self.rfile.read(int(self.headers.get("content-length", 0)))
        blob = toy.blobs.get(self.path)
        if blob is not None and toy.redirect:
            self._answer(307, {"Location": toy.redirect + self.path}, b"")
        elif blob is not None:
            self._blob(toy, blob)
        else:
            self._answer(*toy.answers.get(self.path, (404, {}, b"")))

    def _upload(self, toy: ToyRegistry) -> bool:
        """Begin an upload, say that nothing came of it, or let it hang; tell if it was one."""
        if self.command == "POST":
            self._answer(202, {"Location": "/up"}, b"")
        elif self.path == "/up" and self.command == "GET":
            self._answer(204, {"Location": "/up", "Range": "0-0"}, b"")
        elif self.path == "/up":
            toy.is_over.wait()
        return self.command == "POST" or self.path == "/up"

    def _blob(self, toy: ToyRegistry, blob: bytes) -> None:
        match = _RANGE.fullmatch(self.headers.get("range", ""))
        if match is None or not toy.ranges:
            self._answer(200, {}, blob, toy.pace_s)
            return
        first, last = int(match[1]), min(int(match[2]), len(blob) - 1)
        headers = {"Content-Range": f"bytes {first}-{last}/{len(blob)}"}
        self._answer(206, headers, blob[first : last + 1], toy.pace_s)

    def _answer(
        self, status: int, headers: Mapping[str, str], body: bytes, pace_s: float = 0.0
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        for at in range(0, len(body), 200_000):
            self.wfile.write(body[at : at + 200_000])
            time.sleep(pace_s)
