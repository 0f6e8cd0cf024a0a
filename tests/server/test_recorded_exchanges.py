"""The embedded server against exchanges recorded from a real one.

Statuses, content types, errors and the keys of every record must be equal. Generated text is
compared too, as the weights and seeds are; where it differs on purpose the case is named
below with the reason.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from arriero.server import Server

from .conftest import Answer, ask_server

CORPUS = Path(__file__).parents[1] / "wire" / "corpus"

FOLDERS = (
    "chat", "chat-think", "embed", "embeddings", "generate", "keep-alive", "ps", "service",
    "show", "tags",
)  # fmt: skip

MODELS = ("mini", "mini-think", "mini-embed", "nope", "a//b", "MINI", "gpt-oss:20b-cloud", "", None)

OTHER_STATE = {
    "tags/empty": "our server always has its models",
    "tags/full": "the recorded store had more models",
    "ps/empty": "depends on what was asked before",
    "ps/loaded": "depends on what was asked before",
    "ps/two": "depends on what was asked before",
    "ps/shared-runner": "depends on what was asked before",
    "ps/pinned": "depends on what was asked before",
    "ps/ten-minutes": "depends on what was asked before",
    "ps/after-once": "depends on what was asked before",
    "ps/after-unload": "depends on what was asked before",
    "ps/right-after-unload": "depends on what was asked before",
    "service/status": "the recorded cloud was switched off in another way",
    "service/recommendations": "we recommend no models",
    "service/version": "the version is ours",
}
"""Cases whose bodies cannot be equal; the rest of the answer still is."""

_ORDER = "we keep the caller's order of properties, the real server sorts them"
_JSON = "we enforce `json`, the real server does not on this path"
_CUT = "repeats one word until tiny differences in arithmetic decide"
OTHER_TEXT = {
    "chat/format-json-free": _JSON,
    "chat-think/format-json-free": _JSON,
    "chat-think/format-json": _JSON,
    "chat/format-schema": _ORDER,
    "chat/format-schema-cut": _ORDER,
    "chat/format-schema-stream": _ORDER,
    "chat/format-tools": _ORDER,
    "chat-think/format-schema": _ORDER,
    "chat-think/format-schema-nostream": _ORDER,
    "chat/context-truncate": _CUT,
    "generate/truncate": _CUT,
}
"""Cases whose generated text differs."""

OTHER_ERROR = {
    "chat/format-bad-schema": "llama.cpp has since changed the text",
    "chat/format-bad-ref": "llama.cpp has since changed the text",
}
"""Cases whose error text differs behind the same status."""


def _names() -> list[str]:
    if not CORPUS.exists():
        return []
    cases = json.loads((CORPUS / "index.json").read_text("utf-8"))["cases"]
    names: list[str] = [case["case"] for case in cases]
    return [name for name in names if name.split("/")[0] in FOLDERS and _is_ours(name)]


def _is_ours(name: str) -> bool:
    body = part(name, "request").get("body")
    return not isinstance(body, dict) or body.get("model") in MODELS


def part(name: str, half: str) -> dict[str, Any]:
    """The ``request`` or the ``response`` of a case."""
    found: dict[str, Any] = json.loads((CORPUS / f"{name}.{half}.json").read_text("utf-8"))
    return found


def _body(request: dict[str, Any]) -> bytes | None:
    if request.get("body") is not None:
        return json.dumps(request["body"]).encode()
    if request.get("body_text"):
        return str(request["body_text"]).encode()
    return base64.b64decode(request["body_base64"]) if request.get("body_base64") else None


def replay(server: Server, request: dict[str, Any]) -> Answer:
    """Ask what was asked when the case was recorded."""
    headers = dict(request["headers"])
    if headers.get("Host", "").startswith("127."):
        del headers["Host"]
    headers.pop("Content-Length", None)
    return ask_server(server, request["method"], request["path"], _body(request), headers=headers)


def _shape(value: Any) -> Any:
    """Keys and types; lists by their first item; arguments of calls are the model's."""
    if isinstance(value, dict):
        skipped = ("arguments", "model_info")
        return [(key, None if key in skipped else _shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, float) else type(value).__name__.replace("int", "number")


def _texts(records: list[Any]) -> list[str]:
    """Visible text and reasoning of each record."""
    return [
        json.dumps([record["message"].get("content"), record["message"].get("thinking")])
        if "message" in record
        else record.get("response", "")
        for record in records
    ]


def _distinct(shapes: list[Any]) -> list[Any]:
    return [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded exchanges are not here")
@pytest.mark.parametrize("name", _names())
def test_the_answer_is_the_recorded_one(server: Server, name: str) -> None:
    """Status, content type and body are as recorded."""
    recorded = part(name, "response")
    answer = replay(server, part(name, "request"))
    headers = {key.lower(): value for key, value in recorded["headers"]}

    assert answer.status == recorded["status"], answer.body
    assert answer.headers.get("content-type") == headers.get("content-type")
    assert answer.headers.get("allow") == headers.get("allow")
    assert answer.headers.get("location") == headers.get("location")
    if name in OTHER_STATE:
        return
    lines = recorded["lines"] if "lines" in recorded else [recorded["body"]]
    if "json" not in headers.get("content-type", "") or not lines[0]:
        assert answer.body.decode() == recorded["body"]
        return
    expected = [json.loads(line) for line in lines if line]
    if "error" in expected[0]:
        assert "error" in answer.json
        assert (answer.json == expected[0]) is (name not in OTHER_ERROR)
        return
    shapes = [_shape(record) for record in answer.records]
    assert _distinct(shapes) == _distinct([_shape(record) for record in expected])
    if name not in OTHER_TEXT:
        assert _texts(answer.records) == _texts(expected)
    last, wanted = answer.records[-1], expected[-1]
    for key in ("done_reason", "prompt_eval_count"):
        assert last.get(key) == wanted.get(key)
    if name not in OTHER_TEXT:
        assert last.get("context") == wanted.get("context")
        assert last.get("eval_count") == wanted.get("eval_count")


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded exchanges are not here")
def test_vectors_lie_where_the_recorded_ones_do(server: Server) -> None:
    """The recorded model had the same weights with more bits."""
    answer = replay(server, part("embed/list", "request")).json
    recorded = json.loads(part("embed/list", "response")["body"])
    for ours, theirs in zip(answer["embeddings"], recorded["embeddings"], strict=True):
        likeness = sum(a * b for a, b in zip(ours, theirs, strict=True))
        assert likeness == pytest.approx(1.0, abs=5e-3)
