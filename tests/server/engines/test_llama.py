"""llama.cpp within this process."""

from __future__ import annotations

import subprocess
import sys

import pytest

AT_ONCE = """
from importlib.resources import files
from pathlib import Path
from arriero.server.engines.engine import LoadPlan
from arriero.server.engines.llama import load_llama

weights = Path(str(files("arriero.server"))) / "weights" / "mini-q8_0.gguf"
for _ in range(3):
    load_llama(weights, LoadPlan(context_length=512, slots=4), embedding={embedding}).close()
print("closed")
"""


@pytest.mark.slow
@pytest.mark.parametrize("embedding", [False, True])
def test_a_model_can_be_closed_as_soon_as_it_is_loaded(*, embedding: bool) -> None:
    """In a process of its own, as llama.cpp would wait for ever where nobody can end it."""
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE.format(embedding=embedding)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout == "closed\n", done.stderr
