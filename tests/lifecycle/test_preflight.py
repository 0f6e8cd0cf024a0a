"""Whether a model fits: the arithmetic, and what is not known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.lifecycle import Load, Machine, disk_check, kv_cache_bytes, memory_check
from arriero.lifecycle.facts import Shape
from arriero.lifecycle.machine import is_local, look

LLAMA = Shape(layers=28, kv_heads=8, key_length=128, value_length=128, context_length=131072)
GB = 10**9


def test_the_kv_cache_is_what_llama_cpp_says() -> None:
    """Llama 3.2 3B with 4096 tokens: 448 MiB in f16, as llama.cpp prints it."""
    assert kv_cache_bytes(LLAMA, 4096) == 448 * 1024**2
    assert kv_cache_bytes(Shape(layers=28), 4096) is None


@pytest.mark.parametrize(
    ("download", "free", "verdict"),
    [
        (0, None, "yes"),
        (2 * GB, 4 * GB, "yes"),
        (2 * GB, 2 * GB, "no"),
        (None, 4 * GB, "unknown"),
        (2 * GB, None, "unknown"),
    ],
)
def test_a_download_has_to_leave_some_disk(
    download: int | None, free: int | None, verdict: str
) -> None:
    """Unknown is never said to be yes."""
    check = disk_check(download, Machine(disk_free=free))
    assert check.verdict == verdict


def test_what_is_missing_on_the_disk_is_said() -> None:
    """With the numbers it follows from."""
    check = disk_check(2 * GB, Machine(disk_free=GB))
    assert check.arithmetic == "needs 2.0 GB + 1.1 GB reserve, free 1.0 GB: 2.1 GB missing"


@pytest.mark.parametrize(
    ("weights", "context", "machine", "verdict"),
    [
        (2 * GB, 4096, Machine(None, 16 * GB, 0), "yes"),
        (2 * GB, 131072, Machine(None, 16 * GB, 0), "no"),
        (2 * GB, 131072, Machine(None, 16 * GB, 24 * GB), "yes"),
        (2 * GB, 131072, Machine(None, 16 * GB), "unknown"),
        (2 * GB, 4096, Machine(), "unknown"),
        (0, 4096, Machine(None, 16 * GB, 0), "unknown"),
    ],
)
def test_memory_counts_the_context(
    weights: int, context: int, machine: Machine, verdict: str
) -> None:
    """The same model fits with a short context and not with a long one."""
    assert memory_check(weights, LLAMA, context, machine).verdict == verdict


def test_without_the_numbers_of_the_cache_nothing_fits_for_sure() -> None:
    """Weights that are too large alone are a no all the same."""
    machine = Machine(None, 4 * GB, 0)
    assert memory_check(GB, Shape(), None, machine).verdict == "unknown"
    assert memory_check(8 * GB, Shape(), None, machine).verdict == "no"


def test_the_arithmetic_is_shown() -> None:
    """Every part of the sum, and what there is."""
    check = memory_check(2 * GB, LLAMA, 4096, Machine(None, 8 * GB, 0))
    assert check.arithmetic == (
        "weights 2.0 GB + KV cache for 4096 tokens 469.8 MB + 536.9 MB overhead = 3.0 GB,"
        " available RAM 8.0 GB + VRAM 0 B"
    )


@pytest.mark.parametrize(("context", "verdict"), [(4096, "yes"), (8192, "unknown")])
def test_what_fitted_before_fits(context: int, verdict: str) -> None:
    """With as much context, or less."""
    loads = [Load("h", "sha256:a", 4096, 3 * GB, 0)]
    check = memory_check(2 * GB, LLAMA, context, Machine(), "sha256:a", loads)
    assert check.verdict == verdict


SIZES = st.one_of(st.none(), st.integers(0, 10**12))


@given(SIZES, SIZES, SIZES, st.integers(0, 10**12), st.integers(1, 10**6))
def test_more_room_never_turns_a_yes_into_a_no(
    disk: int | None, ram: int | None, vram: int | None, weights: int, context: int
) -> None:
    """And nothing unknown is a no."""
    less, more = Machine(disk, ram, vram), Machine(10**13, 10**13, 10**13)
    for one, other in (
        (disk_check(weights, less), disk_check(weights, more)),
        (
            memory_check(weights, LLAMA, context, less),
            memory_check(weights, LLAMA, context, more),
        ),
    ):
        assert other.verdict != "no" or one.verdict != "yes"
    if ram is None:
        assert memory_check(weights, LLAMA, context, less).verdict == "unknown"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://gpu1:1", False),
        ("http://10.0.0.1:1", False),
    ],
)
def test_only_this_machine_is_looked_at(host: str, *, local: bool) -> None:
    """Of another one nothing is known."""
    assert is_local(host) is local
    if not local:
        assert look(host) == Machine()


def test_this_machine_has_memory_and_a_disk(tmp_path: Path) -> None:
    """The disk is that of the folder the server keeps models in, made already or not."""
    machine = look("http://127.0.0.1:11434", {"OLLAMA_MODELS": str(tmp_path / "not" / "made")})
    assert machine.disk_free is not None
    assert machine.ram_available is not None
    assert min(machine.disk_free, machine.ram_available) > 0
