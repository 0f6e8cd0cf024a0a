"""Pulls and pushes over a line that breaks, is silent, or tells lies."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arriero.server.catalogue import shipped_models
from arriero.server.store import Store, partials

from ..conftest import Answer
from .bad_line import BadLine
from .conftest import QUICK, Farm, start
from .real_registry import RealRegistry, statuses

SIZE = shipped_models()["mini"].path.stat().st_size
Waits = Callable[[Callable[[], object]], None]


@pytest.fixture
def name(pushed: str, line: BadLine, registry: RealRegistry) -> str:
    """The model in the registry, by way of the line."""
    return pushed.replace(registry.host, line.host)


def assert_whole(store: Path, name: str) -> None:
    """A model is listed, and each of its blobs is what its name says."""
    opened = Store(store)
    found = {entry.name.shortest: entry for entry in opened.entries()}
    manifest, _ = opened.read(found[f"{name}:latest"])
    for digest in manifest.digests:
        assert opened.verify_blob(digest), digest


def test_a_pull_gets_there_over_a_line_that_breaks(quick: Farm, line: BadLine, name: str) -> None:
    """However often, as long as something arrives each time; little is fetched twice."""
    chance = random.Random(1)
    line.down = lambda: chance.randrange(20_000, 200_000)

    answer = quick.pull(name)

    assert answer.records[-1] == {"status": "success"}
    assert line.cuts > 10
    assert line.carried < SIZE * 1.3
    assert_whole(quick.store, name)
    assert quick.litter() == []


def test_parts_come_side_by_side(quick: Farm, line: BadLine, name: str) -> None:
    """A blob is asked for in as many parts at once as are allowed."""
    quick.pull(name)

    blob = hashlib.sha256(shipped_models()["mini"].path.read_bytes()).hexdigest()
    asked = [head for head in line.heads if blob in head]
    assert len(asked) == 4


def cut_off(farm: Farm, name: str, records: int) -> None:
    """Begin to pull, and leave after some records, once bytes have come."""
    connection = http.client.HTTPConnection(farm.server.host, farm.server.port, timeout=60)
    connection.request("POST", "/api/pull", json.dumps({"model": name, "insecure": True}))
    answer = connection.getresponse()
    came = 0
    while records > 0 or not came:
        record = json.loads(answer.readline())
        assert "error" not in record
        came, records = record.get("completed", 0), records - 1
    connection.close()
    answer.close()


def test_a_client_that_leaves_ends_the_pull(
    quick: Farm, line: BadLine, name: str, waits_for: Waits
) -> None:
    """What has arrived stays, nothing is listed, and the next pull fetches the rest only."""
    line.pace_s = 0.004
    line.stop_at = SIZE // 2  # so that it cannot end before the client has left
    cut_off(quick, name, 12)
    partial = next((quick.store / "blobs").glob("*-partial"))
    digest = f"sha256:{partial.name[7:71]}"

    def is_free() -> bool:
        # Nobody works on it any more.
        one = Store(quick.store).partial(digest)
        taken = one.open(SIZE, lambda: pytest.fail("it began anew"))
        one.close()
        return taken

    waits_for(is_free)
    before = line.carried
    assert 0 < Store(quick.store).partial(digest).progress() < SIZE
    assert quick.names() == set()
    line.pace_s, line.stop_at = 0, None

    answer = quick.pull(name)

    assert answer.records[-1] == {"status": "success"}
    first = next(one for one in answer.records if one.get("digest") == digest)
    assert first["completed"] > 0
    assert line.carried < SIZE * 1.2, before
    assert_whole(quick.store, name)


def test_two_pulls_share_one_download(quick: Farm, line: BadLine, name: str) -> None:
    """Each sees its progress, and the bytes come once."""
    line.pace_s = 0.002
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(quick.pull(name))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for answer in answers:
        assert answer.records[-1] == {"status": "success"}
        assert len([one for one in answer.records if "digest" in one]) > 6
    assert line.carried < SIZE * 1.2


def test_one_that_leaves_does_not_disturb_the_other(quick: Farm, line: BadLine, name: str) -> None:
    """Whoever stays gets the model."""
    line.pace_s = 0.004
    answers: list[Answer] = []
    other = threading.Thread(target=lambda: answers.append(quick.pull(name)))
    other.start()
    cut_off(quick, name, 6)
    line.pace_s = 0
    other.join()

    assert answers[0].records[-1] == {"status": "success"}
    assert_whole(quick.store, name)


def test_two_servers_on_one_store_share_it_too(quick: Farm, line: BadLine, name: str) -> None:
    """One fetches, the other waits for it; both succeed."""
    line.pace_s = 0.002
    second = start(quick.store)
    with second.server:
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda farm=farm: answers.append(farm.pull(name)))
            for farm in (quick, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [answer.records[-1] for answer in answers] == [{"status": "success"}] * 2
    assert line.carried < SIZE * 1.3
    assert_whole(quick.store, name)
    assert quick.litter() == []


def test_a_wrong_byte_is_found(quick: Farm, registry: RealRegistry, pushed: str, name: str) -> None:
    """Nothing of the model appears, the error says which blob, and another try is a fresh one."""
    file = registry.blob_file(_digest_of_weights())
    whole = file.read_bytes()
    at = random.Random(4).randrange(len(whole))
    wrong = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    file.write_bytes(wrong)
    try:
        answer = quick.pull(name)
    finally:
        file.write_bytes(whole)

    got = hashlib.sha256(wrong).hexdigest()
    assert answer.records[-1] == {
        "error": "digest mismatch, file must be downloaded again: "
        f"want {_digest_of_weights()}, got sha256:{got}"
    }
    assert statuses(answer.records)[-2] == "verifying sha256 digest"
    assert quick.names() == set()
    blobs = {path.name for path in (quick.store / "blobs").iterdir()}
    assert not any(name.startswith(_digest_of_weights().replace(":", "-")) for name in blobs)
    assert not any((quick.store / "manifests").rglob("latest"))
    assert quick.pull(name).records[-1] == {"status": "success"}
    assert_whole(quick.store, name)


def _digest_of_weights() -> str:
    data = shipped_models()["mini"].path.read_bytes()
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_a_blob_that_ends_early_is_told(quick: Farm, registry: RealRegistry, name: str) -> None:
    """The registry has fewer bytes than the manifest says."""
    file = registry.blob_file(_digest_of_weights())
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    try:
        answer = quick.pull(name)
    finally:
        file.write_bytes(whole)

    assert f"has {SIZE - 1} bytes, its manifest says {SIZE}" in answer.records[-1]["error"]
    assert quick.names() == set()


def test_silence_comes_to_an_end(tmp_path: Path, line: BadLine, name: str) -> None:
    """A registry that says nothing more is given up, and nothing is listed."""
    farm = start(tmp_path / "other", replace(QUICK, stall_s=0.5))
    with farm.server:
        line.down = lambda: 100_000
        line.pace_s = 0.01
        cut_off(farm, name, 4)
        line.silent = True
        answer = farm.ask("/api/pull", {"model": name, "insecure": True})

        assert "no data for 0.5 s" in answer.records[-1]["error"]
        assert farm.names() == set()


def test_a_registry_that_stays_away_is_given_up(quick: Farm, line: BadLine, name: str) -> None:
    """After as many tries in a row as Ollama makes, with the reason."""
    # Enough for the manifest, which is asked for first.
    budgets = iter([3000])
    line.down = lambda: next(budgets, 40)

    answer = quick.pull(name)

    assert answer.records[-1]["error"].startswith("max retries exceeded: Get ")
    assert line.cuts >= 6
    assert quick.names() == set()


def test_a_full_disk_is_told(quick: Farm, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name and at once; what has arrived stays for when there is room."""
    write_all = partials.write_all
    written = 0

    def full(descriptor: int, data: bytes) -> None:
        nonlocal written
        written += len(data)
        if written > 500_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(descriptor, data)

    monkeypatch.setattr(partials, "write_all", full)
    answer = quick.pull(name)
    monkeypatch.undo()

    path = f"{quick.store}/blobs/{_digest_of_weights().replace(':', '-')}-partial"
    assert answer.records[-1] == {"error": f"write {path}: no space left on device"}
    assert quick.names() == set()
    assert quick.pull(name).records[-1] == {"status": "success"}


def test_a_push_gets_there_over_a_line_that_breaks(
    tmp_path: Path, registry: RealRegistry, line: BadLine
) -> None:
    """docker-registry gives an upload up that was cut; it is begun again, and comes out right."""
    farm = start(tmp_path / "maker")
    with farm.server:
        gguf = shipped_models()["mini"].path.read_bytes() + random.Random(9).randbytes(3_000_000)
        digest = f"sha256:{hashlib.sha256(gguf).hexdigest()}"
        assert farm.ask(f"/api/blobs/{digest}", gguf).status == 201
        model = f"{line.host}/flock/torn"
        made = farm.ask("/api/create", {"model": model, "files": {"m.gguf": digest}})
        assert made.records[-1] == {"status": "success"}, made.body
        # By how often it broke: not every connection is one that has so much to carry.
        budgets = dict(enumerate([2_000_000, 300_000, 5_000_000, 900_000]))
        line.up = lambda: budgets.get(line.cuts)

        answer = farm.ask("/api/push", {"model": model, "insecure": True})

        assert answer.records[-1] == {"status": "success"}, answer.body
        assert line.cuts >= 4
        assert registry.blob_file(digest).read_bytes() == gguf
        assert registry.tags("flock/torn") == ["latest"]
