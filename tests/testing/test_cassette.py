"""What a real server said once is said again."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import urllib3

from arriero.errors import RequestError
from arriero.testing import Cassette, ScriptedServer, faults

from .conftest import Wire, records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the cassette is, in a folder that does not exist yet."""
    return tmp_path / "cassettes" / "one.json"


def played(cassette: Cassette, *asks: str) -> list[bytes]:
    """Ask these questions one after the other; give the bodies."""
    wire = Wire(cassette.url)
    try:
        bodies: list[bytes] = []
        for text in asks:
            message = {"role": "user", "content": text}
            bodies.append(wire.ask(messages=[message]).data)
        return bodies
    finally:
        wire.close()


def test_it_records_first_and_replays_after(server: ScriptedServer, path: Path) -> None:
    """Byte for byte, without the real server."""
    with Cassette(path, server.url) as recording:
        assert recording.is_recording
        recorded = played(recording, "capital of France")
    before = len(server.requests)

    with Cassette(path, server.url) as replaying:
        assert not replaying.is_recording
        assert played(replaying, "capital of France") == recorded

    assert len(server.requests) == before
    assert replaying.requests[0].model == "llama3.2"


def test_whole_answers_errors_and_empty_ones_are_kept(server: ScriptedServer, path: Path) -> None:
    """With their status and their type."""

    def ask(cassette: Cassette) -> list[tuple[int, str | None, bytes]]:
        wire = Wire(cassette.url)
        try:
            answers = [
                wire.get("/api/version"),
                wire.get("/nowhere"),
                wire.ask("/api/copy", source="a", destination="b"),
                wire.ask("/api/embed", input="\udcff".encode("utf-8", "replace").decode()),
                wire.pool.request("HEAD", "/api/tags"),
            ]
        finally:
            wire.close()
        return [(one.status, one.headers.get("content-type"), one.data) for one in answers]

    with Cassette(path, server.url) as recording:
        recorded = ask(recording)
    with Cassette(path, mode="replay") as replaying:
        replayed = ask(replaying)

    assert replayed == recorded
    assert [status for status, _, _ in recorded][:2] == [200, 404]


def test_lines_come_in_their_time(server: ScriptedServer, path: Path) -> None:
    """As they came, or slower, or without any pause."""
    server.on(says="slowly").reply("a b", delay_s=0.05, token_s=0.05)
    with Cassette(path, server.url) as recording:
        played(recording, "slowly")

    def took_s(pace: float) -> float:
        with Cassette(path, pace=pace) as replaying:
            started_s = time.monotonic()
            played(replaying, "slowly")
            return time.monotonic() - started_s

    assert took_s(1) >= 0.1
    assert took_s(3) >= 0.3
    kept = json.loads(path.read_text())
    for line in kept["exchanges"][0]["lines"]:
        line[0] += 100
    path.write_text(json.dumps(kept))
    assert took_s(0) < 100


def test_the_same_question_gets_its_answers_in_order(server: ScriptedServer, path: Path) -> None:
    """And no more than there were."""
    server.on(says="count").reply("one").reply("two")
    with Cassette(path, server.url) as recording:
        recorded = played(recording, "count", "count")
    replaying = Cassette(path)

    with pytest.raises(AssertionError, match=re.escape(f"not recorded in {path}:\n  POST /api")):
        with replaying:
            *replayed, once_too_often = played(replaying, "count", "count", "count")

    assert replayed == recorded
    assert json.loads(once_too_often) == {"error": "not recorded: POST /api/chat"}
    assert len(replaying.unrecorded) == 1


def test_an_error_of_the_test_is_not_hidden(server: ScriptedServer, path: Path) -> None:
    """Nothing is written or checked then."""
    recording = Cassette(path, server.url)

    with pytest.raises(ZeroDivisionError), recording:
        played(recording, str(1 // 0))

    assert not path.exists()


def test_the_order_of_keys_does_not_matter(server: ScriptedServer, path: Path) -> None:
    """JSON is compared as JSON."""
    bodies = (
        b'{"model": "a", "prompt": "capital of France"}',
        (b'{"prompt":"capital of France","model":"a"}'),
    )
    answers: list[bytes] = []
    for body in bodies:
        with Cassette(path, server.url) as cassette:
            wire = Wire(cassette.url)
            answers.append(wire.pool.request("POST", "/api/generate", body=body).data)
            wire.close()

    assert answers[0] == answers[1]


def test_secrets_are_not_in_the_file(
    server: ScriptedServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those in headers nor those in bodies, and replaying needs none."""
    monkeypatch.setenv("OLLAMA_API_KEY", "key-of-environment")
    server.on().reply(lambda question: f"I heard {question.text}")
    text = "token-in-header key-of-environment told-secret"
    body = json.dumps({"model": "a", "prompt": text})

    def ask(cassette: Cassette, token: str) -> bytes:
        wire = Wire(cassette.url)
        try:
            headers = {"Authorization": f"Bearer {token}", "X-Other": "not kept"}
            return wire.pool.request("POST", "/api/generate", body=body, headers=headers).data
        finally:
            wire.close()

    with Cassette(path, server.url, secrets=["told-secret"]) as recording:
        ask(recording, "token-in-header")
    written = path.read_text("utf-8")
    with Cassette(path, secrets=["told-secret"]) as replaying:
        heard = ask(replaying, "token-in-header")

    for secret in ("token-in-header", "key-of-environment", "told-secret", "not kept"):
        assert secret not in written
    assert heard.count(b"***") == 3


def test_what_broke_off_breaks_off_again(server: ScriptedServer, path: Path) -> None:
    """After the same lines."""
    with Cassette(path, server.url) as recording:
        server.fault(faults.Cut(after=2, mid_line=False))
        with pytest.raises(urllib3.exceptions.ProtocolError):
            played(recording, "capital of France")

    with Cassette(path) as replaying, pytest.raises(urllib3.exceptions.ProtocolError):
        played(replaying, "capital of France")

    (kept,) = json.loads(path.read_text("utf-8"))["exchanges"]
    assert (len(kept["lines"]), kept["end"]) == (2, "broken")


def test_what_the_client_left_waits_for_it_to_leave_again(
    server: ScriptedServer, path: Path
) -> None:
    """The lines it took are there."""
    server.on().reply("a b", token_s=30)

    def first(cassette: Cassette) -> bytes:
        wire = Wire(cassette.url)
        answer = wire.open()
        line = next(iter(answer))
        answer.close()
        wire.close()
        return line

    with Cassette(path, server.url) as recording:
        recorded = first(recording)
    with Cassette(path) as replaying:
        assert first(replaying) == recorded


def test_faults_work_here_too(server: ScriptedServer, path: Path) -> None:
    """In front of the recording."""
    with Cassette(path, server.url) as recording:
        played(recording, "capital of France")
    with Cassette(path) as replaying:
        replaying.fault(faults.ErrorLine(after=1))
        wire = Wire(replaying.url)
        message = {"role": "user", "content": "capital of France"}
        answer = wire.ask(messages=[message])
        wire.close()

    assert "error" in records(answer)[-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("{", "is no cassette"),
        ('{"arriero_cassette": 1, "exchanges": [{}]}', "is no cassette"),
        ("[]", "is no cassette"),
        ('{"arriero_cassette": 2}', "has another version"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str | None, message: str) -> None:
    """When the cassette is made."""
    path = tmp_path / "it.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(RequestError, match=message):
        Cassette(path, mode="replay")


def test_recording_needs_a_server(path: Path) -> None:
    """Which is told when the cassette is made."""
    with pytest.raises(RequestError, match="give the upstream to record"):
        Cassette(path)
