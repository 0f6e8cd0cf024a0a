"""Registries that are none of the usual: without ranges, with redirects, with nonsense."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arriero.server.catalogue import shipped_models

from .conftest import QUICK, Farm, start
from .real_registry import PASSWORD, USER
from .toy_registry import ToyRegistry, toy_registry

WEIGHTS = shipped_models()["mini"].path.read_bytes()
CONFIG = b'{"model_format": "gguf"}'


def digest_of(data: bytes) -> str:
    """Digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def toy() -> Iterator[ToyRegistry]:
    """A registry with a model."""
    with toy_registry() as running:
        stock(running)
        yield running


def stock(toy: ToyRegistry, weights: bytes = WEIGHTS, sent: bytes = WEIGHTS) -> None:
    """Give a registry a model; what it sends may be something else."""
    toy.manifest(
        "flock/ewe",
        ("model", digest_of(weights), len(weights)),
        ("config", digest_of(CONFIG), len(CONFIG)),
    )
    toy.blob("flock/ewe", digest_of(weights), sent)
    toy.blob("flock/ewe", digest_of(CONFIG), CONFIG)


def test_a_registry_without_ranges_will_do(quick: Farm, toy: ToyRegistry) -> None:
    """The blob comes in one piece."""
    toy.ranges = False

    answer = quick.pull(f"{toy.host}/flock/ewe")

    assert answer.records[-1] == {"status": "success"}
    assert quick.names() == {f"{toy.host}/flock/ewe:latest"}
    assert quick.litter() == []


def test_storage_elsewhere_gets_no_password(toy: ToyRegistry, tmp_path: Path) -> None:
    """A redirect to another port is one to a stranger."""
    toy.answers["/v2/flock/ewe/manifests/latest"], manifest = (
        (401, {"WWW-Authenticate": 'Basic realm="x"'}, b""),
        toy.answers["/v2/flock/ewe/manifests/latest"],
    )
    with toy_registry() as storage:
        storage.blobs.update(toy.blobs)
        toy.redirect = f"http://{storage.host}"
        farm = start(tmp_path / "farm")
        with farm.server:
            body = {"model": f"{toy.host}/flock/ewe", "insecure": True}
            body |= {"username": USER, "password": PASSWORD}
            refused = farm.ask("/api/pull", body)
            assert refused.records[-1]["error"].endswith("unauthorized: access denied")
            assert toy.asked[-1][2] is not None, "the registry itself got it"
            toy.answers["/v2/flock/ewe/manifests/latest"] = manifest
            assert farm.ask("/api/pull", body).records[-1] == {"status": "success"}
        assert storage.asked
        assert {proof for _, _, proof in storage.asked} == {None}


def test_a_blob_of_the_right_size_that_is_another_is_refused(quick: Farm, toy: ToyRegistry) -> None:
    """Nothing is visible of it afterwards, and nothing left."""
    other = random.Random(2).randbytes(len(WEIGHTS))
    stock(toy, sent=other)

    answer = quick.pull(f"{toy.host}/flock/ewe")

    assert answer.records[-1]["error"] == (
        "digest mismatch, file must be downloaded again: "
        f"want {digest_of(WEIGHTS)}, got {digest_of(other)}"
    )
    assert quick.names() == set()
    blobs = [path.name[7:71] for path in (quick.store / "blobs").iterdir()]
    assert digest_of(WEIGHTS)[7:] not in blobs


def test_what_is_not_there_is_told_at_once(quick: Farm, toy: ToyRegistry) -> None:
    """A manifest whose blob is missing: asking again would not help."""
    toy.blobs.clear()

    answer = quick.pull(f"{toy.host}/flock/ewe")

    assert answer.records[-1] == {"error": "file does not exist"}
    assert len(toy.asked) <= 1 + 4


def test_a_size_nobody_has_is_told(quick: Farm, toy: ToyRegistry) -> None:
    """A manifest may say anything; the disk is not filled with it."""
    toy.manifest(
        "flock/ewe",
        ("model", digest_of(WEIGHTS), 10**15),
        ("config", digest_of(CONFIG), len(CONFIG)),
    )

    answer = quick.pull(f"{toy.host}/flock/ewe")

    assert "error" in answer.records[-1]
    assert quick.names() == set()


def test_a_slow_pull_tells_how_far_it_is(toy: ToyRegistry, tmp_path: Path) -> None:
    """Every 60 ms, as Ollama; never backwards."""
    toy.pace_s = 0.02
    farm = start(tmp_path / "farm", replace(QUICK, tick_s=0.02, streams=1))
    with farm.server:
        answer = farm.pull(f"{toy.host}/flock/ewe")

    first = [one for one in answer.records if one.get("digest") == digest_of(WEIGHTS)]
    completed = [one.get("completed", 0) for one in first]
    assert len(set(completed)) > 4
    assert completed == sorted(completed)
    assert {one["total"] for one in first} == {len(WEIGHTS)}
