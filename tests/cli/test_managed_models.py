"""`arriero models lock, plan, apply, verify, rollback, history, prune, diff, warm, ensure`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero import Client
from arriero.server import serve
from arriero.testing import ScriptedServer

from .terminal import Terminal

Run = Callable[..., tuple[int, str, str]]

TOML = """
[models.mini]
preload = true
num_ctx = 512

[models.support]
from = "mini"
system = "You know llamas."
parameters = {{ temperature = 0.2, num_predict = {tokens} }}

[[models.support.smoke]]
prompt = "The llama is"
expect = '\\w'
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a ``models.toml``, where the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARRIERO_JOURNAL", str(tmp_path / "journal.db"))
    write(tmp_path, 8)
    return tmp_path


def write(folder: Path, tokens: int, head: str = "") -> None:
    """Write what is wanted."""
    (folder / "models.toml").write_text(head + TOML.format(tokens=tokens))


@pytest.fixture
def host() -> Iterator[str]:
    """A server of its own: commands change it."""
    with serve() as server:
        yield server.url


def digest_of(host: str, name: str) -> str | None:
    """Give the digest of a model on a host."""
    with Client(host) as client:
        found = [one.digest for one in client.list().models if one.model == name]
    return found[0] if found else None


@pytest.mark.slow
def test_from_nothing_to_applied_and_back(folder: Path, host: str, run: Run) -> None:
    """Plan, apply, again, drift, rollback: each says what it did, by words and by exit code."""
    code, out, _ = run("models", "plan", "--exit-code", host=host)
    assert code == 10
    assert "  + support:latest  create  from mini:latest" in out
    assert "Plan: 1 to add, 0 to change, 1 unchanged. 0 B to download." in out
    assert (folder / "models.lock").exists()

    code, out, err = run("models", "apply", "--yes", "--frozen", host=host)
    assert (code, out.splitlines()[-1]) == (0, f"{host}  support:latest  create: done")
    assert "support:latest  checking" in err
    first = digest_of(host, "support:latest")
    code, out, _ = run("models", "verify", "--content", host=host)
    assert code == 0
    assert out.splitlines()[:3] == [
        host,
        "    mini:latest     ok",
        "        checked: digest, show, template, licence",
    ]
    assert "        not checked: answers: no smoke test\n    support:latest  ok\n" in out
    assert run("models", "verify", "--no-smoke", "--quiet", host=host) == (0, "", "")

    code, out, _ = run("models", "plan", "--exit-code", "--frozen", host=host)
    assert (code, out) == (0, "Nothing to do: 2 models are as they are locked.\n") or out.endswith(
        "Nothing to do: 2 models are as they are locked.\n"
    )

    write(folder, 4)
    code, _, err = run("models", "plan", "--frozen", host=host)
    assert (code, "stale" in err) == (2, True)
    code, out, _ = run("models", "apply", "--yes", host=host)
    assert "  ~ support:latest  create  from mini:latest  parameters.num_predict 8 -> 4" in out
    assert code == 0

    code, out, _ = run("models", "rollback", "support", host=host)
    assert (code, digest_of(host, "support:latest")) == (0, first)
    code, out, _ = run("models", "verify", "--no-smoke", host=host)
    assert (code, "parameters.num_predict 8 -> 4" in out) == (9, True)

    code, out, _ = run("models", "history", host=host)
    assert [line.split()[0] for line in out.splitlines()] == ["ID", "3", "2", "1"]
    assert "switch (rollback of 2)" in out


