"""`arriero ...` as a program of its own, which a test may send signals to."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import IO, Self


class Program:
    """Runs ``arriero <words>`` with pipes; used in ``with``, and gone after it.

    Args:
        *words: What is written behind ``arriero``.
    """

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "arriero", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def errors(self) -> IO[str]:
        """Its stderr."""
        assert self._process.stderr is not None
        return self._process.stderr

    @property
    def output(self) -> IO[str]:
        """Its stdout."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def returncode(self) -> int:
        """How it ended."""
        return self._process.returncode

    def wait_for(self, text: str) -> None:
        """Read stderr until a line has a text; fail if none has."""
        lines: list[str] = []
        while text not in "".join(lines[-1:]):
            line = self.errors.readline()
            assert line, f"no {text!r} in:\n{''.join(lines)}"
            lines.append(line)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def ended(self, patience_s: float = 60.0) -> tuple[str, str]:
        """Wait for its end; give what is left of stdout and stderr."""
        return self._process.communicate(timeout=patience_s)
