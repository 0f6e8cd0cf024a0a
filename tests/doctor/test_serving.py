"""Findings at the server."""

from __future__ import annotations

import pytest

from arriero import ConnectionLost
from arriero._doctor.rules.seen import Disk, Loaded, Models, Reply
from arriero._doctor.rules.serving import (
    clock_findings,
    disk_findings,
    model_findings,
    version_findings,
)

NOON_S = 1782907200.0  # Wed, 01 Jul 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("version", "severity", "text"),
    [
        ("0.33.0", "ok", "Ollama 0.33.0"),
        ("0.33.0-rc2", "ok", "Ollama 0.33.0-rc2"),
        ("0.9.0", "ok", "Ollama 0.9.0"),
        ("0.8.0", "warning", "Ollama 0.8.0 does not know: think"),
        ("0.4.7", "warning", "Ollama 0.4.7 does not know: JSON Schemas as format, think"),
        ("0.0.0", "ok", "Ollama 0.0.0"),
        ("main", "ok", "Ollama main"),
        ("", "ok", "not told"),
    ],
)
def test_old_versions_are_told(version: str, severity: str, text: str) -> None:
    """With what they do not know; a build without a number may know everything."""
    (found,) = version_findings(version)
    assert (found.severity, found.text) == (severity, text)


def reply(date: str, asked_s: float = NOON_S, answered_s: float = NOON_S) -> Reply:
    """Give an answer with a ``Date``."""
    return Reply("1", headers={"date": date}, asked_s=asked_s, answered_s=answered_s)


@pytest.mark.parametrize(
    ("date", "text"),
    [
        ("Wed, 01 Jul 2026 12:00:00 GMT", "agrees"),
        ("Wed, 01 Jul 2026 12:00:29 GMT", "agrees"),
        ("Wed, 01 Jul 2026 12:02:00 GMT", "is 120 s ahead of ours"),
        ("Wed, 01 Jul 2026 11:58:59 GMT", "is 60 s behind ours"),
    ],
)
def test_a_wrong_clock_is_told(date: str, text: str) -> None:
    """Which way, and by how much."""
    (found,) = clock_findings(reply(date))
    assert text in found.text
    assert found.severity == ("ok" if text == "agrees" else "warning")


def test_a_slow_answer_is_no_wrong_clock() -> None:
    """The date was written some time between question and answer."""
    (found,) = clock_findings(reply("Wed, 01 Jul 2026 12:00:50 GMT", answered_s=NOON_S + 60))
    assert found.severity == "ok"


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_no_date_is_no_finding(date: str) -> None:
    """Not every gateway sends one."""
    assert list(clock_findings(reply(date))) == []


def test_models_are_told() -> None:
    """How many, which run elsewhere, and which are slow."""
    found = list(
        model_findings(
            Models(
                tuple("abcdefg"),
                ("c",),
                (Loaded("a", 100, 100), Loaded("b", 100, 0), Loaded("c", 100, 70)),
            )
        )
    )
    assert [(one.check, one.severity) for one in found] == [
        ("models", "ok"),
        ("models", "note"),
        ("memory", "ok"),
        ("memory", "ok"),
        ("memory", "warning"),
    ]
    assert found[0].text == "7: a, b, c, d, e and 2 more"
    assert found[4].text.startswith("30% of c does not fit")


def test_no_model_is_a_warning() -> None:
    """The remedy is a command."""
    (found,) = model_findings(Models())
    assert (found.severity, found.remedy.split(",")[0]) == ("warning", "arriero models pull NAME")


def test_a_list_that_fails_is_a_warning() -> None:
    """The server answered before, so it is reached."""
    (found,) = model_findings(Models(error=ConnectionLost("reset")))
    assert found.text == "cannot be listed: reset"


@pytest.mark.parametrize(("free", "severity"), [(5 * 10**9, "warning"), (50 * 10**9, "ok")])
def test_a_full_disk_is_told(free: int, severity: str) -> None:
    """Before a pull fails half way."""
    (found,) = disk_findings(Disk("/models", free, 10**12))
    assert found.severity == severity
    assert found.text == f"{free // 10**9}.0 GB left for models in /models"
    assert list(disk_findings(None)) == []
