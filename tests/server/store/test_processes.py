"""One store, several processes, and processes that are killed."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from arriero.names import parse_name
from arriero.server.store import CorruptManifest, Store

WRITER = textwrap.dedent(
    """
    import random, sys
    from pathlib import Path
    from arriero.names import parse_name
    from arriero.server.store import Manifest, Store, layer_of
    from arriero.server.store.manifests import CONFIG, SYSTEM, encode_config

    store, chance = Store(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
    print("ready", flush=True)
    for turn in range(int(sys.argv[3])):
        name = parse_name(f"m{chance.randrange(3)}")
        if chance.random() < 0.4:
            store.delete(name)
            continue
        with store.adding():
            config, _ = layer_of(store, CONFIG, encode_config({}))
            texts = [str(chance.randrange(6)).encode() * 200_000 for _ in range(2)]
            layers = tuple(layer_of(store, SYSTEM, text)[0] for text in texts)
            store.write(name, Manifest(config, layers))
    print("done", flush=True)
    """
)


def writer(root: Path, seed: int, turns: int) -> subprocess.Popen[str]:
    """Start a process that makes and deletes models."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(seed), str(turns)],
        stdout=subprocess.PIPE,
        text=True,
    )


def assert_whole(store: Store) -> None:
    """Every model has all its blobs, and every blob is what its name says."""
    for entry in store.entries():
        manifest, _ = store.read(entry)
        for digest in manifest.digests:
            assert store.verify_blob(digest), (entry.name, digest)


def test_a_killed_process_leaves_whole_models_and_no_litter(tmp_path: Path) -> None:
    """Wherever it dies; the next start removes what it had begun."""
    store, chance = Store(tmp_path), random.Random(5)
    for seed in range(3):
        with writer(tmp_path, seed, 100_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.001, 0.06))
            process.kill()
        assert_whole(store)
        store.clean()
        assert not list(tmp_path.rglob("*-arriero-*"))
        assert_whole(store)
    assert store.delete(parse_name("m0")) in (True, False)


def test_two_processes_may_write_one_store(tmp_path: Path) -> None:
    """Whatever one deletes while the other makes models, every model stays whole."""
    store = Store(tmp_path)
    with writer(tmp_path, 1, 25) as one, writer(tmp_path, 2, 25) as two:
        while one.poll() is None or two.poll() is None:
            for entry in store.entries():
                try:
                    manifest, _ = store.read(entry)
                except CorruptManifest as error:
                    # Deleted since it was listed; half of one would be told otherwise.
                    if "No such file" in str(error):
                        continue
                    raise
                assert len(manifest.layers) == 2
            time.sleep(0.01)
        assert one.stdout is not None
        assert two.stdout is not None
        assert one.stdout.read().endswith("done\n")
        assert two.stdout.read().endswith("done\n")
    assert_whole(store)


if sys.platform == "win32":
    pytest.skip("kills and file locks differ too much", allow_module_level=True)
