"""Pulling from a scripted server, and what can go wrong with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from arriero.errors import RequestError
from arriero.testing import FaultProxy, ScriptedServer, faults

from .conftest import Wire, records


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server that has one model and could pull another."""
    with ScriptedServer(["here"]) as running:
        running.offer("llama3.2", size_bytes=1000, steps=4)
        yield running


def models(wire: Wire) -> dict[str, str]:
    """The models there are, and their digests."""
    listed = wire.get("/api/tags").json()["models"]
    return {model["name"]: model["digest"] for model in listed}


def test_a_pulled_model_appears(server: ScriptedServer, wire: Wire) -> None:
    """It is not there before, and can be asked after."""
    server.on(model="llama3.2").reply("Wool.")
    assert wire.ask("/api/show").status == 404
    assert wire.ask().status == 404

    answer = records(wire.ask("/api/pull"))

    assert answer[-1] == {"status": "success"}
    assert set(models(wire)) == {"here:latest", "llama3.2:latest"}
    assert records(wire.ask())[0]["message"]["content"] == "Wool."


def test_a_pull_tells_how_far_it_is(server: ScriptedServer, wire: Wire) -> None:
    """With the records of a real server."""
    answer = records(wire.ask("/api/pull"))

    digest = answer[1]["digest"]
    layer = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": 1000}
    assert answer == [
        {"status": "pulling manifest"},
        layer,
        *({**layer, "completed": done} for done in (250, 500, 750, 1000)),
        {"status": "verifying sha256 digest"},
        {"status": "writing manifest"},
        {"status": "success"},
    ]


def test_a_pull_takes_its_time(server: ScriptedServer, wire: Wire) -> None:
    """Spread over its records."""
    server.offer("llama3.2", pull_s=0.2, steps=4)
    started_s = time.monotonic()

    wire.ask("/api/pull")

    assert time.monotonic() - started_s >= 0.2


def test_a_pull_that_is_left_brings_nothing(server: ScriptedServer, wire: Wire) -> None:
    """The client that goes away cancels it."""
    server.offer("llama3.2", pull_s=1.2, steps=2)
    answer = wire.open("/api/pull")
    next(answer.stream(1))
    answer.close()

    time.sleep(1.5)

    assert set(models(wire)) == {"here:latest"}


def test_a_model_nobody_offers_cannot_be_pulled(server: ScriptedServer, wire: Wire) -> None:
    """In the words of a real server; where every name exists, all can."""
    assert records(wire.ask("/api/pull", model="nope")) == [
        {"status": "pulling manifest"},
        {"error": "pull model manifest: file does not exist"},
    ]
    refused = wire.ask("/api/pull", model="nope", stream=False)
    assert (refused.status, refused.json()) == (
        500,
        {"error": "pull model manifest: file does not exist"},
    )
    with ScriptedServer() as open_server:
        other = Wire(open_server.url)
        assert records(other.ask("/api/pull"))[-1] == {"status": "success"}
        other.close()


def test_a_new_version_has_another_digest(server: ScriptedServer, wire: Wire) -> None:
    """Offered again, the tag has moved; the list changes with the next pull, not before."""
    wire.ask("/api/pull")
    before = models(wire)["llama3.2:latest"]
    server.offer("llama3.2")
    assert models(wire)["llama3.2:latest"] == before

    wire.ask("/api/pull")

    assert models(wire)["llama3.2:latest"] != before


def test_a_model_can_be_deleted_and_pulled_again(server: ScriptedServer, wire: Wire) -> None:
    """A scripted server forgets as a real one does."""
    wire.ask("/api/pull")
    gone = wire.pool.request("DELETE", "/api/delete", body=b'{"model": "llama3.2"}')
    assert gone.status == 200
    assert set(models(wire)) == {"here:latest"}
    assert wire.ask("/api/show").status == 404

    wire.ask("/api/pull")

    assert wire.ask("/api/show").status == 200


def test_what_a_model_is_made_from_is_pulled(server: ScriptedServer, wire: Wire) -> None:
    """As from a real server; one success ends it all, not one each."""
    made = records(wire.ask("/api/create", model="mine", **{"from": "llama3.2", "system": "Hm."}))

    told = [record["status"].split()[0] for record in made]
    assert told[:2] == ["pulling", "pulling"]
    assert told[-3:] == ["creating", "writing", "success"]
    assert told.count("success") == 1
    assert set(models(wire)) == {"here:latest", "llama3.2:latest", "mine:latest"}


