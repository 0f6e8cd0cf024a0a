"""The benchmarks run: every row, every subject, with the least there is to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_every_row_is_measured_for_every_subject(tmp_path: Path) -> None:
    """`--smoke` gives each row of the table a number for us, the official client, the floor."""
    output = tmp_path / "results.json"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", "--smoke", "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    assert "Unclosed" not in run.stderr
    rows = json.loads(output.read_text())["rows"]
    assert len(rows) >= 14
    for row in rows:
        for subject in ("arriero", "ollama", "floor"):
            assert len(row[subject]["rounds"]) == 1, row["name"]
