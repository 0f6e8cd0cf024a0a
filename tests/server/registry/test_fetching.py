"""What a pull asks, and which answers it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arriero.names import parse_name
from arriero.server.registry.fetching import NoRanges, fetch_manifest, fetch_range, read_manifest
from arriero.server.registry.messages import Answer, Lost, StatusRefused, TransferFailed

from .script import answer, play, session

DIGEST = f"sha256:{'a' * 64}"
EWE = parse_name("reg.example/flock/ewe:v1")


def test_a_manifest_is_asked_for_by_tag() -> None:
    """And kept byte for byte."""
    played = play(fetch_manifest(session()), [answer(body=b'{ "odd":  1}')])
    assert played.result == b'{ "odd":  1}'
    accept = dict(played.requests[0].headers)["Accept"]
    assert accept == "application/vnd.docker.distribution.manifest.v2+json"


def ranged(*answers: Answer) -> Any:
    """Ask for bytes 10 to 20 of 100."""
    return play(fetch_range(session(), DIGEST, 10, 20, 100), answers)


def test_a_range_is_asked_for() -> None:
    """Its end is the last byte, as HTTP counts; compressed would be other bytes."""
    given = answer(206, content_range="bytes 10-19/100")
    played = ranged(given)
    assert played.result is given
    headers = dict(played.requests[0].headers)
    assert headers["Range"] == "bytes=10-19"
    assert headers["Accept-Encoding"] == "identity"
    assert played.requests[0].streams


@pytest.mark.parametrize(
    "given",
    [
        answer(206, content_range="bytes 0-19/100"),
        answer(206, content_range="bytes 10-30/100"),
        answer(206, content_range="lines 10-19/100"),
        answer(206),
        answer(204),
    ],
)
def test_another_range_is_not_taken(given: Answer) -> None:
    """Its bytes would land in the wrong place."""
    assert isinstance(ranged(given).error, Lost)


def test_a_shorter_range_is_taken() -> None:
    """The rest is asked for next."""
    assert ranged(answer(206, content_range="bytes 10-14/100")).error is None
    assert ranged(answer(206, content_range="bytes 10-19/*")).error is None


def test_a_blob_of_another_size_is_told() -> None:
    """The manifest and the registry disagree: trying again would not help."""
    error = ranged(answer(206, content_range="bytes 10-19/99")).error
    assert str(error) == f"blob {DIGEST} has 99 bytes, its manifest says 100"
    assert not isinstance(error, Lost)


def test_a_registry_without_ranges_is_found_out() -> None:
    """The whole blob in answer to a part; but where all is wanted, that is right."""
    assert isinstance(ranged(answer(200)).error, NoRanges)
    assert play(fetch_range(session(), DIGEST, 0, 100, 100), [answer(200)]).error is None


def test_an_error_is_an_error() -> None:
    """Whatever was asked for."""
    assert isinstance(ranged(answer(416)).error, StatusRefused)


def manifest(*layers: dict[str, Any], config: Any = None) -> bytes:
    """A manifest of layers."""
    config = config or {"mediaType": "c", "digest": DIGEST, "size": 1}
    return json.dumps({"schemaVersion": 2, "config": config, "layers": list(layers)}).encode()


def layer(kind: str = "model", digest: str = DIGEST, size: int = 3) -> dict[str, Any]:
    """A layer of a manifest."""
    return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": size}


def test_a_manifest_with_weights_is_read() -> None:
    """Whatever else it has."""
    found = read_manifest(EWE, manifest(layer(), layer("odd")))
    assert [one.size_bytes for one in found.layers] == [3, 3]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"<html>", "pull model manifest: invalid character '<' looking for beginning of value"),
        (b"[]", "pull model manifest: manifest: not an object"),
        (manifest(layer(digest="")), "flock/ewe: digest is empty"),
        (manifest(layer(), config={"size": 1}), "flock/ewe: digest is empty"),
        (manifest(layer(digest="../../x")), "pull model manifest: manifest: a layer has no valid"),
        (manifest(layer(size=-1)), "pull model manifest: manifest: a layer has a negative size"),
        (manifest(layer("tensor")), "this model requires MLX support, but the MLX runtime is not"),
        (manifest(layer("license")), "reg.example/flock/ewe:v1 has no weights in GGUF format"),
        (manifest(), "reg.example/flock/ewe:v1 has no weights in GGUF format"),
    ],
)
def test_a_manifest_that_is_no_good_is_told(data: bytes, text: str) -> None:
    """Before anything else is fetched."""
    with pytest.raises(TransferFailed) as caught:
        read_manifest(EWE, data)
    assert str(caught.value).startswith(text)
