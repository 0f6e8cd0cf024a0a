"""The routes that change the store, beyond what was recorded."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import logging
import os
import struct
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arriero import Client
from arriero.errors import RequestError
from arriero.names import parse_name
from arriero.server import Server, create_app, serve
from arriero.server.store import Store

from ..conftest import Answer, ask_server
from .weights import shipped_path

CHAT = {
    "messages": [{"role": "user", "content": "What is a llama?"}],
    "stream": False,
    "options": {"temperature": 0, "seed": 1, "num_predict": 12},
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of a store."""
    return tmp_path / "models"


@pytest.fixture
def server(models: Path) -> Iterator[Server]:
    """A server with the shipped models and a store."""
    with serve(store=models) as running:
        yield running


def create(server: Server, **body: Any) -> Answer:
    """Make a model; it must work."""
    answer = ask_server(server, "POST", "/api/create", {**body, "stream": False})
    assert answer.json == {"status": "success"}, answer.json
    return answer


def show(server: Server, model: str) -> Any:
    """Describe a model."""
    answer = ask_server(server, "POST", "/api/show", {"model": model})
    assert answer.status == 200, answer.body
    return answer.json


def prompt(server: Server, model: str, **body: Any) -> str:
    """The prompt a chat with a model makes."""
    request = {"model": model, **CHAT, "_debug_render_only": True, **body}
    answer = ask_server(server, "POST", "/api/chat", request)
    text: str = answer.json["_debug_info"]["rendered_template"]
    return text


def content(server: Server, model: str, **body: Any) -> str:
    """What a model says."""
    answer = ask_server(server, "POST", "/api/chat", {"model": model, **CHAT, **body})
    assert answer.status == 200, answer.body
    text: str = answer.json["message"]["content"]
    return text


def test_a_model_made_from_a_shipped_one_says_the_same(server: Server) -> None:
    """Its weights are copied into the store once."""
    create(server, model="mine", **{"from": "mini"})
    create(server, model="mine2", **{"from": "mine"})
    assert content(server, "mine2") == content(server, "mini")
    assert show(server, "mine")["details"]["parent_model"] == "mini:latest"
    assert show(server, "mine2")["details"]["parent_model"] == "mine:latest"


def test_shipped_variants_take_what_makes_them_along(server: Server, models: Path) -> None:
    """Template and pooling go into the file, where Ollama finds them too."""
    for name in ("mini-think", "mini-embed"):
        body = {"source": name, "destination": f"my-{name}"}
        assert ask_server(server, "POST", "/api/copy", body).status == 200
        assert show(server, f"my-{name}")["capabilities"] == show(server, name)["capabilities"]
    body = {"input": "llama"}
    own, copied = (
        ask_server(server, "POST", "/api/embed", {"model": model, **body}).json["embeddings"]
        for model in ("mini-embed", "my-mini-embed")
    )
    assert copied == own
    assert prompt(server, "my-mini-think") == prompt(server, "mini-think")
    assert len(list((models / "blobs").iterdir())) == 3  # two files of weights, one config


def test_system_text_messages_and_options_are_honoured(server: Server) -> None:
    """Unless the request has its own."""
    create(
        server,
        model="mine",
        **{"from": "mini"},
        system="Be brief.",
        messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
        parameters={"num_predict": 3, "temperature": 0, "seed": 1},
    )
    text = prompt(server, "mine")
    assert text.index("Be brief.") < text.index("Hi") < text.index("Ho") < text.index("What is")
    own = [{"role": "system", "content": "Be long."}, *CHAT["messages"]]  # type: ignore[misc]  # a list
    assert "Be brief." not in prompt(server, "mine", messages=own)
    short = {"model": "mine", "prompt": "What is a llama?", "stream": False}
    assert ask_server(server, "POST", "/api/generate", short).json["eval_count"] == 3
    longer = {**short, "options": {"num_predict": 5, "seed": None}}
    assert ask_server(server, "POST", "/api/generate", longer).json["eval_count"] == 5
    debug = {**short, "_debug_render_only": True}
    rendered = ask_server(server, "POST", "/api/generate", debug).json["_debug_info"]
    assert "Be brief." in rendered["rendered_template"]
    other = ask_server(server, "POST", "/api/generate", {**debug, "system": "Sing."}).json
    assert "Be brief." not in other["_debug_info"]["rendered_template"]
    assert "Ho" in other["_debug_info"]["rendered_template"]


