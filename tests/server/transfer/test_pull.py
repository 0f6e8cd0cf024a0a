"""Pulling from a real registry."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from arriero.server import serve
from arriero.server.store import manifests as kinds

from ..conftest import ask_server
from .conftest import Farm
from .real_registry import RealRegistry, statuses


def manifest_file(store: Path, name: str) -> Path:
    """Where a store keeps the manifest of a model."""
    return store / "manifests" / name / "latest"


def test_a_model_comes_whole(farm: Farm, pushed: str, registry: RealRegistry) -> None:
    """Its records are Ollama's, its manifest is the registry's to the byte, and it answers."""
    answer = farm.ask("/api/pull", {"model": pushed, "insecure": True})

    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    layers = [record["digest"] for record in answer.records if "digest" in record]
    distinct = list(dict.fromkeys(layers))
    assert statuses(answer.records) == [
        "pulling manifest",
        *(f"pulling {digest[7:19]}" for digest in distinct),
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    status, data = registry.get("/v2/library/flock/manifests/latest", kinds.MANIFEST)
    assert status == 200
    assert manifest_file(farm.store, pushed).read_bytes() == data
    manifest = json.loads(data)
    assert distinct == [layer["digest"] for layer in (*manifest["layers"], manifest["config"])]
    listed = farm.ask("/api/tags", None, "GET").json["models"]
    assert [model["digest"] for model in listed] == [hashlib.sha256(data).hexdigest()]
    assert farm.litter() == []
    said = farm.ask("/api/generate", {"model": pushed, "prompt": "Hello", "stream": False})
    assert said.json["done"] is True


def test_each_layer_ends_complete(farm: Farm, pushed: str) -> None:
    """The last record of a layer has all of it, so that a bar comes to its end."""
    answer = farm.ask("/api/pull", {"model": pushed, "insecure": True})

    last = {one["digest"]: one for one in answer.records if "digest" in one}
    assert last
    assert all(one["completed"] == one["total"] for one in last.values())


def test_what_is_here_is_not_fetched_again(farm: Farm, pushed: str) -> None:
    """A second pull has one record for each layer, complete, as Ollama's has."""
    assert farm.ask("/api/pull", {"model": pushed, "insecure": True}).status == 200

    again = farm.ask("/api/pull", {"model": pushed, "insecure": True})

    layers = [record for record in again.records if "digest" in record]
    assert len(layers) == len({record["digest"] for record in layers}) == 4
    assert all(record["completed"] == record["total"] for record in layers)


def test_without_a_stream_there_is_the_last_record(farm: Farm, pushed: str) -> None:
    """As one JSON value with a length."""
    body = {"model": pushed, "insecure": True, "stream": False}
    answer = farm.ask("/api/pull", body)

    assert answer.json == {"status": "success"}
    assert answer.headers["content-type"] == "application/json"
    assert "content-length" in answer.headers


def test_an_older_version_leaves_no_layers_behind(
    registry: RealRegistry, farm: Farm, tmp_path: Path
) -> None:
    """What only the old version of a tag needed goes, and the stream says so."""
    name = f"{registry.host}/library/renewed"
    pulled = {"model": name, "insecure": True}
    with serve(store=tmp_path / "maker") as maker:
        for system in ("Be old.", "Be new."):
            made = {"model": name, "from": "mini", "system": system}
            assert ask_server(maker, "POST", "/api/create", made).status == 200
            assert ask_server(maker, "POST", "/api/push", pulled).status == 200
            answer = farm.ask("/api/pull", pulled)

    assert "removing unused layers" in statuses(answer.records)
    assert answer.records[-1] == {"status": "success"}
    kept = {path.name for path in (farm.store / "blobs").iterdir()}
    manifest = json.loads(manifest_file(farm.store, name).read_bytes())
    needed = [*manifest["layers"], manifest["config"]]
    assert kept == {layer["digest"].replace(":", "-") for layer in needed}


def test_a_renewed_model_says_the_new_thing(
    registry: RealRegistry, farm: Farm, tmp_path: Path
) -> None:
    """A pull over an existing name takes effect at once."""
    name = f"{registry.host}/library/turncoat"
    with serve(store=tmp_path / "maker") as maker:
        for system in ("One.", "Two."):
            made = {"model": name, "from": "mini", "system": system}
            ask_server(maker, "POST", "/api/create", made)
            ask_server(maker, "POST", "/api/push", {"model": name, "insecure": True})
            farm.ask("/api/pull", {"model": name, "insecure": True})
            assert farm.ask("/api/show", {"model": name}).json["system"] == system


def test_what_a_model_is_made_from_is_pulled(farm: Farm, pushed: str) -> None:
    """As from Ollama, which takes it over TLS only; so this one fails, in its words."""
    answer = farm.ask("/api/create", {"model": "mine", "from": pushed, "system": "Be mine."})

    assert answer.records[0] == {"status": "pulling manifest"}
    assert answer.records[-1]["error"].endswith("server gave HTTP response to HTTPS client")
    assert farm.names() == set()
