"""Whatever is interrupted wherever: nothing half done is seen, and nothing that came is lost."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from arriero.names import parse_name
from arriero.server.catalogue import shipped_models
from arriero.server.store import Manifest, Store, layer_of
from arriero.server.store import manifests as kinds

from .bad_line import BadLine
from .conftest import Farm
from .nursery import Nursery, nursery
from .real_registry import RealRegistry

INTERRUPTIONS = int(os.environ.get("ARRIERO_INTERRUPTIONS", "100"))
"""More of them while one works on this; each takes some 40 ms."""

KILLS = int(os.environ.get("ARRIERO_KILLS", "40"))
SEED = int(os.environ.get("ARRIERO_SEED", "20261124"))

_BUFFERED_BYTES = 256 * 1024
"""What may lie unread in the buffers of sockets when a reader ends: it was carried for nothing."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the servers that are killed keep their models."""
    return tmp_path / "store"


@pytest.fixture
def servers(store: Path) -> Iterator[Nursery]:
    """Servers on that store."""
    with nursery(store) as found:
        yield found


@pytest.fixture
def name(pushed: str, line: BadLine, registry: RealRegistry) -> str:
    """The model in the registry, by way of the line."""
    return pushed.replace(registry.host, line.host)


def begun(farm: Farm, method: str, path: str, body: object, most: int | None = None) -> list[bytes]:
    """Ask for something whose answer may break off; give its lines, `most` if there are more."""
    connection = http.client.HTTPConnection(farm.server.host, farm.server.port, timeout=60)
    lines: list[bytes] = []
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with suppress(OSError, http.client.HTTPException):
        connection.request(method, path, data)
        with connection.getresponse() as answer:
            for line in answer:
                lines.append(line)
                if len(lines) == most:
                    break
    connection.close()
    return lines


def pulled(farm: Farm, name: str, most: int | None = None) -> bool:
    """Pull a model; tell whether it came to its end before anything happened to it.

    A line that is cut within the manifest ends a pull, as from Ollama; nothing else does.
    """
    lines = begun(farm, "POST", "/api/pull", {"model": name, "insecure": True}, most)
    for line in lines:
        assert b'"error"' not in line or b"pull model manifest: Get" in line, line
    return bool(lines) and b'"success"' in lines[-1]


def have(store: Path, manifest: Manifest) -> int:
    """Bytes of a model that would not have to be fetched again."""
    opened = Store(store)
    sizes = {layer.digest: layer.size_bytes for layer in (*manifest.layers, manifest.config)}
    return sum(
        size if opened.has_blob(digest) else opened.partial(digest).progress()
        for digest, size in sizes.items()
    )


def keep_one(store: Path) -> str:
    """Put a model into the store that must outlive everything; give its name."""
    opened, name = Store(store), parse_name("kept")
    with opened.adding():
        config, _ = layer_of(opened, kinds.CONFIG, kinds.encode_config({}))
        weights, _ = layer_of(opened, kinds.MODEL, b"GGUF" * 10_000)
        opened.write(name, Manifest(config, (weights,)))
    return name.shortest


def whole_models(store: Path) -> set[str]:
    """Check that whatever has a manifest is complete and right; give the names."""
    opened = Store(store)
    found: set[str] = set()
    for entry in opened.entries():
        manifest, _ = opened.read(entry)
        for digest in manifest.digests:
            assert opened.verify_blob(digest), (entry.name, digest)
        found.add(entry.name.shortest)
    return found


def assert_clean(store: Path) -> None:
    """After a start there are blobs and downloads to be gone on with, and nothing else."""
    for path in (store / "blobs").iterdir():
        assert "-arriero-" not in path.name
    assert not [path for path in (store / "manifests").rglob(".*") if path.is_file()]


def assert_all_collected(store: Path) -> None:
    """Once it is old enough, a start removes everything that belongs to no model."""
    then_s = time.time() - 8 * 24 * 3600
    for path in (store / "blobs").iterdir():
        os.utime(path, (then_s, then_s))
    opened = Store(store)
    opened.clean()
    manifests = [opened.read(entry)[0] for entry in opened.entries()]
    needed = {one.replace(":", "-") for manifest in manifests for one in manifest.digests}
    assert {path.name for path in (store / "blobs").iterdir()} == needed


