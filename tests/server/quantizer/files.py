"""GGUF files made for a test."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from arriero.server.gguf import TYPE_NUMBERS

_ALIGNMENT = 32

Entry: TypeAlias = tuple[str, str, Sequence[int], bytes]
"""Name, type, shape and data of a tensor."""

KEYS: Mapping[str, str | int] = {
    "general.architecture": "llama",
    "llama.block_count": 1,
    "general.file_type": 0,
}


def write(path: Path, tensors: Sequence[Entry]) -> Path:
    """Write a file with these tensors."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(KEYS))
    for key, value in KEYS.items():
        head += _text(key)
        if isinstance(value, str):
            head += struct.pack("<I", 8) + _text(value)
        else:
            head += struct.pack("<II", 4, value)
    body = b""
    for name, kind, shape, data in tensors:
        head += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", TYPE_NUMBERS[kind], len(body))
        body += _padded(data)
    path.write_bytes(_padded(head) + body)
    return path


MATRIX = "blk.0.attn_q.weight"
"""Becomes what the mix is named after."""


def matrix(path: Path, data: bytes, *, kind: str = "F32", rows: int = 300, row: int = 512) -> Path:
    """Write a file with one matrix."""
    return write(path, [(MATRIX, kind, (row, rows), data)])


def floats(count: int, seed: int = 1) -> bytes:
    """Random numbers as weights are, 32 bits each."""
    return np.random.default_rng(seed).normal(0, 0.02, count).astype(np.float32).tobytes()


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
