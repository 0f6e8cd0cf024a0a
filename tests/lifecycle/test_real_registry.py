"""The whole way: docker-registry, embedded servers with stores of their own, a provisioner."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from arriero import (
    ApplyFailed,
    ArrieroError,
    Client,
    DeadlineExceeded,
    DiskFull,
    PullPolicy,
    StreamFailed,
)
from arriero.lifecycle import Journal, Provisioner, Wanted, parse_wanted
from arriero.server import serve
from tests.server.transfer.bad_line import BadLine, bad_line
from tests.server.transfer.conftest import Farm, start
from tests.server.transfer.real_registry import RealRegistry, real_registry

pytestmark = pytest.mark.slow

ONE_TRY = PullPolicy(attempts=1)
LICENCE = "SPDX-License-Identifier: MIT"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry with two versions of a model, under one tag each."""
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        with (
            serve(store=tmp_path_factory.mktemp("pushing")) as server,
            Client(server.url) as client,
        ):
            for tag, system in (("1", "Spit."), ("2", "Hum.")):
                name = f"{running.host}/library/llama:{tag}"
                client.create(name, from_="mini", system=system, license=LICENCE, stream=False)
                client.push(name, insecure=True)
        yield running


@pytest.fixture
def farms(tmp_path: Path) -> Iterator[list[Farm]]:
    """Two servers without models."""
    with ExitStack() as stack:
        made = [start(tmp_path / f"store{n}") for n in range(2)]
        for farm in made:
            stack.enter_context(farm.server)
        yield made


@pytest.fixture
def line(registry: RealRegistry) -> Iterator[BadLine]:
    """A line to the registry."""
    with bad_line(registry.host) as found:
        yield found


def wanted(host: str, tag: str) -> Wanted:
    """Give what is wanted: one version of the model, under a name of its own."""
    return parse_wanted(f"""
    [models.llama]
    source = "{host}/library/llama:{tag}"
    insecure = true
    licences = ["MIT"]
    [[models.llama.smoke]]
    prompt = "The llama is"
    """)


