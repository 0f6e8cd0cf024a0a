"""The processes that the program under test has."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children_with(text: str) -> list[psutil.Process]:
    """Give this program's child processes whose command line has that text.

    One that has ended and was not waited for has no command line any more: it counts, since nobody
    can tell whose it is and somebody still has to wait for it.
    """
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            try:
                if text in "\0".join(child.cmdline()):
                    found.append(child)
            except psutil.ZombieProcess:
                found.append(child)
    return found
