"""`arriero doctor`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

Run = Callable[..., tuple[int, str, str]]


def test_a_healthy_server_is_exit_code_0(server: str, run: Run) -> None:
    """A line for each look."""
    code, out, err = run("doctor", host=server)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"ok       host         calls go to {server} (from OLLAMA_HOST)"


def test_an_error_is_exit_code_1_with_its_remedy(run: Run) -> None:
    """Quiet leaves out what is fine."""
    code, out, _ = run("doctor", "--host", "htpp://localhost", "--quiet")
    assert code == 1
    assert out.splitlines() == [
        "error    host         host 'htpp://localhost': the scheme must be http or https",
        " " * 22 + "-> did you mean http://localhost:80?",
    ]


def test_strict_fails_on_warnings(server: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some want a clean sheet."""
    monkeypatch.setenv("OLLAMA_MODELS", "/")
    monkeypatch.setattr("arriero._doctor.rules.serving._LOW_BYTES", 1 << 60)
    code, out, _ = run("doctor", "--quiet", host=server)
    assert (code, out.split()[:2]) == (0, ["warning", "disk"])
    assert run("doctor", "--strict", host=server)[0] == 1


def test_findings_can_be_read_by_programs(
    server: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One document."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    code, out, _ = run("doctor", "--json", host=server)
    document = json.loads(out)
    assert (code, document["ok"], document["host"]) == (0, True, server)
    assert {"check", "severity", "text", "remedy"} == set(document["findings"][0])
    assert "note" in [one["severity"] for one in document["findings"]]


def test_a_narrow_terminal_cuts_nothing_off(
    run: Run, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is longer than a line goes on in the next: an address is for copying."""
    monkeypatch.setattr("arriero.cli.output.Output.is_terminal", True)
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = run("doctor", host=server)
    assert "\u2026" not in out
    assert server in "".join(out.split())
