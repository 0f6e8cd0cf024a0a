"""A terminal for tests: a program on a pseudo terminal, and the screen a person would see."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import pyte

_PATIENCE_S = 60.0
"""For machines under load; nothing waits that long when all is well."""


class _Screen(pyte.HistoryScreen):
    """A screen that answers questions of the program, as terminals do."""

    answers = b""

    def write_process_input(self, data: str) -> None:
        self.answers += data.encode()


class Terminal:
    """Runs ``arriero <words>`` on a terminal; used in ``with``.

    Args:
        words: What is written behind ``arriero``.
        environ: Variables besides those of the tests.
        columns: Width.
        rows: Height.
    """

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        *,
        columns: int = 80,
        rows: int = 40,
    ) -> None:
        self._screen = _Screen(columns, rows, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._master, self._slave = os.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "arriero", *words],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**os.environ, "TERM": "xterm-256color", **environ},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def kill(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until a text stands on the screen so many times, the last of them at its end."""
        until = time.monotonic() + _PATIENCE_S
        while self.text.count(text) < times:
            assert time.monotonic() < until, f"no {text!r} in:\n{self.text}"
            self._read()

    def ended(self) -> int:
        """Wait for the end of the program; give its exit code."""
        until = time.monotonic() + _PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it does not end:\n{self.text}"
            self._read()
        while self._read():  # a page at a time
            pass
        return self.process.returncode

    def _read(self) -> bool:
        """Show what is there, or comes at once; tell whether anything did."""
        if not select.select([self._master], [], [], 0.05)[0]:
            return False
        data = os.read(self._master, 65536)
        self.raw += data
        self._stream.feed(data)
        answers, self._screen.answers = self._screen.answers, b""
        if answers:
            os.write(self._master, answers)
        return True

    @property
    def text(self) -> str:
        """All lines there were, without blanks at their ends and empty ones at the end."""
        above = ["".join(row[x].data for x in range(self._screen.columns)) for row in self._above]
        return "\n".join(line.rstrip() for line in (*above, *self._screen.display)).rstrip()

    @property
    def _above(self) -> Sequence[Any]:
        return list(self._screen.history.top)

    @property
    def settings(self) -> list[Any]:
        """How the terminal is set: echo, line editing and the like."""
        return termios.tcgetattr(self._slave)

    @property
    def cursor_is_shown(self) -> bool:
        """False while a program hides it."""
        return not self._screen.cursor.hidden