def test_parameters_are_merged_and_licences_added(server: Server) -> None:
    """A value replaces one of the same name, a list as a whole."""
    create(
        server, model="a", **{"from": "mini"}, license="one", parameters={"stop": ["x"], "top_k": 1}
    )
    create(
        server, model="b", **{"from": "a"}, license=["two"], parameters={"stop": ["y"], "seed": 2}
    )
    shown = show(server, "b")
    assert shown["license"] == "one\ntwo"
    assert shown["parameters"].split("\n") == [
        f"{'seed':<30} 2",
        f"{'stop':<30} " + '"y"',
        f"{'top_k':<30} 1",
    ]


def test_a_model_of_the_store_hides_a_shipped_one_until_deleted(server: Server) -> None:
    """And what came with the server cannot be deleted."""
    refused = ask_server(server, "DELETE", "/api/delete", {"model": "mini"})
    assert refused.status == 400
    assert "came with the server" in refused.json["error"]
    create(server, model="MINI", **{"from": "mini"}, system="Other")
    assert show(server, "mini")["system"] == "Other"
    tags = ask_server(server, "GET", "/api/tags").json["models"]
    assert sorted(row["name"].lower() for row in tags) == [
        "mini-embed:latest", "mini-think:latest", "mini:latest",
    ]  # fmt: skip
    assert ask_server(server, "DELETE", "/api/delete", {"name": "mini"}).status == 200
    assert "system" not in show(server, "mini")


def test_a_loaded_model_may_be_replaced_or_deleted(server: Server) -> None:
    """The next request gets the new one; the old one may end what it does."""
    create(server, model="mine", **{"from": "mini"}, system="One.")
    before = content(server, "mine")
    create(server, model="mine", **{"from": "mini"}, system="Two.")
    assert "Two." in prompt(server, "mine")
    assert before
    assert ask_server(server, "DELETE", "/api/delete", {"model": "mine"}).status == 200
    assert ask_server(server, "POST", "/api/chat", {"model": "mine", **CHAT}).status == 404


def test_replacing_a_model_removes_what_only_the_old_one_needed(
    server: Server, models: Path
) -> None:
    """Blobs do not pile up."""
    for system in ("one", "two", "three"):
        create(server, model="mine", **{"from": "mini"}, system=system)
    assert len(list((models / "blobs").iterdir())) == 3
    assert ask_server(server, "DELETE", "/api/delete", {"model": "mine"}).status == 200
    assert list((models / "blobs").iterdir()) == []


def test_models_outlive_the_server_in_a_store(models: Path) -> None:
    """Two servers may share one."""
    with serve(store=models) as first, serve(store=models) as second:
        create(first, model="mine", **{"from": "mini"}, system="S")
        assert show(second, "mine")["system"] == "S"
        assert show(first, "mine") == show(second, "mine")
    with serve(models=[], store=models) as third:
        assert content(third, "mine")
        assert [row["name"] for row in ask_server(third, "GET", "/api/tags").json["models"]] == [
            "mine:latest"
        ]


def test_without_a_store_models_go_with_the_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is written before something must be, and nothing is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with serve() as server:
        assert ask_server(server, "GET", "/api/tags").status == 200
        assert list(tmp_path.iterdir()) == []
        create(server, model="mine", **{"from": "mini"})
        assert len(list(tmp_path.iterdir())) == 1
        assert content(server, "mine")
    assert list(tmp_path.iterdir()) == []


def test_our_own_client_manages_models(server: Server, tmp_path: Path) -> None:
    """From the upload of a file to its end."""
    with Client(server.url) as client:
        digest = client.create_blob(shipped_path())
        client.create("mine", files={"mine.gguf": digest}, system="S")
        assert client.show("mine").system == "S"
        client.copy("mine", "user/other:v1")
        assert "user/other:v1" in [model.model for model in client.list().models]
        client.delete("mine")
        client.delete("user/other:v1")
        assert "mine:latest" not in [model.model for model in client.list().models]


