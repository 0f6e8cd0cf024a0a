"""The process that converts a model: reads one file, writes the other to standard output.

Run by `process.quantized`. It uses what the library of llama.cpp exports; the quantiser as a
whole is not among that.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..gguf import TYPE_NUMBERS, NotGguf, Tensor, read_gguf, rewritten_head
from .mixes import CannotQuantize, Mix, types_of

_NUMBERS_AT_ONCE = 1024 * 1024
"""For one thread; as floats they take 4 MiB."""

_COPIED_BYTES = 4 * 1024 * 1024

_FILE_TYPES = {"F32": 0, "F16": 1, "Q8_0": 7, "Q4_K_S": 14, "Q4_K_M": 15, "BF16": 32}
"""llama.h, enum llama_ftype."""

_QUANTIZATION_VERSION = 2
"""ggml.h, GGML_QNT_VERSION."""


class Broken(Exception):
    """The model cannot be converted; the message says why."""


def main() -> None:
    """Convert the file of the first argument to the type of the second."""
    path, wanted = sys.argv[1:3]
    with os.fdopen(os.dup(1), "wb") as target:
        # Whatever llama.cpp prints must not stand between the tensors.
        os.dup2(2, 1)
        try:
            _convert(Path(path), cast("Mix", wanted), target)
        except BrokenPipeError:
            os._exit(1)
        except (Broken, CannotQuantize, NotGguf, OSError) as error:
            sys.exit(str(error))


def _convert(path: Path, wanted: Mix, target: BinaryIO) -> None:
    head, ggml = read_gguf(path), _Ggml()
    types = types_of(head, wanted)
    by_name = {tensor.name: tensor for tensor in head.tensors}
    tensors = [by_name[name] for name in types]
    sizes = [ggml.size(types[tensor.name], tensor.shape) for tensor in tensors]
    changes = {
        "general.quantization_version": _QUANTIZATION_VERSION,
        "general.file_type": _FILE_TYPES[wanted],
    }
    made = [replace(tensor, type=types[tensor.name]) for tensor in tensors]
    target.write(rewritten_head(path, changes, made, sizes))
    with path.open("rb") as file, ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for tensor, size in zip(tensors, sizes, strict=True):
            file.seek(head.data_offset + tensor.offset)
            if types[tensor.name] == tensor.type:
                pieces = _copied(file, size)
            else:
                pieces = _converted(file, tensor, types[tensor.name], ggml, threads)
            written = sum(target.write(piece) for piece in pieces)
            if written != size:
                raise Broken(f"{tensor.name}: {written} bytes where {size} were due")
            target.write(bytes(-size % head.alignment))


def _copied(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (piece := file.read(min(size, _COPIED_BYTES))):
        yield piece
        size -= len(piece)


def _converted(
    file: BinaryIO, tensor: Tensor, wanted: str, ggml: _Ggml, threads: ThreadPoolExecutor
) -> Iterator[bytes]:
    """Convert some rows on each thread; never hold more than that."""
    row, rows = tensor.shape[0], prod(tensor.shape[1:])
    at_once = max(1, _NUMBERS_AT_ONCE // row)
    row_bytes = ggml.size(tensor.type, (row,))
    waiting: deque[Future[bytes]] = deque()
    for start in range(0, rows, at_once):
        count = min(at_once, rows - start)
        data = file.read(count * row_bytes)
        if len(data) != count * row_bytes:
            raise Broken(f"{tensor.name}: the file ends too early")
        waiting.append(threads.submit(ggml.converted, data, tensor, wanted, count))
        if len(waiting) > (os.cpu_count() or 1):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _Ggml:
    """The functions of the library that convert rows."""

    def __init__(self) -> None:
        found = find_spec("xllamacpp.xllamacpp")
        if found is None or found.origin is None:
            raise Broken("quantizing needs llama.cpp: pip install 'arriero[server]'")
        library = ctypes.CDLL(found.origin)
        try:
            self._quantize: Any = library.ggml_quantize_chunk
            self._row_size: Any = library.ggml_row_size
            self._is_valid: Any = library.ggml_validate_row_data
            self._to_floats: dict[str, Any] = {
                "F16": library.ggml_fp16_to_fp32_row,
                "BF16": library.ggml_bf16_to_fp32_row,
            }
        except AttributeError as cause:
            raise Broken(f"this version of xllamacpp cannot quantize: {cause}") from cause
        number, pointer = ctypes.c_int64, ctypes.c_void_p
        self._quantize.restype = self._row_size.restype = ctypes.c_size_t
        self._quantize.argtypes = (ctypes.c_int, pointer, pointer, number, number, number, pointer)
        self._row_size.argtypes = (ctypes.c_int, number)
        self._is_valid.restype = ctypes.c_bool
        self._is_valid.argtypes = (ctypes.c_int, pointer, ctypes.c_size_t)
        for function in self._to_floats.values():
            function.restype, function.argtypes = None, (pointer, pointer, number)

    def size(self, kind: str, shape: Sequence[int]) -> int:
        """Bytes of a tensor."""
        return int(self._row_size(TYPE_NUMBERS[kind], shape[0])) * prod(shape[1:])

    def converted(self, data: bytes, tensor: Tensor, wanted: str, rows: int) -> bytes:
        """Convert whole rows. Raises `Broken` for numbers that are none."""
        row = tensor.shape[0]
        floats: Any = data
        if tensor.type != "F32":
            floats = (ctypes.c_float * (row * rows))()
            self._to_floats[tensor.type](data, floats, row * rows)
        made = ctypes.create_string_buffer(self.size(wanted, (row, rows)))
        kind = TYPE_NUMBERS[wanted]
        self._quantize(kind, floats, made, 0, rows, row, None)
        if not self._is_valid(kind, made, len(made)):
            raise Broken(f"{tensor.name}: not all of its numbers are finite")
        return made.raw
