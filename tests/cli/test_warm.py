"""`arriero models warm --watch`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arriero.cli.models.warming import News
from arriero.cli.output import Output
from arriero.lifecycle import Warmed
from tests.lifecycle.ollama import Ollama, built, full
from tests.lifecycle.served import served

from .program import Program

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ollama() -> Ollama:
    """A host with m."""
    return Ollama({full("m"): built("weights")})


@pytest.fixture
def host(ollama: Ollama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its URL; there is a file that wants m warm."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.toml").write_text("[models.m]\npreload = true\n")
    with served(ollama) as url:
        yield url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_pool_is_kept_warm_until_a_signal(
    ollama: Ollama, host: str, number: signal.Signals
) -> None:
    """What is evicted comes back, with a line; the end is a good one, and leaves the pool."""
    words = ("models", "warm", "--watch", "--interval-s", "0.1", "--json", "--host", host)
    with Program(*words) as program:
        first = json.loads(program.output.readline())
        ollama.loaded.clear()
        second = json.loads(program.output.readline())
        program.send_signal(number)
        out, err = program.ended()
    assert (program.returncode, out, err) == (0, "", "")
    assert (first["model"], first["event"]) == ("m:latest", "ready")
    assert (second["host"], second["event"]) == (host, "loaded again")
    assert list(ollama.loaded) == ["m:latest"]


def test_a_host_that_goes_and_comes_is_told(host: str, ollama: Ollama) -> None:
    """A server that is being restarted ends no watch."""
    ps = ollama._ps
    with Program("models", "warm", "--watch", "--interval-s", "0.1", "--host", host) as program:
        assert program.output.readline().split()[-1] == "ready"
        ollama._ps = lambda body: (500, [{"error": "no"}])  # type: ignore[method-assign]
        assert "alarm: cannot be looked at: no" in program.output.readline()
        ollama._ps = ps  # type: ignore[method-assign]
        assert program.output.readline().endswith("well again\n")
        program.send_signal(signal.SIGINT)
        _, err = program.ended()
    assert (program.returncode, err) == (0, "Stopped. The pool stays loaded.\n")


def test_only_what_is_new_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm once, until it is another one or over; --quiet has the alarms alone."""
    news = News(Output(quiet=True))
    bad = Warmed("h", "m", alarm="thrashing: x")
    news.take([bad])
    news.take([bad])
    news.take([Warmed("h", "m", again=True)])
    news.take([bad])
    told = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert told == ["h  m  alarm: thrashing: x"] * 2


def test_an_interval_without_a_watch_is_wrong_usage(host: str, run: Run) -> None:
    """It would be read as something it is not."""
    code, _, err = run("models", "warm", "--interval-s", "5", host=host)
    assert (code, "--watch" in err) == (2, True)


def test_an_alarm_has_a_line_of_its_own(host: str, ollama: Ollama, run: Run) -> None:
    """A column of the table might be left out in a narrow window."""
    ollama._ps = lambda body: (200, [{"models": []}])  # type: ignore[method-assign]
    code, out, _ = run("models", "warm", "--quiet", host=host)
    assert (code, out.startswith(f"! m:latest on {host}: thrashing: it was loaded")) == (1, True)
