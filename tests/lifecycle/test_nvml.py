"""What NVIDIA's driver is asked, through its real binding, with GPUs that are not there.

The binding finds `libnvidia-ml.so.1` as the dynamic linker does, so it is given one of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.real_parts import program

UNINITIALIZED, LIBRARY_MISSING, DRIVER_NOT_LOADED, GPU_LOST, UNKNOWN_ERROR = 1, 12, 9, 15, 999

LOOK = """
import json, pynvml
from arriero.lifecycle.machine import look

twice = [look("http://localhost:11434").vram_free for _ in range(2)]
try:
    pynvml.nvmlDeviceGetCount()
    code = 0
except pynvml.NVMLError as error:
    code = error.value
print(json.dumps({"free": twice, "then": code}))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the stub; give its folder."""
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).with_name("nvml_stub.c")
    made = folder / "libnvidia-ml.so.1"
    subprocess.run([program("gcc"), "-shared", "-fPIC", "-o", made, source], check=True)
    return folder


def looked(folder: Path, **environ: str) -> Any:
    """Look twice in a process of its own, and ask the binding once more after that."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOOK],
        env={**os.environ, "LD_LIBRARY_PATH": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("free", "total"), [("8000000000,24000000000", 32_000_000_000), ("5", 5), ("", 0)]
)
def test_the_free_memory_of_all_gpus_counts(library: Path, free: str, total: int) -> None:
    """None at all is 0, which is known; and the driver is let go each time."""
    assert looked(library, STUB_FREE=free) == {"free": [total, total], "then": UNINITIALIZED}


def test_without_a_driver_nothing_is_known(tmp_path: Path) -> None:
    """The binding finds no library."""
    assert looked(tmp_path) == {"free": [None, None], "then": UNINITIALIZED}


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("nvmlInitWithFlags", DRIVER_NOT_LOADED),
        ("nvmlInitWithFlags", LIBRARY_MISSING),
        ("nvmlDeviceGetCount_v2", UNKNOWN_ERROR),
        ("nvmlDeviceGetHandleByIndex_v2", GPU_LOST),
        ("nvmlDeviceGetMemoryInfo#1", GPU_LOST),
        ("nvmlDeviceGetMemoryInfo", 4242),
    ],
)
def test_an_error_midway_makes_it_unknown(library: Path, function: str, code: int) -> None:
    """A GPU that fell off the bus is no GPU without memory; the driver is let go all the same."""
    made = looked(library, STUB_FREE="8000,24000", STUB_FAILS=f"{function}={code}")
    assert made == {"free": [None, None], "then": UNINITIALIZED if code != UNKNOWN_ERROR else code}


@pytest.mark.parametrize("free", ["8000,24000", ""])
def test_a_driver_that_cannot_be_let_go_has_answered(library: Path, free: str) -> None:
    """What it said stands, and no error comes out of a look."""
    made = looked(library, STUB_FREE=free, STUB_FAILS=f"nvmlShutdown={UNKNOWN_ERROR}")
    assert made["free"] == [sum(map(int, filter(None, free.split(","))))] * 2
