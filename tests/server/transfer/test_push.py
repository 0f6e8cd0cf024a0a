"""Pushing to a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from arriero.server import serve
from arriero.server.store import manifests as kinds

from .conftest import Farm
from .real_registry import RealRegistry, statuses


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[Farm]:
    """A server with the models of the package."""
    with serve(store=tmp_path / "maker") as server:
        yield Farm(server, tmp_path / "maker")


def test_a_model_arrives_whole(maker: Farm, registry: RealRegistry) -> None:
    """Every blob first, then the manifest, byte for byte: its digest is the same there."""
    name = f"{registry.host}/flock/ewe:v1"
    maker.ask("/api/create", {"model": name, "from": "mini", "system": "Baa."})

    answer = maker.ask("/api/push", {"model": name, "insecure": True})

    data = (maker.store / "manifests" / registry.host / "flock" / "ewe" / "v1").read_bytes()
    manifest = json.loads(data)
    layers = [*manifest["layers"], manifest["config"]]
    assert statuses(answer.records) == [
        "retrieving manifest",
        *(f"pushing {layer['digest'][7:19]}" for layer in layers),
        "pushing manifest",
        "success",
    ]
    assert registry.get("/v2/flock/ewe/manifests/v1", kinds.MANIFEST) == (200, data)
    for layer in layers:
        blob = maker.store / "blobs" / layer["digest"].replace(":", "-")
        assert registry.blob_file(layer["digest"]).read_bytes() == blob.read_bytes()


def test_what_is_there_is_not_sent_again(maker: Farm, registry: RealRegistry) -> None:
    """A second push has one record for each layer, complete, as Ollama's has."""
    name = f"{registry.host}/flock/ram"
    maker.ask("/api/copy", {"source": "mini", "destination": name})
    maker.ask("/api/push", {"model": name, "insecure": True})

    again = maker.ask("/api/push", {"model": name, "insecure": True})

    layers = [record for record in again.records if "digest" in record]
    assert len(layers) == len({record["digest"] for record in layers}) == 2
    assert all(record["completed"] == record["total"] for record in layers)


def test_without_a_stream_there_is_the_last_record(maker: Farm, registry: RealRegistry) -> None:
    """As one JSON value."""
    name = f"{registry.host}/flock/quiet"
    maker.ask("/api/copy", {"source": "mini", "destination": name})

    answer = maker.ask("/api/push", {"model": name, "insecure": True, "stream": False})

    assert (answer.status, answer.json) == (200, {"status": "success"})


def test_a_model_that_is_not_here_cannot_be_pushed(maker: Farm, registry: RealRegistry) -> None:
    """The error names the file that is missing, as Ollama's does."""
    answer = maker.ask("/api/push", {"model": f"{registry.host}/flock/nope", "insecure": True})

    assert statuses(answer.records)[:2] == ["retrieving manifest", "couldn't retrieve manifest"]
    path = maker.store / "manifests" / registry.host / "flock" / "nope" / "latest"
    assert answer.records[-1] == {"error": f"open {path}: no such file or directory"}
    assert registry.tags("flock/nope") == []
