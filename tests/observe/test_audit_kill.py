"""A process that writes an audit log is killed at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arriero import verify_audit
from arriero.observe.verify import audit_records

PROGRAM = """
import sys
from arriero import AuditLog, Client
from arriero.testing import ScriptedServer

with ScriptedServer() as server, AuditLog(sys.argv[1], max_bytes=6000) as log:
    server.on().reply("Hello.")
    with Client(server.url, audit=log) as client:
        number = int(sys.argv[2])
        while True:
            client.generate(f"m{number}", "Hi")
            print(number, flush=True)
            number += 1
"""


def acknowledged(path: Path, begin: int, after: int, pause_s: float) -> list[int]:
    """Run the program, kill it some time after so many calls; give the calls that returned."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), str(begin)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        lines = [child.stdout.readline() for _ in range(after)]
        time.sleep(pause_s)
    finally:
        child.kill()
        rest = child.stdout.read()
        child.stdout.close()
        child.wait()
    return [int(line) for line in ("".join(lines) + rest).splitlines(keepends=True) if "\n" in line]


@pytest.mark.slow
def test_no_acknowledged_record_is_lost_to_a_kill(tmp_path: Path) -> None:
    """Every call that returned is in the log, once and in order, and the chain is whole."""
    path, chance = tmp_path / "audit.jsonl", random.Random(7)
    returned: list[int] = []
    for round_ in range(6):
        begin = returned[-1] + 2 if returned else 0
        returned += acknowledged(path, begin, chance.randint(1, 40), chance.random() * 0.02)
        report = verify_audit(path)
        assert report.ok, (round_, report.problems)
    models = [int(one["model"][1:]) for one in audit_records(path) if one["kind"] == "call"]
    assert len(models) == len(set(models))
    assert sorted(models) == models
    assert set(returned) <= set(models)
    assert len(set(models) - set(returned)) <= 6  # killed between the record and the answer
    assert report.files > 3
