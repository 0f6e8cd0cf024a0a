"""Single commands are in the journal, and can be gone back from."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero.lifecycle import Journal
from arriero.server import serve
from tests.lifecycle.ollama import Ollama, Spoilt, built, full
from tests.lifecycle.served import served

Run = Callable[..., tuple[int, str, str]]

OLD, NEW = built("old weights"), built("new weights")


@pytest.fixture
def ollama() -> Ollama:
    """A host with an old m, which the registry has newer."""
    return Ollama(names={full("m"): OLD}, registry={full("m"): NEW})


@pytest.fixture
def host(ollama: Ollama) -> Iterator[str]:
    """Its URL."""
    with served(ollama) as url:
        yield url


def history(run: Run) -> list[dict[str, Any]]:
    """Give what the journal has, the oldest first."""
    changes: list[dict[str, Any]] = json.loads(run("models", "history", "--json")[1])["changes"]
    return changes[::-1]


def test_each_command_has_its_entry(run: Run) -> None:
    """Against the embedded server: who did what to which name, and what came of it."""
    with serve() as server:
        for words, code in (
            (("create", "mine", "--from", "mini", "--system", "Be brief."), 0),
            (("copy", "mine", "yours"), 0),
            (("create", "yours", "--from", "mini", "--system", "Be long."), 0),
            (("delete", "yours", "mine"), 0),
            (("delete", "mine"), 4),
        ):
            assert run("models", *words, host=server.url)[0] == code
    rows = history(run)
    assert [(one["action"], one["model"], one["state"]) for one in rows] == [
        ("create", "mine:latest", "done"),
        ("copy", "yours:latest", "done"),
        ("create", "yours:latest", "done"),
        ("delete", "yours:latest", "done"),
        ("delete", "mine:latest", "done"),
        ("delete", "mine:latest", "failed"),
    ]
    mine, copied, again = (one["after"] for one in rows[:3])
    assert (mine, again != mine) == (copied, True)
    assert [one["before"] for one in rows] == ["", "", copied, again, mine, ""]
    assert {(one["host"], one["reason"]) for one in rows} == {(server.url, "command")}
    assert rows[-1]["error"].startswith("ModelNotFound: model 'mine' not found")


def test_a_pull_over_an_older_model_is_gone_back_from(run: Run, ollama: Ollama, host: str) -> None:
    """--keep is what it takes; without it, the error says so."""
    assert run("models", "pull", "m", "--keep", host=host)[0] == 0
    assert ollama.has("m") == NEW.digest
    code, out, _ = run("models", "rollback", "m", host=host)
    assert (code, ollama.has("m")) == (0, OLD.digest)
    assert out.endswith(f"{NEW.digest[7:19]} -> {OLD.digest[7:19]}\n")
    assert run("models", "delete", "m", "--keep", host=host)[0] == 0
    assert run("models", "rollback", "m", host=host)[0] == 0
    assert ollama.has("m") == OLD.digest

    ollama.names = {full("m"): OLD}
    assert run("models", "pull", "m", host=host)[0] == 0
    code, _, err = run("models", "rollback", "m", host=host)
    assert (code, "single commands do with --keep" in err) == (2, True)


def test_what_changed_nothing_is_passed_over_by_rollback(
    run: Run, ollama: Ollama, host: str
) -> None:
    """The last change of a model is the last that left it another one."""
    ollama.names[full("other")] = OLD
    for words in (["copy", "m", "m2"], ["ensure", "m2"], ["delete", "none"]):
        run("models", *words, host=host)
    assert run("models", "rollback", "m2", host=host)[0] == 0
    assert ollama.has("m2") is None
    code, _, err = run("models", "rollback", "none", host=host)
    assert (code, "has no change of none:latest that could be undone" in err) == (2, True)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_pull_that_is_stopped_is_recorded(
    run: Run, ollama: Ollama, host: str, number: signal.Signals, code: int
) -> None:
    """As interrupted, with what is there; the command ends as ever."""
    ollama.spoilt = [Spoilt(2, "stall")]
    command = [sys.executable, "-m", "arriero", "models", "pull", "m", "--host", host]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            told = [process.stderr.readline() for _ in range(3)]
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err, len(told)) == (code, "", 3)
    (row,) = history(run)
    assert (row["state"], row["before"], row["after"]) == ("interrupted", OLD.digest, OLD.digest)


def test_a_journal_that_cannot_be_written_is_told_and_hides_nothing(
    run: Run, ollama: Ollama, host: str, tmp_path: Path
) -> None:
    """The pull is done, its exit code is its own, and stderr says what is missing."""
    words = ["models", "pull", "m", "--quiet", "--journal", str(tmp_path)]
    code, out, err = run(*words, host=host)
    assert (code, out, ollama.has("m")) == (0, "", NEW.digest)
    assert err == (
        "arriero: warning: this pull of m is not recorded (--no-journal does without):"
        f" journal {tmp_path}: unable to open database file\n"
    )
    code, _, err = run("models", "delete", "none", "--journal", str(tmp_path), "--json", host=host)
    warning, error = map(json.loads, err.splitlines())
    assert (code, list(warning), error["type"]) == (4, ["warning"], "ModelNotFound")


def test_the_journal_can_be_done_without(run: Run, ollama: Ollama, host: str) -> None:
    """No file is made; and nothing can be kept for a rollback that nobody could ask for."""
    assert run("models", "pull", "m", "--no-journal", host=host)[0] == 0
    assert not Journal().path.exists()
    code, _, err = run("models", "delete", "m", "--keep", "--no-journal", host=host)
    assert (code, "--keep" in err, ollama.has("m")) == (2, True, NEW.digest)
