"""A real Redis on a free port, which a test may kill and start again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from .ports import hold_port
from .real_parts import program


class RedisServer:
    """Keeps nothing on disk: after a restart it is empty."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self._program = program("redis-server")
        self._folder, self._password = folder, password
        self._holder = hold_port()  # so that the port is its own, also between two lives
        self.port: int = self._holder.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        secret = f":{self._password}@" if self._password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def start(self) -> RedisServer:
        """Start it, and wait until it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        if self._password:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end_s = time.monotonic() + 30
        while time.monotonic() < end_s:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as peer:
                    peer.sendall(b"PING\r\n")
                    if peer.recv(64):
                        return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._holder.close()

    def stop(self) -> None:
        """Let it answer nobody, as if its machine hung; `kill` still ends it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
