"""Debian's docker-registry on a free port, set up as a test wants it."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...real_parts import program

USER, PASSWORD = "llama", "wool & grass"
_BCRYPT = "$2y$05$.jm.KCsiDQVjcWzDR9/a/e.73qyINS0678fkscnuXkxlX5o44Qloa"
_START_S = 60
_LISTENS = re.compile(r'msg="listening on ([^",]+)')


@dataclass
class RealRegistry:
    """A running registry.

    Attributes:
        host: Host and port, as model names have them.
        folder: Where it keeps everything.
    """

    host: str
    folder: Path
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str, accept: str = "*/*") -> tuple[int, bytes]:
        """Ask it something."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request("GET", path, headers={"Accept": accept, **self.headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def blob_file(self, digest: str) -> Path:
        """Where it keeps a blob."""
        hexes = digest.removeprefix("sha256:")
        below = f"docker/registry/v2/blobs/sha256/{hexes[:2]}/{hexes}/data"
        return self.folder / "data" / below

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository; none if it does not know it."""
        status, body = self.get(f"/v2/{repository}/tags/list")
        return json.loads(body)["tags"] or [] if status == 200 else []


@contextmanager
def real_registry(folder: Path, *, auth: str = "", http_: str = "") -> Generator[RealRegistry]:
    """Run a registry while the block runs.

    Args:
        folder: For its settings and what it is given; made anew.
        auth: Lines of its settings below ``auth:``; "htpasswd" wants `USER` and `PASSWORD`.
        http_: Further lines below ``http:``.
    """
    binary = program("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    if auth == "htpasswd":
        (folder / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
        auth = f"  htpasswd:\n    realm: llamas\n    path: {folder / 'htpasswd'}\n"
    settings = [
        "version: 0.1",
        "log: {level: info, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}, delete: {{enabled: true}}}}",
        f"http:\n  addr: 127.0.0.1:0\n  secret: not-a-secret\n{http_}",
        *([f"auth:\n{auth}"] if auth else []),
    ]
    (folder / "config.yml").write_text("\n".join(settings) + "\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        yield RealRegistry(_host_of(process, folder / "log"), folder)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder / "data", ignore_errors=True)


def _host_of(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until it listens, and give where: it takes a port that is free."""
    until_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until_s:
        if found := _LISTENS.search(log.read_text()):
            return found[1]
        time.sleep(0.01)
    raise AssertionError(f"docker-registry did not start: {log.read_text()}")


def statuses(records: Iterable[Any]) -> list[str]:
    """The texts of progress records, each once in a row."""
    found: list[str] = []
    for record in records:
        text = record.get("status") or f"error: {record['error']}"
        if not found or found[-1] != text:
            found.append(text)
    return found