def test_a_pull_outlives_a_kill_at_any_byte(
    servers: Nursery, store: Path, line: BadLine, name: str
) -> None:
    """Killed again and again it gets there, and what had arrived is not fetched again."""
    chance = random.Random(SEED)
    line.pace_s = 0.001
    kills, ended = 0, False
    while not ended:
        server = servers.born()
        line.stopped = server.kill
        line.stop_at = line.carried + chance.randrange(1, 900_000)
        ended = pulled(server.farm, name)
        kills += not ended
        assert kills < 40

    assert kills >= 2
    assert whole_models(store) == {f"{name}:latest"}
    assert server.farm.litter() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_in_a_hundred_interruptions(
    servers: Nursery, store: Path, line: BadLine, name: str, registry: RealRegistry
) -> None:
    """The server is killed, the line is cut, the client leaves: by chance, at any byte.

    After each, what is listed is complete, what was there before is there still, and no byte
    that had been noted down is to be fetched again.
    """
    chance = random.Random(SEED)
    _, data = registry.get("/v2/library/flock/manifests/latest", kinds.MANIFEST)
    manifest = kinds.decode_manifest(data)
    kept = keep_one(store)
    line.pace_s = 0.001
    done = {"kill": 0, "cut": 0, "leave": 0}
    ends, before, carried, alive = 0, 0, line.carried, False
    while sum(done.values()) < INTERRUPTIONS:
        how = chance.choice(list(done))
        if not alive or how == "kill":
            server, alive = servers.born(), True
        line.stop_at = line.carried + chance.randrange(1, 400_000) if how == "kill" else None
        line.stopped = server.kill
        cuts = iter([chance.randrange(1, 200_000)] if how == "cut" else [])
        line.down, before_cuts = lambda cuts=cuts: next(cuts, None), line.cuts
        # The seventh record says that the manifest is written: too late to leave.
        most = chance.randrange(1, 7) if how != "kill" else None

        ended = pulled(server.farm, name, most)

        alive = how != "kill" or ended
        done[how] += line.cuts > before_cuts if how == "cut" else not ended
        assert whole_models(store) == {kept} | ({f"{name}:latest"} if ended else set()), how
        now = have(store, manifest)
        assert now >= before, how
        before = now
        if ended:
            ends += 1
            assert server.farm.ask("/api/delete", {"model": name}, "DELETE").status == 200
            before = have(store, manifest)
            assert before == 0
    assert ends > 0
    unread = sum(done.values()) * _BUFFERED_BYTES
    assert line.carried - carried < 1.1 * (ends * manifest.size_bytes + before) + unread
    print(done, f"{ends} pulls, {line.carried - carried} bytes for {manifest.size_bytes} each")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_store_outlives_its_server_in_the_middle_of_anything(
    servers: Nursery, store: Path, line: BadLine, name: str
) -> None:
    """Killed while it makes, pulls or deletes models: the next start finds a clean store."""
    chance = random.Random(SEED)
    kept = keep_one(store)
    gguf = shipped_models()["mini"].path.read_bytes()
    digest = f"sha256:{hashlib.sha256(gguf).hexdigest()}"
    line.pace_s = 0.0005
    wishes = {
        "upload": ("POST", f"/api/blobs/{digest}", gguf),
        "create": ("POST", "/api/create", {"model": "made", "files": {"m.gguf": digest}}),
        "change": ("POST", "/api/create", {"model": "made", "from": name, "system": "Spit."}),
        "copy": ("POST", "/api/copy", {"source": name, "destination": "other"}),
        "pull": ("POST", "/api/pull", {"model": name, "insecure": True}),
        "delete": ("DELETE", "/api/delete", {"model": name}),
        "remove": ("DELETE", "/api/delete", {"model": "made"}),
    }
    for _ in range(KILLS):
        server = servers.born()
        assert_clean(store)
        timer = threading.Timer(chance.uniform(0, 0.05), server.kill)
        timer.start()
        while timer.is_alive():
            method, path, body = wishes[chance.choice(list(wishes))]
            begun(server.farm, method, path, body)
        timer.join()
        assert kept in whole_models(store)

    server = servers.born()
    assert pulled(server.farm, name)
    asked = {"model": name, "prompt": "Hello", "stream": False}
    assert server.farm.ask("/api/generate", asked).json["done"] is True
    servers.kill()
    assert_all_collected(store)
    assert kept in whole_models(store)
