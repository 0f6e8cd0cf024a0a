"""Making, showing, copying and deleting models against a recorded real server.

The cases run once, in the order they were recorded, as each finds what the ones before left.
Weights come from the package, so their digests differ; everything else must be equal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero.server import serve

from ..conftest import Answer, ask_server
from ..test_recorded_exchanges import CORPUS, _shape, part, replay
from .weights import half_precision, shipped_path, thinking, variant

FOLDERS = ("blobs", "copy", "create", "delete", "show", "tags")

NOT_REPRODUCIBLE = {
    "create/quantize-progress": "llama.cpp's quantiser is not reachable from Python",
    "create/quantize": "llama.cpp's quantiser is not reachable from Python",
    "create/quantize-from": "llama.cpp's quantiser is not reachable from Python",
    "show/quantized": "its model is quantised by the recorded server",
}
"""Cases with another outcome; they must at least end in an error of Ollama's shape."""

OTHER_TEXT = {
    "create/from-missing-local": "this server pulls no models; the text says so",
}
"""Cases whose error text differs behind the same status."""

MISSING_MODELS = {"mini-q4:latest", "mini-q8:latest"}
"""Quantised by the recorded server."""

DELETED_OFF_THE_RECORD = {"mini-odd:latest", "mini-rend:latest"}
"""Gone from the recorded server before its list was recorded."""

RECORDED_FILES = {
    "a321c678b966cb1e5fc2d19c62699f080eab0d4745079c025b817d42a52c0db1": "mini",
    "b7f5d1278a13cea9355df16e6d1f95da83b5ffac48339ab905477c4cf44d5fde": "embed",
    "bc0698f9519594fa9625e225ca9c3e75f79e63cd47a7cd07179e0e5667e8e20c": "f16",
    "006df1a4f86d2088422e1caa354e7f19018947752bce2fd9c5e51f22c7596667": "f16",
    "dd314983c3de78815521951fd0195f154440df73fb18b433885e0a96d32675e7": "think",
    "971476e6cdd291d4fe974a8202d9ca8aadb921aa96c71d6fc22b12bb58e43c0a": "plain",
    "236d8e5059d3b12e644e1b129bc6ab7a9e112c2aa8d9aa273b6a5b348413122a": "junk",
}
"""Digests of the files the recorded server was given, and what they were."""

_DIGEST = re.compile(r"sha256[:-][0-9a-f]{64}")

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the recorded exchanges are not here")


def names() -> list[str]:
    """The cases, in the order of recording."""
    if not CORPUS.exists():
        return []
    cases = json.loads((CORPUS / "index.json").read_text("utf-8"))["cases"]
    return [case["case"] for case in cases if case["case"].split("/")[0] in FOLDERS]


