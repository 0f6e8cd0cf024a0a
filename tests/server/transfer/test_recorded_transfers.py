"""Pulls and pushes against those recorded from a real server.

Status, content type and the order of records must be equal, and so must errors. Digests, sizes,
ports and folders are other ones; the recorded ones are put in their place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from arriero.server.catalogue import shipped_models
from tests.wire.cases import ALL, Case

from .conftest import Farm
from .real_registry import RealRegistry
from .test_strange_registries import CONFIG, WEIGHTS, digest_of
from .toy_registry import ToyRegistry, toy_registry

RECORDED = "localhost:5001"
WEIGHTS_THERE = "sha256:7b1d3c4dc831b9583d827f7c030b7917ca6dc03d5982883bfb3a9f11c09b4a0a"
CONFIG_THERE = "sha256:dcc6800ef516eef80b2541a88b2614aa1a73ac083d1ea5e7ea6b38390c4e7c55"
WRONG_THERE = "sha256:bdf34bbeeeddb4f754eec38e2204e586e0a492dfab24bf9bb0008304e26875e4"

WRONG = bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:]
NEWER = b'{"errors":[{"code":"MANIFEST_INVALID","message":"this model needs a newer client"}]}'

_NO_TLS = "http: server gave HTTP response to HTTPS client"
OTHER_CAUSE = ("pull/not-insecure", "push/not-insecure")
"""What a peer does with TLS it does not understand is its affair: the recorded one hung up."""


def of(kind: str) -> list[Any]:
    """The cases of a kind, as parameters."""
    return [pytest.param(case, id=name) for name, case in ALL.items() if name.startswith(kind)]


@pytest.fixture(scope="module")
def toy() -> Iterator[ToyRegistry]:
    """A registry with the models the recorded one had."""
    with toy_registry() as running:
        weights = ("model", digest_of(WEIGHTS), len(WEIGHTS))
        config = ("config", digest_of(CONFIG), len(CONFIG))
        for model in ("mini", "slow", "corrupt"):
            running.manifest(f"library/{model}", weights, config)
            running.blob(f"library/{model}", digest_of(CONFIG), CONFIG)
            sent = WRONG if model == "corrupt" else WEIGHTS
            running.blob(f"library/{model}", digest_of(WEIGHTS), sent)
        running.answers["/v2/library/garbage/manifests/latest"] = (200, {}, b"<html></html>")
        running.answers["/v2/library/forbidden/manifests/latest"] = (412, {}, NEWER)
        yield running


def replay(farm: Farm, case: Case, host: str, config: str) -> None:
    """Ask what was asked then, and compare."""
    here = f"localhost:{host.rpartition(':')[2]}"
    body = json.loads(json.dumps(case.body).replace(RECORDED, here))

    answer = farm.ask(case.path, body)

    assert answer.status == case.status
    assert answer.headers["content-type"] == case.headers["content-type"]
    text = answer.body.decode().replace(here, RECORDED).replace(str(farm.store), "<MODELS>")
    pairs = {digest_of(WEIGHTS): WEIGHTS_THERE, config: CONFIG_THERE, digest_of(WRONG): WRONG_THERE}
    for ours, theirs in pairs.items():
        text = text.replace(ours, theirs).replace(ours[7:19], theirs[7:19])
    told = said(text.splitlines())
    recorded = said(case.answer.decode().splitlines())
    if case.name in OTHER_CAUSE:
        told[-1] = told[-1].replace(_NO_TLS, "EOF")
    # Each layer has its records here; there, a quick one has none.
    more = [one for one in told if one not in recorded]
    assert all(one.startswith(("pulling ", "pushing ")) for one in more), more
    assert [one for one in told if one not in more] == recorded


def said(lines: list[str]) -> list[str]:
    """What records say, each once in a row."""
    found: list[str] = []
    for line in lines:
        record = json.loads(line)
        text = record.get("status") or f"error: {record['error']}"
        if text not in found[-1:]:
            found.append(text)
    return found


@pytest.mark.parametrize("case", of("pull/"))
def test_a_pull_is_told_as_recorded(quick: Farm, toy: ToyRegistry, case: Case) -> None:
    """Whatever the registry has, or is."""
    if "present" in case.name:
        quick.pull(f"localhost:{toy.host.rpartition(':')[2]}/library/mini")
    toy.pace_s = 0.02 if case.name == "pull/slow" else 0.0
    replay(quick, case, toy.host, digest_of(CONFIG))


@pytest.mark.parametrize("case", of("push/"))
def test_a_push_is_told_as_recorded(quick: Farm, registry: RealRegistry, case: Case) -> None:
    """To a real registry."""
    here = f"localhost:{registry.host.rpartition(':')[2]}/library/mini"
    weights = shipped_models()["mini"].path.read_bytes()
    assert quick.ask(f"/api/blobs/{digest_of(weights)}", weights).status == 201
    made = quick.ask("/api/create", {"model": here, "files": {"m.gguf": digest_of(weights)}})
    assert made.records[-1] == {"status": "success"}
    if case.name == "push/refused":
        quick.ask("/api/copy", {"source": here, "destination": "localhost:5999/library/mini"})
    name = quick.store / "manifests" / here / "latest"
    config = json.loads(name.read_bytes())["config"]["digest"]
    replay(quick, case, registry.host, config)
