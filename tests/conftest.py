"""What holds for every test: nothing outlives it, and no property is tested by the clock."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, max_examples=60)
settings.load_profile("suite")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs so, and so would be every program that is run here.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOMS = Path(__file__).parent
QUIET_ROOMS = {"core", "types", "drive", "wire", "schema", "testing", "tools", "governance"}
"""Rooms whose modules share no server, so that each module can be checked alone."""

PATIENCE_S = 30.0
"""A thread that was told to end needs a moment."""


def running() -> set[str]:
    """Give the threads, child processes, sockets and open files there are now, described."""
    process = psutil.Process()
    threads = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    children = {f"process {child.pid}" for child in process.children()}
    sockets = {
        f"socket {found.fd} {found.laddr} {found.status}"
        for found in process.net_connections(kind="inet")
    }
    files = {f"file {found.fd} {found.path}" for found in process.open_files()}
    return threads | children | sockets | files


def left_by(before: set[str]) -> set[str]:
    """Give what runs now and did not before, once it had its time to end."""
    end_s = time.monotonic() + PATIENCE_S
    while (left := running() - before) and time.monotonic() < end_s:
        time.sleep(0.02)
    return left


@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_suite() -> Iterator[None]:
    """Every thread, process, socket and open file is gone when the last test is."""
    before = running()
    yield
    assert not (left := left_by(before)), f"left running: {sorted(left)}"


@pytest.fixture(scope="module", autouse=True)
def nothing_outlives_a_module(request: pytest.FixtureRequest) -> Iterator[None]:
    """In rooms without a shared server, each module cleans up after itself."""
    if request.path.relative_to(ROOMS).parts[0] not in QUIET_ROOMS:
        yield
        return
    before = running()
    yield
    assert not (left := left_by(before)), f"left running: {sorted(left)}"


@pytest.fixture
def waits_for() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true; fail if it never is."""

    def wait(is_true: Callable[[], object]) -> None:
        end_s = time.monotonic() + 30  # for machines under load: nothing waits that long else
        while not is_true():
            assert time.monotonic() < end_s, "waited in vain"
            time.sleep(0.001)

    return wait
