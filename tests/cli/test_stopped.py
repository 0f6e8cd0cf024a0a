"""Ctrl-C and SIGTERM during `arriero models apply`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arriero.cli.models.stopped import stopped_text
from arriero.lifecycle import Change, Journal
from tests.lifecycle.ollama import Ollama, Spoilt, built, full
from tests.lifecycle.served import served

from .program import Program
from .terminal import Terminal

Run = Callable[..., tuple[int, str, str]]

OLD = built("old weights")
NEW = {full("a"): built("new weights"), full("b"): built("other new weights")}
SIGNALS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)


@pytest.fixture
def ollama() -> Ollama:
    """A host with old models, which the registry has newer; the second pull stands still."""
    names = {full("a"): OLD, full("b"): OLD}
    return Ollama(names, dict(NEW), [Spoilt(-1, ""), Spoilt(2, "stall")])


@pytest.fixture
def host(
    ollama: Ollama, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Its URL; there is a file that wants the new ones, and a lock of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.toml").write_text("[models.a]\n[models.b]\n")
    with served(ollama) as url:
        ollama.names = dict(NEW)
        assert run("models", "lock", host=url)[0] == 0
        ollama.names = dict.fromkeys(ollama.names, OLD)
        yield url


@SIGNALS
def test_what_stands_is_said_in_one_sentence(
    ollama: Ollama, host: str, run: Run, number: signal.Signals, code: int
) -> None:
    """The first is done, the second undone; no traceback; the next apply does the rest."""
    with Program("models", "apply", "--yes", "--frozen", "--host", host) as apply:
        apply.wait_for("b:latest  staging")
        apply.wait_for(" (0%)")
        apply.send_signal(number)
        _, err = apply.ended()
    assert (apply.returncode, err.splitlines()[-1]) == (
        code,
        f"arriero: stopped; a:latest on {host} done, b:latest on {host} undone and as before;"
        " 'arriero models apply' does the rest",
    )
    assert "Traceback" not in err
    assert {name: one for name, one in ollama.names.items() if "arriero" not in name} == {
        full("a"): NEW[full("a")],
        full("b"): OLD,
    }
    assert not Journal().entries(only_open=True)
    assert run("models", "apply", "--yes", "--frozen", host=host)[0] == 0
    assert ollama.has("b") == NEW[full("b")].digest


def test_programs_get_it_as_json(
    ollama: Ollama, host: str, waits_for: Callable[[Callable[[], object]], None]
) -> None:
    """The document is whole, and so is the error."""
    ollama.spoilt = [Spoilt(2, "stall")]
    with Program("models", "apply", "--yes", "--json", "--host", host) as apply:
        waits_for(lambda: any(path == "/api/pull" for path, _ in ollama.asked))
        apply.send_signal(signal.SIGINT)
        out, err = apply.ended()
    report, error = json.loads(out), json.loads(err)
    assert (report["ok"], report["interrupted"], report["failures"]) == (False, True, {})
    assert [one["state"] for one in report["changes"]] == ["undone"]
    assert (error["exit_code"], error["type"]) == (130, "Interrupted")


def test_a_person_sees_it_below_the_bars(ollama: Ollama, host: str) -> None:
    """On a terminal: Ctrl-C is a key, the cursor comes back."""
    ollama.spoilt = [Spoilt(3, "stall")]
    words = ["models", "apply", "--yes", "--frozen", "--host", host]
    with Terminal(words, {}, columns=200) as terminal:
        terminal.wait_for("pulling")
        terminal.wait_for("%")
        terminal.send("\x03")
        assert terminal.ended() == 130
        assert terminal.text.splitlines()[-1] == (
            f"arriero: stopped; a:latest on {host} undone and as before;"
            " 'arriero models apply' does the rest"
        )
        assert terminal.cursor_is_shown


def test_every_end_has_its_words() -> None:
    """Nothing begun, and a second Ctrl-C that left a change open."""
    assert stopped_text([]) == "stopped; nothing was changed; 'arriero models apply' does the rest"
    assert stopped_text([Change("http://gpu1", "a:latest", "pull", state="proven")]) == (
        "stopped; a:latest on http://gpu1 left in the middle, where every name is a whole model;"
        " 'arriero models apply' finishes or undoes what was left, and does the rest"
    )
