"""One line for each event, at the level it deserves, and nothing of what was said."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from arriero import CallPolicy, Client, Content, Refuse, Retry, log_events
from arriero._core import events
from arriero.errors import (
    ArrieroError,
    CircuitOpen,
    ConnectFailed,
    CredentialError,
    DeadlineExceeded,
    RequestError,
    ServerBusy,
    StreamFailed,
)
from arriero.observe.logs import line_of
from arriero.testing import ScriptedServer, faults

from .calls import ended

HI = [{"role": "user", "content": "canary question"}]


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """The level of the logger is that of before; a client may set it."""
    logger = logging.getLogger("arriero")
    level = logger.level
    logger.setLevel(logging.NOTSET)
    yield
    logger.setLevel(level)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Give level and text of what was logged."""
    return [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "arriero"]


def test_a_call_is_one_line(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Who, where, how it went, how long, tokens."""
    with Client(server.url, log="info") as client:
        client.chat("m", HI)
    ((level, text),) = lines(caplog)
    assert level == "INFO"
    assert f"POST /api/chat m at {server.url}: ok, 0." in text
    assert text.endswith(" out")
    assert "canary" not in text


def test_debug_tells_what_happens_on_the_way(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a stream: its beginning, its head, its first record, its end."""
    with Client(server.url, log="debug") as client:
        list(client.chat("m", HI, stream=True))
    seen = [text.partition(" ")[2] for _, text in lines(caplog)]
    assert seen[0].endswith(", stream: begins")
    assert seen[1] == "stream is open"
    assert seen[2].startswith("first record after 0.")
    assert ": ok, " in seen[3]
    assert len(seen) == 4


def test_failures_are_warnings(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Each failed try and the call; the server's text, which may quote the prompt, is not there."""
    server.fault(faults.Status(503, text="canary is busy"), path="/api/chat", times=2)
    policy = CallPolicy(retry=Retry(attempts=2, first_wait_s=0))
    with Client(server.url, log="warning") as client:
        with pytest.raises(ServerBusy):
            client.chat("m", HI, policy=policy)
        client.generate("m", "hi")
    (_, first), (_, second), (_, end) = lines(caplog)
    assert {level for level, _ in lines(caplog)} == {"WARNING"}
    assert "try 1 failed: ServerBusy 503; again in 0.000 s" in first
    assert "try 2 failed: ServerBusy 503; stop, " in second
    assert ": failed: ServerBusy 503, " in end
    assert ", 2 tries" in end
    assert "canary" not in str(lines(caplog))


def test_a_refusal_has_its_reason(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """The one that the content policy's function gave, for whoever may read the log."""
    content = Content(before=lambda _: Refuse("no birds"))
    with Client(server.url, log="info", content=content) as client:
        with pytest.raises(ArrieroError):
            client.chat("m", HI)
    assert "content, before, refused: no birds" in lines(caplog)[0][1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DeadlineExceeded("first_token_s", 600), "DeadlineExceeded, first_token_s=600 in head"),
        (ConnectFailed("connection refused"), "ConnectFailed, connection refused"),
        (CircuitOpen("asked again in 3 s"), "CircuitOpen, asked again in 3 s"),
        (
            CredentialError("file '/t'", "No such file"),
            "CredentialError, no token from file '/t': No such file",
        ),
        (ServerBusy("canary", 503), "ServerBusy 503"),
        (StreamFailed("canary"), "StreamFailed"),
    ],
)
def test_what_failed_is_said_as_far_as_no_server_said_it(error: ArrieroError, said: str) -> None:
    """Which budget, which rule, which cause."""
    error.phase = "head"
    text = line_of(ended(outcome="failed", error=error))
    assert f": failed: {said}, 0.250 s" in text
    assert "canary" not in text


def test_no_name_makes_a_second_line(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Names of models come from users, who might write lines of their own into the log."""
    with Client(server.url, log="debug", retry=Retry.none()) as client:
        with pytest.raises(ArrieroError):
            client.chat("m\nWARNING all is lost\x1b[31m", HI)
    assert lines(caplog)
    for _, text in lines(caplog):
        assert text.isprintable()


def test_every_event_has_a_line() -> None:
    """An event that is added later must not end the call of who logs."""
    for kind in get_args(events.Event):
        assert line_of(_some(kind)).isprintable()


def _some(kind: Any) -> Any:
    fields: dict[str, Any] = {
        "id": 1, "call": "c", "host": "h", "model": "m", "is_stream": True, "body": None,
        "policy": CallPolicy(), "waited_s": 0.0, "tries": 1, "error": ServerBusy("x", 503),
        "decision": "stop", "reason": "r", "wait_s": 0.0, "state": "open", "stage": "before",
        "verdict": "refused", "after_s": 0.0, "count": 1, "gap_s": 0.0, "outcome": "failed",
        "response": None, "sends": 1, "queued_s": 0.0, "paced_s": 0.0, "first_record_s": None,
        "spent_s": 0.0, "records": 0, "trail": (),
    }  # fmt: skip
    return kind(**{name: fields[name] for name in kind.__struct_fields__ if name in fields})


@pytest.mark.parametrize("level", ["loud", True, 1.5, ""])
def test_a_level_that_is_none_is_refused(level: Any) -> None:
    """When the client is made, not when something happens."""
    with pytest.raises(RequestError, match="log: a level such as"):
        log_events(level)


def test_the_loggers_own_level_counts_if_it_has_one(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Who configures logging has the last word."""
    caplog.set_level(logging.ERROR, "arriero")
    with Client(server.url, log="debug") as client:
        client.chat("m", HI)
    assert not lines(caplog)


def test_without_a_switch_nothing_is_logged_and_logging_is_not_loaded() -> None:
    """It costs nothing when it is off."""
    code = "import sys, arriero; arriero.Client();print('arriero.observe.logs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
