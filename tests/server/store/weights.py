"""Files the recorded server was given, made anew from the weights of the package."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np

from arriero.server import gguf
from arriero.server.catalogue import shipped_models

_ALIGNMENT = 32
_Q8_0, _F16 = 8, 1
_Q8_BYTES = 34
"""Of one block of 32 numbers: a scale and the numbers."""


def shipped_path() -> Path:
    """The weights of the package, Q8_0."""
    return shipped_models()["mini"].path


def variant(changes: dict[str, str | int | None], source: Path | None = None) -> bytes:
    """The weights with other metadata."""
    written = io.BytesIO()
    gguf.write_variant(source or shipped_path(), changes, written.write)
    return written.getvalue()


def thinking() -> bytes:
    """The weights with the template that reasons."""
    return variant({"tokenizer.chat_template": shipped_models()["mini-think"].template})


def half_precision() -> bytes:
    """The weights as 16-bit floats, an unquantised model."""
    data = variant({"general.file_type": 1})
    file = io.BytesIO(data)
    _, tensor_count, key_count = gguf._counts(file)
    for _ in range(key_count):
        gguf._text(file)
        gguf._value(file, gguf._scalar(file, "I"))
    begin = file.tell()
    infos = [_info(file) for _ in range(tensor_count)]
    start = file.tell() + -file.tell() % _ALIGNMENT
    head, body = io.BytesIO(), io.BytesIO()
    head.write(data[:begin])
    for name, shape, kind, offset in infos:
        values = _values(data, start + offset, kind, int(np.prod(shape)))
        name_bytes = name.encode()
        head.write(struct.pack("<Q", len(name_bytes)) + name_bytes)
        head.write(struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        head.write(struct.pack("<IQ", _F16 if kind == _Q8_0 else kind, body.tell()))
        body.write(values + bytes(-len(values) % _ALIGNMENT))
    whole = head.getvalue()
    return whole + bytes(-len(whole) % _ALIGNMENT) + body.getvalue()


def _info(file: io.BytesIO) -> tuple[str, tuple[int, ...], int, int]:
    name = gguf._text(file)
    shape = tuple(gguf._scalar(file, "Q") for _ in range(gguf._scalar(file, "I")))
    return name, shape, gguf._scalar(file, "I"), gguf._scalar(file, "Q")


def _values(data: bytes, at: int, kind: int, count: int) -> bytes:
    if kind != _Q8_0:
        return data[at : at + 4 * count]
    blocks = np.frombuffer(data, np.uint8, count // 32 * _Q8_BYTES, at).reshape(-1, _Q8_BYTES)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return (blocks[:, 2:].view(np.int8) * scales).astype(np.float16).tobytes()
