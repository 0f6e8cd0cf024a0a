"""Models made with fewer bits."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from arriero.server import Server, serve
from arriero.server.quantizer import process

from ..conftest import Answer, ask_server
from ..processes import children_with
from ..quantizer.files import matrix
from .weights import half_precision

CHAT = {
    "messages": [{"role": "user", "content": "What is a llama?"}],
    "stream": False,
    "options": {"temperature": 0, "num_predict": 12},
}

ENDLESS = "import sys, time\nwhile sys.stdout.buffer.write(bytes(1 << 20)): time.sleep(0.01)"
"""A conversion that does not end."""


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 16-bit floats."""
    path = tmp_path_factory.mktemp("half") / "half.gguf"
    path.write_bytes(half_precision())
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store."""
    return tmp_path / "models"


@pytest.fixture
def server(half: Path, store: Path) -> Iterator[Server]:
    """A server that was given that model."""
    with serve({"half": half}, store=store) as running:
        yield running


def create(server: Server, **body: object) -> Answer:
    """Make a model."""
    return ask_server(server, "POST", "/api/create", {"model": "small", **body})


def upload(server: Server, data: bytes) -> str:
    """Put a file into the store; give its digest."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert ask_server(server, "POST", f"/api/blobs/{digest}", data).status == 201
    return digest


def statuses(answer: Answer) -> list[str]:
    """What was told, without digests."""
    return [record.get("status", str(record)).partition(" sha256:")[0] for record in answer.records]


@pytest.mark.parametrize("wanted", ["q4_K_M", "Q4_K", "q4_k_s", "Q8_0", "f32", "BF16"])
def test_it_is_what_was_asked_for_and_answers(server: Server, wanted: str) -> None:
    """In any case of letters."""
    made = create(server, **{"from": "half", "quantize": wanted})

    assert statuses(made) == [
        "verifying conversion",
        "creating new layer",
        "writing manifest",
        "success",
    ]
    shown = ask_server(server, "POST", "/api/show", {"model": "small"}).json
    name = {"Q4_K": "Q4_K_M"}.get(wanted, wanted.upper())
    assert shown["details"]["quantization_level"] == name
    answer = ask_server(server, "POST", "/api/chat", {"model": "small", **CHAT}).json
    assert "llama" in answer["message"]["content"].lower()


def test_a_file_is_quantized_as_it_is_added(server: Server, half: Path) -> None:
    """Under the same name as the file; the file itself stays for others."""
    files = {"half.gguf": upload(server, half.read_bytes())}
    made = create(server, files=files, quantize="q8_0")
    again = create(server, files=files, quantize="q8_0")

    told = ["parsing GGUF", "verifying conversion", "creating new layer", "writing manifest"]
    assert statuses(made) == [*told, "success"]
    assert statuses(again)[2] == "using existing layer"
    assert ask_server(server, "HEAD", f"/api/blobs/{files['half.gguf']}").status == 200


def test_nothing_stays_but_what_it_needs(server: Server, store: Path) -> None:
    """The copy of the given model served the conversion only."""
    create(server, **{"from": "half", "quantize": "q8_0"})

    [manifest] = (store / "manifests").rglob("latest")
    layers = json.loads(manifest.read_text())
    needed = {layers["config"]["digest"], *(layer["digest"] for layer in layers["layers"])}
    assert {path.name.replace("-", ":") for path in (store / "blobs").iterdir()} == needed


def test_what_it_is_already_costs_nothing(server: Server) -> None:
    """It is no conversion."""
    made = create(server, **{"from": "half", "quantize": "f16"})
    assert statuses(made) == ["creating new layer", "writing manifest", "success"]


def test_a_name_given_for_the_type_counts(server: Server) -> None:
    """As for models that are not quantized."""
    create(server, **{"from": "half", "quantize": "q8_0", "info": {"quantization_level": "mine"}})
    shown = ask_server(server, "POST", "/api/show", {"model": "small"}).json
    assert shown["details"]["quantization_level"] == "mine"


def test_a_bad_template_is_told_before_the_work(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after minutes of it."""
    monkeypatch.setattr(process, "_BOOT", ENDLESS)
    made = create(server, **{"from": "half", "quantize": "q8_0", "template": "{{ .Prompt"})
    assert made.status == 400
    assert "template error" in made.json["error"]


def test_texts_come_with_the_smaller_weights(server: Server) -> None:
    """As with any other."""
    create(server, **{"from": "half", "quantize": "q8_0", "system": "Spit.", "license": "Grass."})
    shown = ask_server(server, "POST", "/api/show", {"model": "small"}).json
    assert (shown["system"], shown["license"]) == ("Spit.", "Grass.")


def test_a_file_that_breaks_leaves_nothing(server: Server, store: Path, tmp_path: Path) -> None:
    """Neither a model nor a half of one."""
    broken = matrix(tmp_path / "broken", np.full(300 * 512, np.nan, np.float32).tobytes())
    digest = upload(server, broken.read_bytes())
    made = create(server, files={"a.gguf": digest}, quantize="q8_0")

    assert "not all of its numbers are finite" in made.records[-1]["error"]
    assert [path.name for path in (store / "blobs").iterdir()] == [digest.replace(":", "-")]
    assert not list((store / "manifests").rglob("*"))


def converting() -> list[psutil.Process]:
    """The processes that convert something for this one."""
    return children_with(ENDLESS)


@pytest.fixture
def begun(
    server: Server, half: Path, monkeypatch: pytest.MonkeyPatch
) -> http.client.HTTPConnection:
    """A client that waits for a conversion which does not end."""
    monkeypatch.setattr(process, "_BOOT", ENDLESS)
    files = {"half.gguf": upload(server, half.read_bytes())}
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    wanted = {"model": "small", "files": files, "quantize": "q8_0"}
    connection.request("POST", "/api/create", json.dumps(wanted))
    assert b"parsing" in connection.getresponse().readline()
    return connection


def test_a_client_that_leaves_ends_the_work(
    begun: http.client.HTTPConnection,
    store: Path,
    waits_for: Callable[[Callable[[], object]], None],
) -> None:
    """Nobody converts for minutes what nobody waits for."""
    waits_for(lambda: converting() and len(list((store / "blobs").iterdir())) == 2)
    begun.close()

    waits_for(lambda: not converting())
    waits_for(lambda: len(list((store / "blobs").iterdir())) == 1)


def test_a_server_that_closes_waits_for_no_conversion(
    begun: http.client.HTTPConnection,
    server: Server,
    waits_for: Callable[[Callable[[], object]], None],
) -> None:
    """It ends it."""
    waits_for(converting)
    server.close()
    begun.close()
    assert not converting()
