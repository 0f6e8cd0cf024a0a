"""The process that converts: what it writes, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from arriero.server.gguf import Gguf, read_gguf
from arriero.server.quantizer import QuantizingFailed, process, quantized
from arriero.server.quantizer.mixes import Mix

from ..store.weights import shipped_path
from .files import MATRIX, Entry, floats, matrix, write


def converted(source: Path, wanted: Mix) -> Path:
    """Convert a whole file."""
    target = source.with_suffix(f".{wanted}")
    target.write_bytes(b"".join(quantized(source, wanted, lambda: True)))
    return target


def data_of(path: Path, head: Gguf, name: str, size: int) -> bytes:
    """The bytes of a tensor."""
    [tensor] = [one for one in head.tensors if one.name == name]
    at = head.data_offset + tensor.offset
    return path.read_bytes()[at : at + size]


def as_floats(source: Path, target: Path) -> Path:
    """Write a Q8_0 file with its numbers as floats, which lose nothing."""
    head, data = read_gguf(source), source.read_bytes()
    tensors: list[Entry] = []
    for one in head.tensors:
        at, count = head.data_offset + one.offset, int(np.prod(one.shape))
        values = data[at : at + 4 * count]
        if one.type == "Q8_0":
            blocks = np.frombuffer(data, np.uint8, count // 32 * 34, at).reshape(-1, 34)
            scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
            values = (blocks[:, 2:].view(np.int8) * scales).astype(np.float32).tobytes()
        tensors.append((one.name, "F32", one.shape, values))
    return write(target, tensors)


def test_what_was_eight_bits_becomes_the_same_eight_bits(tmp_path: Path) -> None:
    """Every byte of every tensor of the shipped weights."""
    original = read_gguf(shipped_path())
    made = converted(as_floats(shipped_path(), tmp_path / "f32"), "Q8_0")

    head = read_gguf(made)
    assert head.quantization == "Q8_0"
    assert head.metadata["general.quantization_version"] == 2
    for one in original.tensors:
        size = int(np.prod(one.shape)) * 34 // 32 if one.type == "Q8_0" else one.shape[0] * 4
        assert data_of(made, head, one.name, size) == data_of(
            shipped_path(), original, one.name, size
        )


@pytest.mark.parametrize(
    ("wanted", "bits"), [("F32", 32), ("F16", 16), ("BF16", 16), ("Q8_0", 8.5), ("Q4_K_M", 4.5)]
)
def test_a_matrix_takes_as_much_as_its_type_does(tmp_path: Path, wanted: Mix, bits: float) -> None:
    """And stands where the head says; the last one ends the file."""
    count = 300 * 512
    source = matrix(tmp_path / "source", floats(count))
    made = converted(source, wanted)

    head = read_gguf(made)
    [tensor] = head.tensors
    assert made.stat().st_size == head.data_offset + tensor.offset + count * bits / 8


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_halves_are_read_as_what_they_are(tmp_path: Path, kind: str) -> None:
    """The same numbers in another form give the same result."""
    # Numbers that both forms can hold.
    values = np.random.default_rng(1).integers(-128, 128, 300 * 512).astype(np.float32)
    whole = values.view(np.uint32)
    halves = values.astype(np.float16) if kind == "F16" else (whole >> 16).astype(np.uint16)
    one = matrix(tmp_path / "one", values.tobytes())
    other = matrix(tmp_path / "other", halves.tobytes(), kind=kind)

    assert converted(one, "Q4_K_M").read_bytes() == converted(other, "Q4_K_M").read_bytes()


def test_rows_stay_in_order_however_many_threads_work(tmp_path: Path) -> None:
    """Each piece is converted as if it were alone."""
    row, rows = 512, 9000
    source = matrix(tmp_path / "source", floats(row * rows), rows=rows)
    part = matrix(tmp_path / "part", floats(row * rows)[: row * 4 * 50], rows=50)
    size = row * 50 * 34 // 32

    whole, first = converted(source, "Q8_0"), converted(part, "Q8_0")
    assert data_of(whole, read_gguf(whole), MATRIX, size) == data_of(
        first, read_gguf(first), MATRIX, size
    )
    back = np.frombuffer(
        data_of(whole, read_gguf(whole), MATRIX, row * rows * 34 // 32), np.uint8
    ).reshape(-1, 34)
    values = back[:, 2:].view(np.int8) * back[:, :2].copy().view(np.float16).astype(np.float32)
    wanted = np.frombuffer(floats(row * rows), np.float32)
    assert np.abs(values.ravel() - wanted).max() < 0.001


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full(300 * 512, np.nan, np.float32).tobytes(), "not all of its numbers are finite"),
        (floats(100), "the file ends too early"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    """Nobody loads what would answer nonsense."""
    source = matrix(tmp_path / "source", data)
    with pytest.raises(QuantizingFailed, match=f"quantizing failed: {MATRIX}: {message}"):
        converted(source, "Q8_0")


def test_no_file_is_told(tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(QuantizingFailed, match="No such file"):
        list(quantized(tmp_path / "gone", "Q8_0", lambda: True))


def test_a_crash_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of the signal."""
    monkeypatch.setattr(process, "_BOOT", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(QuantizingFailed, match="the process ended with -9"):
        list(quantized(tmp_path / "any", "Q8_0", lambda: True))


def test_nobody_who_wants_it_ends_the_process(tmp_path: Path) -> None:
    """At the next piece, and with the generator."""
    many = 4000 * 512
    source = matrix(tmp_path / "source", floats(many), rows=4000)
    before = set(psutil.Process().children())

    with pytest.raises(InterruptedError):
        list(quantized(source, "F32", lambda: False))
    assert set(psutil.Process().children()) <= before
    pieces = quantized(source, "F32", lambda: True)
    next(pieces)
    pieces.close()
    assert set(psutil.Process().children()) <= before


def test_an_engine_that_cannot_is_told(tmp_path: Path) -> None:
    """Its library exports what is needed today; that may change."""
    source = matrix(tmp_path / "source", floats(300 * 512))
    code = (
        "import sys, arriero.server.quantizer.child as child\n"
        "class Library:\n    pass\n"
        "child.ctypes.CDLL = lambda path: Library()\n"
        f"sys.argv[1:] = [{str(source)!r}, 'Q8_0']\n"
        "child.main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == 1
    assert b"this version of xllamacpp cannot quantize" in ended.stderr