@contextmanager
def provisioner(farms: list[Farm], journal: Journal) -> Iterator[Provisioner]:
    """Give what provisions the farms."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(farm.server.url)) for farm in farms]
        yield Provisioner(clients, journal=journal)


def test_two_hosts_from_nothing_to_a_new_version_and_back(
    registry: RealRegistry, farms: list[Farm], journal: Journal
) -> None:
    """Lock, plan, apply, again, drift, a new version with one host failing, rollback."""
    first, second = farms
    with provisioner(farms, journal) as herd:
        old = wanted(registry.host, "1")
        lock = herd.lock(old)
        pinned = lock.models["llama:latest"]
        assert (pinned.licences, len(pinned.layers)) == (("MIT",), 4)

        plan = herd.plan(old, lock)
        assert [step.action for step in plan.steps] == ["pull", "pull"]
        assert {step.download_bytes for step in plan.steps} == {pinned.size}
        herd.apply(plan)
        assert herd.plan(old, lock).is_empty
        assert first.names() == second.names() == {"llama:latest"}
        assert all(one.ok for one in herd.verify(old, lock))

        with Client(first.server.url) as client:
            client.create("llama", from_="llama", system="Drift.", stream=False)
        assert [one.check for one in herd.verify(old, lock)] == ["digest", ""]
        herd.apply(herd.plan(old, lock))
        assert herd.plan(old, lock).is_empty

        new = wanted(registry.host, "2")
        relock = herd.lock(new, lock)
        assert relock.models["llama:latest"].digest != pinned.digest
        broken = second.store / "blobs"
        broken.rename(second.store / "elsewhere")
        broken.write_text("no folder")
        with pytest.raises(ApplyFailed) as raised:
            herd.apply(herd.plan(new, relock), pull_policy=ONE_TRY)
        assert list(raised.value.report.failures) == [second.server.url]
        broken.unlink()
        (second.store / "elsewhere").rename(broken)

        digests = {url: herd.side(url)["llama:latest"].digest for url in herd.hosts}
        assert digests[first.server.url] == relock.models["llama:latest"].digest
        assert digests[second.server.url] == pinned.digest

        done = herd.apply(herd.plan(new, relock)).changes[-1]
        assert herd.plan(new, relock).is_empty
        herd.rollback(done)
        assert herd.side(done.host)["llama:latest"].digest == pinned.digest
        assert first.litter() == second.litter() == []


def ensured(farm: Farm, name: str, policy: PullPolicy) -> None:
    """Ensure the model there."""
    with Client(farm.server.url) as client:
        client.ensure(name, insecure=True, pull_policy=policy)


def test_a_cut_line_is_resumed(line: BadLine, farms: list[Farm]) -> None:
    """What had arrived is not fetched again, also by a later program."""
    name = f"{line.host}/library/llama:1"
    line.down = lambda: 400_000
    line.pace_s = 0.002  # a cut throws away what was not read yet, so let it be read
    line.stop_at = 1_200_000
    with pytest.raises(ArrieroError):
        ensured(farms[0], name, PullPolicy(attempts=1, stall_s=1))
    assert farms[0].names() == set()
    line.down, line.stop_at, line.pace_s = (lambda: None), None, 0.0
    before = line.carried
    ensured(farms[0], name, ONE_TRY)
    assert farms[0].names() == {name}
    assert 0 < before < 1_300_000
    assert line.carried - before < 1_300_000  # of 2.4 million


def test_a_silent_line_is_a_stall(line: BadLine, farms: list[Farm]) -> None:
    """The budget is named; when the line speaks again, so does the pull."""
    name = f"{line.host}/library/llama:1"
    line.stop_at = 500_000
    with pytest.raises(DeadlineExceeded, match=r"stall_s=0\.3 ran out"):
        ensured(farms[0], name, PullPolicy(attempts=2, first_wait_s=0.01, stall_s=0.3))
    assert farms[0].names() == set()
    line.stop_at = None
    ensured(farms[0], name, ONE_TRY)
    assert farms[0].names() == {name}


def test_a_damaged_blob_is_never_listed(registry: RealRegistry, farms: list[Farm]) -> None:
    """The server finds another digest, again and again; mended, it is pulled whole."""
    name = f"{registry.host}/library/llama:1"
    with Client(farms[1].server.url) as client:
        client.pull(name, insecure=True)
        weights = client.show(name).modelfile or ""
    digest = next(word for word in weights.split() if "sha256-" in word).rpartition("sha256-")[2]
    blob = registry.blob_file(f"sha256:{digest}")
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-4] + b"spit")
    try:
        with pytest.raises(StreamFailed, match="digest mismatch"):
            ensured(farms[0], name, PullPolicy(attempts=2, first_wait_s=0.01))
        assert farms[0].names() == set()
    finally:
        blob.write_bytes(whole)
    ensured(farms[0], name, ONE_TRY)
    assert farms[0].names() == {name}


Resize = Callable[[int], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Resize]]:
    """A disk of a given number of kB, and a way to enlarge it."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("mounting a small disk needs Linux and root")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(*options: str) -> bool:
        words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(disk)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    if not mount("size=1500k"):
        pytest.skip("this root may not mount")
    try:
        yield disk, lambda kilobytes: print(mount("remount", f"size={kilobytes}k"))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_says_how_much_is_missing(
    registry: RealRegistry, small_disk: tuple[Path, Resize]
) -> None:
    """Nothing is listed; with more room the same call goes on."""
    disk, resize = small_disk
    name = f"{registry.host}/library/llama:1"
    farm = start(disk / "store")
    with farm.server:
        with pytest.raises(DiskFull, match="is full while pulling") as raised:
            ensured(farm, name, PullPolicy(attempts=3))
        assert raised.value.missing_bytes is not None
        assert 0 < raised.value.missing_bytes <= 2_500_000
        assert farm.names() == set()
        resize(20_000)
        ensured(farm, name, ONE_TRY)
        assert farm.names() == {name}