def test_a_model_that_is_there_can_be_pushed(server: ScriptedServer, wire: Wire) -> None:
    """Those that were created too."""
    wire.ask("/api/create", model="mine", **{"from": "here", "system": "Spit."})
    for name in ("here", "mine"):
        answer = records(wire.ask("/api/push", model=name))
        assert [record["status"].split()[0] for record in answer] == [
            "retrieving", "pushing", "pushing", "success"
        ]  # fmt: skip
    assert records(wire.ask("/api/push"))[-1] == {"error": "file does not exist"}


@pytest.mark.parametrize("wrong", [{"size_bytes": 0}, {"steps": 0}, {"pull_s": -1}])
def test_an_offer_must_make_sense(wrong: dict[str, Any]) -> None:
    """What nobody could pull is refused when it is said."""
    with pytest.raises(RequestError, match="offer needs"):
        ScriptedServer().offer("llama3.2", **wrong)


def test_a_pull_can_be_stuck(server: ScriptedServer, wire: Wire) -> None:
    """The same record comes again and again."""
    server.fault(faults.PullStuck(after=2))

    lines = wire.open("/api/pull").stream(None)
    seen = [next(lines) for _ in range(6)]

    assert len(set(seen[2:])) == 1
    assert b"pulling" in seen[3]
    assert set(models(wire)) == {"here:latest"}


def test_a_stuck_pull_may_go_on(server: ScriptedServer, wire: Wire) -> None:
    """After its time it ends well."""
    server.fault(faults.PullStuck(after=2, for_s=0.15))

    answer = records(wire.ask("/api/pull"))

    assert answer[2] == answer[3] == answer[4]
    assert answer[-1] == {"status": "success"}


def test_a_stuck_pull_without_a_stream_is_silent(server: ScriptedServer, wire: Wire) -> None:
    """Nothing comes until the client gives up."""
    server.fault(faults.PullStuck())
    body = b'{"model": "llama3.2", "stream": false}'

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        wire.pool.request("POST", "/api/pull", body=body, timeout=0.1)


def test_a_pull_can_be_corrupted(server: ScriptedServer, wire: Wire) -> None:
    """It ends with Ollama's words, and the model does not appear; the next one is well."""
    server.fault(faults.PullCorrupted())

    answer = records(wire.ask("/api/pull"))

    assert answer[-2] == {"status": "verifying sha256 digest"}
    assert answer[-1]["error"].startswith(
        "digest mismatch, file must be downloaded again: want sha256:"
    )
    assert set(models(wire)) == {"here:latest"}
    assert records(wire.ask("/api/pull"))[-1] == {"status": "success"}
    assert "llama3.2:latest" in models(wire)


def test_a_corrupted_pull_without_a_stream_is_a_500(server: ScriptedServer, wire: Wire) -> None:
    """And the model does not appear either."""
    server.fault(faults.PullCorrupted())

    answer = wire.ask("/api/pull", stream=False)

    assert answer.status == 500
    assert answer.json()["error"].startswith("digest mismatch")
    assert set(models(wire)) == {"here:latest"}


def test_faults_of_pulls_leave_other_requests_alone(server: ScriptedServer, wire: Wire) -> None:
    """They wait for a pull, whatever comes before."""
    server.fault(faults.PullCorrupted())

    assert wire.ask("/api/show", model="here").status == 200
    assert "error" in records(wire.ask("/api/pull"))[-1]


def test_the_digest_of_a_tag_can_drift(server: ScriptedServer, wire: Wire) -> None:
    """In the list, for as long as the fault lasts, and for one model if that is wanted."""
    wire.ask("/api/pull")
    before = models(wire)
    server.fault(faults.DigestDrift("llama3.2:latest"), times=2)

    drifted = models(wire)

    assert drifted["here:latest"] == before["here:latest"]
    assert drifted["llama3.2:latest"] != before["llama3.2:latest"]
    assert len(drifted["llama3.2:latest"]) == 64
    assert models(wire) == drifted, "the same each time"
    assert models(wire) == before


def test_a_digest_can_drift_to_a_given_one(server: ScriptedServer, wire: Wire) -> None:
    """On every model."""
    server.fault(faults.DigestDrift(digest="f" * 64))

    assert set(models(wire).values()) == {"f" * 64}


def test_a_proxy_has_the_same_faults(server: ScriptedServer) -> None:
    """A pull through it is corrupted before the server behind has the model."""
    with FaultProxy(server.url) as proxy:
        wire = Wire(proxy.url)
        proxy.fault(faults.DigestDrift(digest="0" * 64))
        assert set(models(wire).values()) == {"0" * 64}
        server.offer("llama3.2", pull_s=0.1)
        proxy.fault(faults.PullCorrupted())
        assert records(wire.ask("/api/pull"))[-1]["error"].startswith("digest mismatch")
        wire.close()
