"""A process that applies plans in children, and lets each die at a given point.

    python -m tests.lifecycle.zygote URL FOLDER

A line on stdin is a number and a journal: the child is killed at that call of a function, or
lives to the end for 0. A line on stdout has how it ended, and how many calls there were.
Everything is imported before the first fork, so that a child takes milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from arriero import Client, PullPolicy
from arriero.errors import ArrieroError
from arriero.lifecycle import Journal, Provisioner, read_lock, read_wanted


class Executioner:
    """Counts the calls of functions, Python's and C's, and kills the process at one of them."""

    def __init__(self, at: int) -> None:
        self.calls = 0
        self._at = at

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            self.calls += 1
            if self.calls == self._at:
                os.kill(os.getpid(), signal.SIGKILL)


def apply(url: str, folder: Path, journal: str, at: int, told: int) -> None:
    """Plan and apply once, in this process; write the number of calls to `told`."""
    executioner = Executioner(at)
    wanted, lock = read_wanted(folder / "models.toml"), read_lock(folder / "models.lock")
    with Client(url) as client:
        provisioner = Provisioner(client, journal=Journal(journal, durable=False))
        plan = provisioner.plan(wanted, lock)
        sys.setprofile(executioner)
        provisioner.apply(plan, pull_policy=PullPolicy(attempts=1))
        sys.setprofile(None)
    os.write(told, str(executioner.calls).encode())


def main() -> None:
    """Serve the lines of stdin."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    for line in sys.stdin:
        at, journal = line.split()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                apply(url, folder, journal, int(at), writing)
            except ArrieroError as error:
                print(error, file=sys.stderr)
                os._exit(1)
            os._exit(0)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        calls = os.read(reading, 20).decode() or "0"
        os.close(reading)
        print(os.waitstatus_to_exitcode(status), calls, flush=True)


if __name__ == "__main__":
    main()