def test_programs_get_json(folder: Path, host: str, run: Run) -> None:
    """One document for each command, whatever it did."""
    lock = json.loads(run("models", "lock", "--json", host=host)[1])
    assert lock == {
        "lock": "models.lock",
        "changed": ["mini:latest", "support:latest"],
        "models": 2,
    }
    plan = json.loads(run("models", "plan", "--json", host=host)[1])
    assert [(step["model"], step["action"]) for step in plan["steps"]] == [
        ("mini:latest", "keep"),
        ("support:latest", "create"),
    ]
    assert {check["what"] for check in plan["steps"][1]["checks"]} == {"disk", "memory"}
    report = json.loads(run("models", "apply", "--json", "--yes", host=host)[1])
    (change,) = report["changes"]
    assert (report["ok"], change["state"], change["before"]) == (True, "done", "")
    found = json.loads(run("models", "verify", "--json", host=host)[1])
    assert (found["ok"], len(found["findings"])) == (True, 2)
    changes = json.loads(run("models", "history", "--json", "support", host=host)[1])["changes"]
    assert changes == [change]


def test_nobody_is_asked_where_nobody_can_answer(folder: Path, host: str, run: Run) -> None:
    """In a script, `apply` without --yes is wrong usage; nothing is done."""
    code, _, err = run("models", "apply", host=host)
    assert (code, "--yes" in err) == (2, True)
    assert digest_of(host, "support:latest") is None


def test_a_licence_that_is_not_allowed_ends_with_5(folder: Path, host: str, run: Run) -> None:
    """Before anything is done on any host."""
    write(folder, 8, '[defaults]\nlicences = ["MIT"]\n')
    code, out, _ = run("models", "apply", "--yes", host=host)
    assert code == 5
    assert "  ! support:latest  refuse  " in out
    assert "licence NONE is not allowed (allowed: MIT)" in out


def test_a_host_that_fails_stops_the_rollout(folder: Path, host: str, run: Run) -> None:
    """Its models stay as they were; further hosts are begun only if so many may fail."""
    with ScriptedServer(models=["mini"]) as broken:  # its mini is another one
        head = f'[defaults]\nhosts = ["{host}", "{broken.url}"]\n'
        write(folder, 8, head)
        run("models", "lock")
        write(folder, 8, f'[defaults]\nhosts = ["{broken.url}", "{host}"]\n')
        code, out, err = run("models", "apply", "--json", "--yes", "--frozen")
        first = json.loads(out)
        assert (code, list(first["failures"]), first["skipped"]) == (1, [broken.url], [host])
        assert "fails its digest check" in err
        assert "The old models go on serving there" in err

        code, out, _ = run("models", "apply", "--json", "--yes", "--max-failed", "0.5")
        second = json.loads(out)
        assert (code, list(second["failures"]), second["skipped"]) == (1, [broken.url], [])
        assert [change["host"] for change in second["changes"]] == [host]
        assert digest_of(broken.url, "support:latest") is None
        assert run("models", "verify", "--no-smoke", "--only", host)[0] == 0


@pytest.mark.slow
def test_old_models_are_kept_until_they_are_pruned(folder: Path, host: str, run: Run) -> None:
    """The newest stays unless told otherwise; what went cannot be gone back to."""
    for tokens in (8, 7, 6):
        write(folder, tokens)
        assert run("models", "apply", "--yes", "--quiet", host=host)[0] == 0
    code, out, _ = run("models", "prune", "--dry-run", "--keep", "0", host=host)
    assert (code, out.count("would go")) == (0, 2)
    assert run("models", "prune", host=host)[1].count("deleted") == 1
    assert run("models", "prune", "--keep", "0", "--json", host=host)[0] == 0
    code, _, err = run("models", "rollback", "support", host=host)
    assert (code, "no longer has it" in err) == (2, True)


def test_sides_are_compared(folder: Path, host: str, run: Run) -> None:
    """A lock and a host, or two hosts."""
    run("models", "lock", host=host)
    code, out, _ = run("models", "diff", "models.lock", host)
    assert (code, "- support:latest" in out, "+ mini-embed:latest" in out) == (10, True, True)
    assert run("models", "diff", host, host) == (0, "", "")
    assert run("models", "diff", "no.lock", host)[0] == 2


