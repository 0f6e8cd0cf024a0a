"""`arriero audit verify` and `show`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from arriero import AuditLog

from ..observe.calls import ended

Run = Callable[..., tuple[int, str, str]]


def log_of(path: Path, key: bytes | None = None) -> Path:
    """Write a log of two calls."""
    with AuditLog(path, key=key) as log:
        log.write(ended(1))
        log.write(ended(2))
    return path


def test_a_whole_log_gives_its_anchor(tmp_path: Path, run: Run) -> None:
    """Exit code 0, and a line to be kept; with it the log verifies again."""
    path = log_of(tmp_path / "audit.jsonl")
    code, out, _ = run("audit", "verify", str(path))
    assert code == 0
    assert run("audit", "verify", str(path), "--anchor", out.strip())[0] == 0
    assert run("audit", "verify", str(path), "--anchor", "1:" + "0" * 64)[0] == 1
    assert run("audit", "verify", str(path), "--anchor", "nonsense")[0] == 2


def test_a_changed_log_is_told_where(tmp_path: Path, run: Run) -> None:
    """Exit code 1, file and line, as text and as JSON."""
    path = log_of(tmp_path / "audit.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"ann"', b'"bob"', 1))
    code, out, _ = run("audit", "verify", str(path))
    assert (code, out.split(": ")[:2]) == (1, ["audit.jsonl:2", "changed"])
    code, out, _ = run("audit", "verify", "--json", str(path))
    assert (code, json.loads(out)["problems"][0]["line"]) == (1, 2)


def test_a_key_is_read_from_a_file(tmp_path: Path, run: Run) -> None:
    """The key never stands on a command line."""
    key_file = tmp_path / "key"
    key_file.write_bytes(b"0123456789abcdef")
    path = log_of(tmp_path / "audit.jsonl", key_file.read_bytes())
    assert run("audit", "verify", str(path))[0] == 1
    assert run("audit", "verify", str(path), "--key-file", str(key_file))[0] == 0
    assert run("audit", "verify", str(path), "--key-file", str(tmp_path / "none"))[0] == 2


def test_records_are_shown(tmp_path: Path, run: Run) -> None:
    """A row for each, or whole records as lines of JSON."""
    path = log_of(tmp_path / "audit.jsonl")
    code, out, _ = run("audit", "show", str(path), "--last", "1")
    assert code == 0
    assert "ann t" in out.splitlines()[1]
    lines = run("audit", "show", "--json", str(path))[1].splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]
    assert run("audit", "show", str(tmp_path / "nothing.jsonl"))[0] in (0, 2)


def test_no_log_is_wrong_usage(tmp_path: Path, run: Run) -> None:
    """A path without a log is told as such."""
    code, _, err = run("audit", "verify", str(tmp_path / "audit.jsonl"))
    assert code == 2
    assert "no audit log" in err