def files(folder: Path) -> dict[str, bytes]:
    """What the recorded server was given."""
    f16 = half_precision()
    path = folder / "f16.gguf"
    path.write_bytes(f16)
    return {
        "mini": shipped_path().read_bytes(),
        "f16": f16,
        "embed": variant({"llama.pooling_type": 1}, path),
        "think": thinking(),
        "plain": variant({"tokenizer.chat_template": None}),
        "junk": b"this is no model\n",
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    """What our server answers to each case, asked in order."""
    folder = tmp_path_factory.mktemp("store")
    given = files(folder)
    digests = {old: hashlib.sha256(given[name]).hexdigest() for old, name in RECORDED_FILES.items()}
    found: dict[str, Answer] = {}
    with serve(models=[], context_length=2048, store=folder / "models") as server:
        for name in names():
            request = part(name, "request")
            if name == "create/gguf":
                for data in given.values():
                    digest = hashlib.sha256(data).hexdigest()
                    path = f"/api/blobs/sha256:{digest}"
                    assert ask_server(server, "POST", path, data).status == 201
            text = json.dumps(request)
            for old, new in digests.items():
                text = text.replace(old, new)
            found[name] = replay(server, json.loads(text))
        yield found


def plain(text: str) -> str:
    """A text with what cannot be equal taken out: paths of the store, digests of weights."""
    return re.sub(r'[^" ]*/blobs/', "<MODELS>/blobs/", text)


def comparable(name: str, line: str) -> Any:
    """A record with digests of weights and what hangs on them made equal."""
    record = json.loads(plain(line))
    if name.startswith("create/") and "layer" in record.get("status", ""):
        return re.sub(r"^(creating new|using existing)", "...", record["status"])
    return record


@pytest.mark.parametrize("name", names())
def test_the_answer_is_the_recorded_one(answers: dict[str, Answer], name: str) -> None:
    """Status, content type and body are as recorded."""
    answer, recorded = answers[name], part(name, "response")
    if name in NOT_REPRODUCIBLE:
        assert "error" in answer.records[-1]
        return
    headers = {key.lower(): value for key, value in recorded["headers"]}
    assert answer.status == recorded["status"], answer.body
    assert answer.headers.get("content-type") == headers.get("content-type")
    assert answer.headers.get("allow") == headers.get("allow")
    lines = recorded["lines"] if "lines" in recorded else [recorded["body"]]
    if not lines[0].startswith("{"):
        assert answer.body.decode() == recorded["body"]
        return
    ours = [comparable(name, line) for line in answer.body.decode().splitlines()]
    theirs = [comparable(name, line) for line in lines if line]
    if name in OTHER_TEXT:
        assert [list(record) for record in ours] == [list(record) for record in theirs]
        return
    if name.startswith("show/") and answer.status == 200:
        check_show(ours[0], theirs[0])
    elif name == "tags/full":
        check_tags(ours[0]["models"], theirs[0]["models"])
    elif name.startswith("create/"):
        check_create(ours, theirs)
    else:
        assert ours == theirs


def check_create(ours: list[Any], theirs: list[Any]) -> None:
    """Layers of text have the recorded digests; the first layer may be weights."""
    assert len(ours) == len(theirs), ours
    layers = 0
    for mine, other in zip(ours, theirs, strict=True):
        if isinstance(mine, str):
            layers += 1
            assert layers == 1 or mine == other
            assert _DIGEST.search(mine)
        else:
            assert _DIGEST.sub("*", json.dumps(mine)) == _DIGEST.sub("*", json.dumps(other))


def check_show(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Everything but digests, times and the order of random lines."""
    assert list(ours) == list(theirs)
    for key in ("license", "system", "messages", "details"):
        assert ours.get(key) == theirs.get(key), key
    # Our thinking template has a line break the recorded one had not.
    assert ours["template"].replace("\n", "") == theirs["template"].replace("\n", "")
    assert _shape(ours["tensors"]) == _shape(theirs["tensors"])
    assert sorted(ours["capabilities"]) == sorted(theirs["capabilities"])
    for key in ("parameters", "modelfile"):
        lines = [_DIGEST.sub("*", one.get(key, "")).split("\n") for one in (ours, theirs)]
        assert sorted(lines[0]) == sorted(lines[1]), key
    # The recorded server's quantiser adds this key to every file it checks.
    assert theirs["model_info"].pop("general.quantization_version") == 2
    assert ours["model_info"] == theirs["model_info"]


def check_tags(ours: list[Any], theirs: list[Any]) -> None:
    """The same models with the same details; sizes and digests hang on the weights."""
    expected = {row["name"]: row for row in theirs if row["name"] not in MISSING_MODELS}
    assert {row["name"] for row in ours} == set(expected) | DELETED_OFF_THE_RECORD
    times = [row["modified_at"] for row in ours]
    assert times == sorted(times, reverse=True)
    for row in ours:
        if row["name"] in DELETED_OFF_THE_RECORD:
            continue
        other = expected[row["name"]]
        assert list(row) == list(other)
        assert row["details"] == other["details"]
        assert row["name"] == row["model"]
        # The real one looks at no template inside a file here, we do.
        assert set(other["capabilities"]) <= set(row["capabilities"])
