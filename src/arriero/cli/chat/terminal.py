"""The terminal during a talk."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def keys_unseen() -> Generator[None]:
    """Show no keys outside of questions, ``^C`` among them: they would stand in the answer.

    What is typed ahead waits for the next question as it was typed: Enter is Enter and Ctrl-D
    is Ctrl-D, not what the terminal would make of them. The line editor has its own settings
    while it reads. Nothing happens where there is no terminal, or none of the POSIX kind.
    """
    try:
        import termios

        before = termios.tcgetattr(sys.stdin.fileno())
    except (ImportError, OSError, ValueError):
        yield
        return
    silent = [*before]
    silent[0] &= ~termios.ICRNL
    silent[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
