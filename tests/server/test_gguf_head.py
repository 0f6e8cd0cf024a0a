"""The head of GGUF files."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arriero.server.catalogue import shipped_models
from arriero.server.gguf import NotGguf, read_gguf


def text(value: str) -> bytes:
    """A text as the format writes it."""
    return struct.pack("<Q", len(value)) + value.encode()


def tiny() -> bytes:
    """A file with one key of each shape and one tensor."""
    keys = [
        text("general.architecture") + struct.pack("<I", 8) + text("tiny"),
        text("general.file_type") + struct.pack("<II", 4, 7),
        text("tiny.flag") + struct.pack("<I?", 7, True),
        text("tiny.scale") + struct.pack("<If", 6, 0.5),
        text("tiny.words") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
        text("tiny.numbers") + struct.pack("<IIQ3i", 9, 5, 3, 1, -2, 3),
    ]
    tensor = text("t.weight") + struct.pack("<IQQIQ", 2, 4, 3, 8, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys)) + b"".join(keys) + tensor


def test_keys_and_tensors_are_read(tmp_path: Path) -> None:
    """Every kind of value comes back as what it is."""
    (tmp_path / "tiny.gguf").write_bytes(tiny())
    head = read_gguf(tmp_path / "tiny.gguf")

    assert head.architecture == "tiny"
    assert head.quantization == "Q8_0"
    assert head.of_architecture("flag") is True
    assert head.of_architecture("scale") == 0.5
    assert head.of_architecture("words") == ["a", "b"]
    assert head.of_architecture("numbers") == [1, -2, 3]
    assert head.of_architecture("missing") is None
    assert [(one.name, one.type, one.shape) for one in head.tensors] == [
        ("t.weight", "Q8_0", (4, 3))
    ]
    assert head.parameter_count == 12


def test_every_shorter_file_is_refused(tmp_path: Path) -> None:
    """A file cut off anywhere is no GGUF file, and says so."""
    whole = tiny()
    path = tmp_path / "cut.gguf"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(NotGguf):
            read_gguf(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(4, len(tiny()) - 1), st.integers(0, 255))
def test_a_damaged_file_never_breaks_the_reader(tmp_path: Path, at: int, byte: int) -> None:
    """Any byte may be wrong."""
    data = bytearray(tiny())
    data[at] = byte
    path = tmp_path / "damaged.gguf"
    path.write_bytes(bytes(data))
    with suppress(NotGguf):
        assert read_gguf(path).architecture


def test_the_shipped_file_says_what_it_is() -> None:
    """The head of the mini model."""
    head = shipped_models()["mini"].head

    assert (head.architecture, head.quantization) == ("llama", "Q8_0")
    assert head.parameter_count == 2_213_952
    assert head.of_architecture("context_length") == 2048
