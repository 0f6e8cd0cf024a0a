"""The real instrumentors of the `ollama` package, and telemetry of our own: one span a call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "programs" / "instrumented.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("instrumentor", "scope"),
    [
        ("traceloop", "opentelemetry.instrumentation.ollama"),
        ("openinference", "openinference.instrumentation.ollama"),
        ("none", "arriero"),
    ],
)
def test_no_call_has_two_spans(embedded: str, instrumentor: str, scope: str) -> None:
    """A whole answer and a stream: each is told of once, by whoever came first."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), embedded, instrumentor],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [scope, scope]