def test_a_pool_is_warmed(folder: Path, host: str, run: Run) -> None:
    """What has preload is loaded with its context, and ready when the command ends."""
    code, out, _ = run("models", "warm", host=host)
    assert code == 0
    assert out.splitlines()[1].split()[:3] == [host, "mini:latest", "512"]
    with Client(host) as client:
        assert [one.model for one in client.ps().models] == ["mini:latest"]
    plan = json.loads(run("models", "plan", "--json", host=host)[1])
    assert plan["steps"][0]["action"] == "keep"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["mini"], 0, "mini:latest is there"),
        (["mini", "--prompt", "The llama", "--expect", r"\w"], 0, "is there"),
        (["mini", "--prompt", "The llama", "--expect", "zebra"], 9, "smoke check"),
        (["mini", "mini-embed", "--digest", "x"], 2, "single MODEL"),
        (["mini", "--expect", "x"], 2, "--expect needs --prompt"),
        (["mini", "--digest", "x"], 2, "64 hex digits"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_ensure(folder: Path, host: str, run: Run, words: list[str], code: int, told: str) -> None:
    """What is there is checked; what fails has its number."""
    found, out, err = run("models", "ensure", *words, host=host)
    assert (found, told in out + err) == (code, True), err


def test_ensure_is_in_the_journal(folder: Path, host: str, run: Run) -> None:
    """Whether it went well or not."""
    made = json.loads(run("models", "ensure", "mini", "--json", host=host)[1])
    run("models", "ensure", "mini", "--prompt", "x", "--expect", "zebra", host=host)
    rows: list[dict[str, Any]] = json.loads(run("models", "history", "--json")[1])["changes"]
    assert [(row["state"], row["after"], row["reason"]) for row in rows] == [
        ("failed", made["digest"], "ensure"),
        ("done", made["digest"], "ensure"),
    ]
    assert {row["model"] for row in rows} == {"mini:latest"}


def test_only_is_never_passed_over(folder: Path, host: str, run: Run) -> None:
    """A host that is not among those of the file, or not --host where it names none."""
    code, out, err = run("models", "apply", "--yes", "--only", "gpu9", host=host)
    assert (code, out) == (2, "")
    assert err == "arriero: --only: http://gpu9:11434 is no host of the file\n"
    assert digest_of(host, "support:latest") is None
    assert run("models", "plan", "--only", host, host=host)[0] == 0


def test_history_says_why_something_failed(folder: Path, host: str, run: Run) -> None:
    """Below the table, and not with --quiet; a narrow window still has action and state."""
    run("models", "delete", "nothing", host=host)
    code, out, _ = run("models", "history")
    assert (code, out.splitlines()[-1][:18]) == (0, "1: ModelNotFound: ")
    assert len(run("models", "history", "--quiet")[1].splitlines()) == 2
    with Terminal(["models", "history"], {}) as terminal:
        assert terminal.ended() == 0
        head, row, *_ = terminal.text.splitlines()
    assert head.split()[:5] == ["ID", "WHEN", "MODEL", "ACTION", "STATE"]
    assert "failed" in row


def test_nothing_to_apply_says_so_once(folder: Path, host: str, run: Run) -> None:
    """And a file that is not there is said to be missing, with what it is for."""
    (folder / "models.toml").write_text("[models.mini]\n")
    code, out, err = run("models", "apply", "--yes", host=host)
    assert (code, out.splitlines()[-1]) == (0, "Nothing to do: 1 model is as it is locked.")
    assert err.splitlines() == ["Locked 1 model in models.lock."]
    code, _, err = run("models", "plan", "--file", "other.toml", host=host)
    assert (code, err.startswith("arriero: there is no other.toml: ")) == (2, True)


@pytest.mark.parametrize(
    "words",
    [["plan"], ["rollback", "nothing"], ["rollback", "7"], ["lock", "--upgrade-model", "x"]],
    ids=" ".join,
)
def test_what_is_missing_is_said(tmp_path: Path, host: str, run: Run, words: list[str],
                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Without a file, an entry or a model there is nothing to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARRIERO_JOURNAL", str(tmp_path / "journal.db"))
    if words[0] == "lock":
        write(tmp_path, 8)
    code, out, err = run("models", *words, host=host)
    assert (code, out) == (2, "")
    assert err.startswith("arriero: ")
