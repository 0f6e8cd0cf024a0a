"""Servers in processes of their own that can be killed by the dozen.

Run as a program it imports everything once and then forks a server for each line it reads, so
that a new one is there within milliseconds. A process that has no threads yet may be forked.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from arriero.server import Server

from .conftest import Farm, start


@dataclass
class Process:
    """A server that runs elsewhere.

    Attributes:
        pid: Its process.
        port: Where it listens.
        store: Folder of its store.
    """

    pid: int
    port: int
    store: Path
    host: str = "127.0.0.1"

    @property
    def farm(self) -> Farm:
        """The same as a server to ask."""
        return Farm(self, self.store)  # type: ignore[arg-type]  # host and port are enough

    def kill(self) -> None:
        """End it as a loss of power would. Harmless when it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """Starts servers on one store; made by `nursery`."""

    def __init__(self, process: subprocess.Popen[str], store: Path) -> None:
        self._process = process
        self._store = store
        self._last: Process | None = None

    def born(self) -> Process:
        """Start a server; the one before is killed, and gone when this returns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.kill()
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        pid, port = self._process.stdout.readline().split()
        self._last = Process(int(pid), int(port), self._store)
        return self._last

    def kill(self) -> None:
        """Kill the server there is."""
        if self._last is not None:
            self._last.kill()


@contextmanager
def nursery(store: Path) -> Generator[Nursery]:
    """Have servers on a store while the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    made = Nursery(process, store)
    try:
        yield made
    finally:
        made.kill()
        process.communicate()


def _main(store: Path) -> None:
    child = 0
    for _ in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            _serve(start(store).server)
    if child:
        os.waitpid(child, 0)


def _serve(server: Server) -> None:
    print(os.getpid(), server.port, flush=True)
    signal.pause()
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