def test_corrupt_and_foreign_models_are_left_out_with_a_line(
    server: Server, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each state of the file, and the others are listed."""
    create(server, model="good", **{"from": "mini"})
    library = models / "manifests" / "registry.ollama.ai" / "library"
    (library / "bad").mkdir()
    (library / "bad" / "latest").write_text("{")
    stub = json.loads((library / "good" / "latest").read_bytes())
    store = Store(models)
    config, _ = store.add_blob(b'{"remote_host":"https://ollama.com","remote_model":"x"}')
    stub["config"]["digest"] = config
    (library / "stub").mkdir()
    (library / "stub" / "latest").write_text(json.dumps(stub))
    with caplog.at_level(logging.WARNING, "arriero.server"):
        for _ in range(2):
            rows = ask_server(server, "GET", "/api/tags").json["models"]
    names = [row["name"] for row in rows]
    assert "good:latest" in names
    assert not {"bad:latest", "stub:latest"} & set(names)
    assert len([one for one in caplog.messages if "bad:latest" in one]) == 1
    assert len([one for one in caplog.messages if "stub:latest" in one]) == 1
    assert ask_server(server, "POST", "/api/show", {"model": "bad"}).status == 404


def test_a_missing_blob_is_an_error_of_that_model_alone(server: Server, models: Path) -> None:
    """Lists go on without it."""
    create(server, model="mine", **{"from": "mini"})
    store = Store(models)
    entry = store.entry(parse_name("mine"))
    assert entry is not None
    for layer in store.read(entry)[0].layers:
        store.blob_path(layer.digest).unlink()
    rows = ask_server(server, "GET", "/api/tags").json["models"]
    assert "mine:latest" not in [row["name"] for row in rows]
    assert ask_server(server, "POST", "/api/show", {"model": "mine"}).status == 500
    assert ask_server(server, "POST", "/api/chat", {"model": "mine", **CHAT}).status == 500


def test_a_template_that_does_not_parse_is_an_error_of_that_model_alone(
    server: Server, models: Path
) -> None:
    """Other programs may have stored it."""
    create(server, model="mine", **{"from": "mini"}, template="{{ .Prompt }}{{ .Tools }}")
    entry = Store(models).entry(parse_name("mine"))
    assert entry is not None
    template = Store(models).read(entry)[0].layers[-1]
    Store(models).blob_path(template.digest).write_text("{{ .Prompt")
    with serve(store=models) as other:
        answer = ask_server(other, "POST", "/api/chat", {"model": "mine", **CHAT})
        assert answer.status == 500
        assert "unclosed action" in answer.json["error"]
        assert ask_server(other, "GET", "/api/tags").status == 200
        assert ask_server(other, "POST", "/api/show", {"model": "mine"}).status == 500


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"files": {"a/../b.gguf": "sha256:0"}}, 400, "file path must be relative"),
        ({"files": {"": "sha256:0"}}, 400, "file path must be relative"),
        ({"files": {"a.gguf": ""}}, 400, "invalid digest format"),
        ({"from": "mini", "draft_quantize": "q8_0"}, 400, "--draft-quantize requires"),
        ({"from": "mini", "draft_files": {"d.gguf": "sha256:0"}}, 400, "not supported"),
        ({"from": "mini", "remote_host": "ollama.com"}, 403, "cloud is disabled"),
        ({"from": "gpt-oss:20b-cloud"}, 403, "cloud is disabled"),
        ({"from": "a:local:cloud"}, 400, "use either"),
        ({"files": {"a.safetensors": "sha256:0"}}, 400, "safetensors"),
        ({"from": "mini", "license": [1]}, 500, "cannot unmarshal number"),
        ({"from": "mini", "info": {"context_length": "x"}}, 400, "must be a number"),
        ({"from": "mini", "info": {"context_length": -1}}, 400, "must be a non-negative integer"),
        ({"from": "mini", "info": {"model_family": 1}}, 400, "must be a string"),
        ({"from": "mini", "info": {"capabilities": "x"}}, 400, "must be a list of strings"),
        ({"from": "mini", "adapters": {"a": "sha256:0"}}, 500, "invalid digest format"),
        (
            {"from": "mini", "adapters": {"a": "sha256:0", "b": "sha256:1"}},
            400,
            "only one adapter is currently supported",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(
    server: Server, body: dict[str, Any], status: int, text: str
) -> None:
    """In Ollama's words where it has some, and nothing is left behind."""
    answer = ask_server(server, "POST", "/api/create", {"model": "x", "stream": False, **body})
    assert answer.status == status
    assert text in answer.json["error"]
    assert ask_server(server, "POST", "/api/show", {"model": "x"}).status == 404


def test_info_overrules_what_the_file_says(server: Server) -> None:
    """In lists and in show."""
    info = {"model_family": "alpaca", "parameter_size": "9B", "quantization_level": "Q1"}
    create(server, model="mine", **{"from": "mini"}, info=info, requires="0.14.0")
    shown = show(server, "mine")
    assert shown["details"]["family"] == "alpaca"
    assert shown["details"]["parameter_size"] == "9B"
    assert shown["details"]["quantization_level"] == "Q1"
    assert shown["requires"] == "0.14.0"


def lora() -> bytes:
    """An adapter for the query weights of the first layer, of rank one."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    keys = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.type") + struct.pack("<I", 8) + text("adapter"),
        text("adapter.type") + struct.pack("<I", 8) + text("lora"),
        text("adapter.lora.alpha") + struct.pack("<If", 6, 1.0),
    ]
    names = ("blk.0.ffn_up.weight.lora_a", "blk.0.ffn_up.weight.lora_b")
    shapes = ((192, 1), (1, 512))
    offsets = (0, 192 * 4)
    infos = [
        text(name) + struct.pack("<IQQIQ", 2, *shape, 0, offset)
        for name, shape, offset in zip(names, shapes, offsets, strict=True)
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, len(keys)) + b"".join(keys) + b"".join(infos)
    data = np.full(192 + 512, 3.0, np.float32).tobytes()
    return head + bytes(-len(head) % 32) + data


def test_an_adapter_changes_what_the_model_says(server: Server) -> None:
    """llama.cpp puts it on the weights when it loads them."""
    data = lora()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert ask_server(server, "POST", f"/api/blobs/{digest}", data).status == 201
    create(server, model="bent", **{"from": "mini"}, adapters={"a.gguf": digest})
    assert content(server, "bent") != content(server, "mini")
    assert "\nADAPTER " in show(server, "bent")["modelfile"]


def test_weights_are_no_adapter(server: Server) -> None:
    """They would be loaded as one, and crash."""
    with Client(server.url) as client:
        digest = client.create_blob(shipped_path())
    body = {"model": "x", "from": "mini", "adapters": {"a.gguf": digest}, "stream": False}
    answer = ask_server(server, "POST", "/api/create", body)
    assert (answer.status, answer.json["error"]) == (
        400,
        "supplied file is no LoRA adapter in GGUF format",
    )


def test_an_upload_goes_to_disk_as_it_comes(tmp_path: Path) -> None:
    """However large it is, only a little of it is ever in memory."""
    piece, count = b"x" * 65536, 200
    digest = hashlib.sha256(piece * count).hexdigest()
    behind: list[int] = []
    answer: list[int] = []

    async def exchange() -> None:
        app = create_app(models=[], store=tmp_path, check_host=False)
        sent = 0

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent == count:
                await asyncio.sleep(60)
            on_disk = sum(path.stat().st_size for path in (tmp_path / "blobs").glob("*"))
            behind.append(sent * len(piece) - on_disk)
            sent += 1
            return {"type": "http.request", "body": piece, "more_body": sent < count}

        async def send(message: MutableMapping[str, Any]) -> None:
            answer.append(message.get("status", 0))

        path = f"/api/blobs/sha256:{digest}"
        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        await app(scope, receive, send)
        await app.close()

    asyncio.run(exchange())
    assert answer[0] == 201
    assert max(behind) <= 1024 * 1024
    assert Store(tmp_path).verify_blob(f"sha256:{digest}")


def test_a_client_that_goes_away_leaves_no_upload_behind(server: Server, models: Path) -> None:
    """And the server goes on."""
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.putrequest("POST", f"/api/blobs/sha256:{'0' * 64}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"half")
    until_s = time.monotonic() + 60
    while not list(models.glob("blobs/*")) and time.monotonic() < until_s:
        time.sleep(0.005)
    assert len(list(models.glob("blobs/*"))) == 1
    connection.close()
    while list(models.glob("blobs/*")) and time.monotonic() < until_s:
        time.sleep(0.005)
    assert list(models.glob("blobs/*")) == []
    assert ask_server(server, "GET", "/api/version").status == 200


def test_a_blob_that_is_there_is_not_read_again(server: Server) -> None:
    """The answer comes before the body; the connection can be used on."""
    digest = f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    assert ask_server(server, "POST", f"/api/blobs/{digest}", b"hello").status == 201
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    try:
        for _ in range(2):
            connection.request("POST", f"/api/blobs/{digest}", b"other" * 100_000)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"")
    finally:
        connection.close()


def test_a_store_must_be_a_folder(tmp_path: Path) -> None:
    """Said when the server starts, not at the first write."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(RequestError, match="is not a folder"):
        serve(store=path)


@pytest.mark.parametrize("prune", [True, False])
def test_old_blobs_nobody_needs_go_at_the_start_unless_told(tmp_path: Path, *, prune: bool) -> None:
    """As Ollama's do."""
    store = Store(tmp_path)
    digest, _ = store.add_blob(b"old")
    then_s = time.time() - 4000
    os.utime(store.blob_path(digest), (then_s, then_s))
    with serve(store=tmp_path, prune_store=prune):
        assert store.has_blob(digest) is not prune
