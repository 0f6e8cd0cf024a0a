"""Models with Go templates, or with a recipe, against a recorded real server.

Each model is made as the recorded one was; the weights and seeds are the same, so the text is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero.server import Server, serve

from ..conftest import ask_server
from ..test_recorded_exchanges import CORPUS, _distinct, _shape, _texts, part, replay
from .weights import shipped_path, variant

FOLDERS = ("chat", "chat-go", "generate", "keep-alive")
MODELS = ("mini-go", "mini-plain", "mini-bare", "arriero", "mini-tmpl", "mini-sys")

OTHER_TEXT = {
    "chat-go/tools-numbers": "a call of an unknown tool stays in the text, the real one drops it",
    "chat-go/format-schema-think": "we go on after the thoughts, the real one ends the turn there",
}
"""Cases whose generated text differs."""

OTHER_RECORDS = {
    "generate/think-stream": "the real server sends empty records while it skips the tag",
}
"""Cases with the same text in other pieces."""

OTHER_COUNT = {
    "chat-go/html-escape": "llama.cpp has since stopped to count the token the text is cut at",
}
"""Cases with the same text from another number of tokens."""

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the recorded exchanges are not here")


def names() -> list[str]:
    """Cases that ask one of these models for text."""
    if not CORPUS.exists():
        return []
    cases = [case["case"] for case in json.loads((CORPUS / "index.json").read_bytes())["cases"]]
    return [name for name in cases if name.split("/")[0] in FOLDERS and _is_ours(name)]


def _is_ours(name: str) -> bool:
    body = part(name, "request").get("body")
    return isinstance(body, dict) and body.get("model") in MODELS


@pytest.fixture(scope="module")
def recorded_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the recorded models."""
    store: Path = tmp_path_factory.mktemp("store")
    with serve(context_length=2048, store=store) as server:
        given = {"mini.gguf": shipped_path().read_bytes()}
        given["plain.gguf"] = variant({"tokenizer.chat_template": None})
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in given.items()}
        for name, data in given.items():
            path = f"/api/blobs/sha256:{digests[name]}"
            assert ask_server(server, "POST", path, data).status == 201
        for case in (
            "gguf", "gguf-go-template", "gguf-plain", "gguf-bare", "from-full", "from-template",
            "from-overwrite",
        ):  # fmt: skip
            body = part(f"create/{case}", "request")["body"]
            if "files" in body:
                body["files"] = {name: f"sha256:{digests[name]}" for name in body["files"]}
            answer = ask_server(server, "POST", "/api/create", body)
            assert answer.records[-1] == {"status": "success"}
        yield server


@pytest.mark.parametrize("name", names())
def test_the_answer_is_the_recorded_one(recorded_models: Server, name: str) -> None:
    """Status, content type and body are as recorded."""
    recorded = part(name, "response")
    answer = replay(recorded_models, part(name, "request"))
    headers = {key.lower(): value for key, value in recorded["headers"]}
    assert answer.status == recorded["status"], answer.body
    assert answer.headers.get("content-type") == headers.get("content-type")
    lines = recorded["lines"] if "lines" in recorded else [recorded["body"]]
    expected: list[Any] = [json.loads(line) for line in lines if line]
    if "error" in expected[0]:
        assert "error" in answer.json
        assert answer.json == expected[0]
        return
    shapes = [_shape(record) for record in answer.records]
    assert _distinct(shapes) == _distinct([_shape(record) for record in expected])
    if name in OTHER_TEXT:
        assert _texts(answer.records) != _texts(expected)
        return
    if name in OTHER_RECORDS:
        assert [text for text in _texts(expected) if text] == [
            text for text in _texts(answer.records) if text
        ]
        return
    assert _texts(answer.records) == _texts(expected)
    last, wanted = answer.records[-1], expected[-1]
    for key in ("done_reason", "prompt_eval_count", "context", "_debug_info"):
        assert last.get(key) == wanted.get(key)
    assert (last.get("eval_count") == wanted.get("eval_count")) is (name not in OTHER_COUNT)
    assert _calls(answer.records) == _calls(expected)


def _calls(records: list[Any]) -> list[Any]:
    """What is called, with what."""
    return [
        call["function"]
        for record in records
        for call in record.get("message", {}).get("tool_calls", ())
    ]
