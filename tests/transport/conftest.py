"""What the transport suite shares."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from arriero._transport.interface import TransportSettings

from .adapters import NAMES, Adapter, made
from .certificates import Certificates, issue


def _open_files() -> set[str]:
    """The sockets, pipes and files this process has open, but not the test's own output."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        if target.startswith(("socket:", "anon_inode:[eventpoll]")):
            found.add(target)
    return found


@pytest.fixture(autouse=True)
def leaves_nothing_open() -> Iterator[None]:
    """Every test ends with the sockets and threads it began with."""
    if not os.path.isdir("/proc/self/fd"):
        yield
        return
    files, threads = _open_files(), set(threading.enumerate())
    yield
    end = time.monotonic() + 30
    while True:
        new_files = _open_files() - files
        new_threads = set(threading.enumerate()) - threads
        if not (new_files or new_threads) or time.monotonic() > end:
            break
        time.sleep(0.01)
    assert not new_files, f"left open: {new_files}"
    assert not new_threads, f"still running: {new_threads}"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made for this run."""
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each adapter in turn."""
    chosen: str = request.param
    pytest.importorskip(chosen.partition("-")[0])
    return chosen


@pytest.fixture
def make(name: str) -> Iterator[Callable[..., Adapter]]:
    """Make an adapter with settings; it is closed at the end."""
    adapters: list[Adapter] = []

    def make_one(settings: TransportSettings | None = None) -> Adapter:
        adapters.append(made(name, settings))
        return adapters[-1]

    yield make_one
    for adapter in adapters:
        adapter.close()


@pytest.fixture
def adapter(make: Callable[..., Adapter]) -> Adapter:
    """An adapter with default settings."""
    return make()
