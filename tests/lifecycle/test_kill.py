"""`kill -9` at random points of apply: never a missing or half model, and the next run ends it.

`ARRIERO_KILLS=100` dies at a hundred points of each run instead of a few.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arriero import Client, ModelNotFound
from arriero.lifecycle import Journal, Provisioner, read_wanted
from arriero.server import serve
from tests.lifecycle.ollama import Ollama, built, full
from tests.lifecycle.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]

ROOT = Path(__file__).resolve().parent.parent.parent
SEED = 20_261_124
KILLS = int(os.environ.get("ARRIERO_KILLS", "8"))
OLD, NEW = built("old weights"), built("new weights", params='{"temperature": 0.5}')
TOML = """
[models.m]
[[models.m.smoke]]
prompt = "Say yes"
expect = "yes"

[models.mine]
from = "m"
system = "You help."
"""

Apply = Callable[[int, Path], tuple[int, int]]


@contextmanager
def zygote(url: str, folder: Path) -> Iterator[Apply]:
    """Give what applies in a process of its own: how it ended, and the calls it made."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lifecycle.zygote", url, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def apply(at: int, journal: Path) -> tuple[int, int]:
        process.stdin.write(f"{at} {journal}\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        ended, calls = process.stdout.readline().split()  # type: ignore[union-attr]
        return int(ended), int(calls)

    try:
        yield apply
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


class Deaths:
    """How the runs that were to be killed ended."""

    def __init__(self) -> None:
        self._ends: list[int] = []

    def add(self, ended: int) -> None:
        """Take in one; it was killed, or over before.

        A run takes a few calls more or less than the one that was counted, so that a point near
        its end may never come.
        """
        assert ended in (-9, 0)
        self._ends.append(ended)

    def require_most(self) -> None:
        """Nearly all were killed."""
        assert self._ends.count(-9) >= 0.9 * KILLS


def points(count: int, calls: int) -> list[int]:
    """Give points of a run at random, the same at each run of the test."""
    return random.Random(SEED).sample(range(1, calls), count)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("has_old", [True, False], ids=["changed", "new"])
def test_a_pull_that_is_killed(
    tmp_path: Path, waits_for: Callable[[Callable[[], object]], None], *, has_old: bool
) -> None:
    """Over a pull with a smoke test, and a model made of what was pulled."""
    names = {full("m"): OLD} if has_old else {}
    ollama = Ollama(registry={full("m"): NEW}, names=dict(names), answers={"weights": "yes"})
    (tmp_path / "models.toml").write_text(TOML)
    with served(ollama) as url:
        with Client(url) as client:
            provisioner = Provisioner(client, journal=Journal(tmp_path / "journal"))
            ollama.names[full("m")] = NEW  # the lock is made where the new one is
            provisioner.lock(read_wanted(tmp_path / "models.toml")).write(tmp_path / "models.lock")
            ollama.names = dict(names)
        with zygote(url, tmp_path) as apply:
            ended, calls = apply(0, tmp_path / "whole.db")
            assert ended == 0
            deaths = Deaths()
            for at in points(KILLS, calls):
                ollama.names, ollama.partial = dict(names), {}
                journal = tmp_path / f"{at}.db"
                deaths.add(apply(at, journal)[0])
                waits_for(lambda: ollama.busy == 0)
                assert ollama.has("m") in (OLD.digest if has_old else None, NEW.digest)
                assert apply(0, journal)[0] == 0
                assert ollama.has("m") == NEW.digest
                assert ollama.has("mine") is not None
                assert not any("arriero-staged" in name for name in ollama.names)
                assert not Journal(journal).entries(only_open=True)
            deaths.require_most()


def _is_whole(client: Client, listed: str) -> None:
    """What is listed can be shown, unless a deletion that was asked for before is just done."""
    try:
        assert client.show(listed).capabilities
    except ModelNotFound:
        assert listed not in [one.model for one in client.list().models]


@pytest.mark.timeout(600)
def test_a_create_on_a_real_store_that_is_killed(tmp_path: Path) -> None:
    """The embedded server's store: what is listed can be shown, before and after."""
    toml = "[models.mine]\nfrom = 'mini'\nsystem = '{}'\n"
    with serve(store=tmp_path / "store") as server, Client(server.url) as client:
        client.create("mine", from_="mini", system="old", stream=False)
        old = client.show("mine").system
        (tmp_path / "models.toml").write_text(toml.format("new"))
        provisioner = Provisioner(client, journal=Journal(tmp_path / "journal"))
        provisioner.lock(read_wanted(tmp_path / "models.toml")).write(tmp_path / "models.lock")
        with zygote(server.url, tmp_path) as apply:
            ended, calls = apply(0, tmp_path / "whole.db")
            assert (ended, client.show("mine").system) == (0, "new")
            deaths = Deaths()
            for at in points(KILLS, calls):
                client.create("mine", from_="mini", system="old", stream=False)
                journal = tmp_path / f"{at}.db"
                deaths.add(apply(at, journal)[0])
                for listed in client.list().models:
                    _is_whole(client, listed.model or "")
                assert client.show("mine").system in (old, "new")
                assert apply(0, journal)[0] == 0
                assert client.show("mine").system == "new"
                names = [one.model or "" for one in client.list().models]
                assert not any(name.startswith("arriero-staged") for name in names)
            deaths.require_most()
