"""The routes under /v1 against exchanges recorded from a real server.

Bodies must be equal byte for byte once what is new in every answer, ids and times, has been
blanked out. Where they differ on purpose the case is named below with the reason.
"""

from __future__ import annotations

import base64
import json
import re
from array import array
from typing import Any

import pytest

from arriero.server import Server

from ..test_recorded_exchanges import CORPUS, part, replay

FOLDERS = ("openai", "anthropic")
MODELS = ("mini", "mini-think", "mini-embed", "nope", None)

OTHER_BODY = {
    "openai/chat-json-object-free": "we enforce `json`, the real server does not on this path",
    "openai/chat-json-schema": "we keep the caller's order of properties",
    "openai/embeddings": "the recorded model had more bits",
    "openai/embeddings-base64": "the recorded model had more bits",
    "openai/embeddings-list": "the recorded model had more bits",
    "openai/models": "the recorded store had more models",
    "openai/models-empty": "our server always has its models",
}
"""Cases whose bodies differ; their shape and everything else is equal."""

_NEW = (
    (r'"(created|created_at|completed_at)":\d+', r'"\1":0'),
    (r'"(chatcmpl|cmpl|resp|msg|req)_?-?[0-9a-f]+"', r'"\1"'),
    (r'"id":"[A-Za-z0-9]{32}"', '"id":"call"'),
)


def _names() -> list[str]:
    if not CORPUS.exists():
        return []
    cases = json.loads((CORPUS / "index.json").read_text("utf-8"))["cases"]
    names: list[str] = [case["case"] for case in cases]
    return [name for name in names if name.split("/")[0] in FOLDERS and _is_ours(name)]


def _is_ours(name: str) -> bool:
    body = part(name, "request").get("body")
    return not isinstance(body, dict) or body.get("model") in MODELS


def _blanked(text: str) -> str:
    # Their last digits depend on which tokens were computed together: only that they are
    # there and no more than 0 is compared.
    text = re.sub(r'"logprob":(-?[\d.e-]+)', _coarse, text)
    for pattern, blank in _NEW:
        text = re.sub(pattern, blank, text)
    return text


def _coarse(found: re.Match[str]) -> str:
    value = float(found[1])
    assert value <= 0
    return '"logprob":0'


def _shape(value: Any) -> Any:
    """Keys in order and types; lists by their first item."""
    if isinstance(value, dict):
        return [(key, _shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _told(recorded: dict[str, Any]) -> str:
    """The body as it was on the wire."""
    if "lines" not in recorded:
        return str(recorded["body"])
    return "".join(f"{line}\n" for line in recorded["lines"])


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded exchanges are not here")
@pytest.mark.parametrize("name", _names())
def test_the_answer_is_the_recorded_one(server: Server, name: str) -> None:
    """Status, headers and every byte but ids, times and probabilities."""
    recorded = part(name, "response")
    answer = replay(server, part(name, "request"))
    wanted = {key.lower(): value for key, value in recorded["headers"]}
    told, body = _told(recorded), answer.body.decode()

    assert answer.status == recorded["status"], body
    for header in ("content-type", "cache-control", "connection", "transfer-encoding"):
        assert answer.headers.get(header) == wanted.get(header), header
    assert ("content-length" in answer.headers) == ("content-length" in wanted)
    if name not in OTHER_BODY:
        assert _blanked(body) == _blanked(told)
    elif name != "openai/models-empty":
        assert body.endswith("\n") == told.endswith("\n")
        assert _shape(json.loads(body)) == _shape(json.loads(told))


@pytest.mark.skipif(not CORPUS.exists(), reason="the recorded exchanges are not here")
def test_vectors_lie_where_the_recorded_ones_do(server: Server) -> None:
    """As numbers and as bytes, and both say the same."""
    vectors: list[list[float]] = []
    for name in ("openai/embeddings", "openai/embeddings-base64"):
        ours = replay(server, part(name, "request")).json["data"][0]["embedding"]
        theirs = json.loads(part(name, "response")["body"])["data"][0]["embedding"]
        if isinstance(ours, str):
            ours, theirs = (list(array("f", base64.b64decode(text))) for text in (ours, theirs))
        vectors.append(ours)
        likeness = sum(a * b for a, b in zip(ours, theirs, strict=True))
        assert likeness == pytest.approx(1.0, abs=5e-3)
    assert array("f", vectors[0]) == array("f", vectors[1])
