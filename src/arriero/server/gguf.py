"""Read and write the head of a GGUF file: metadata and tensor shapes, never the weights.

Source: ggml, docs/gguf.md, version 3 (2 is laid out the same way).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"GGUF"
_UINT32, _STRING, _ARRAY = 4, 8, 9
_SCALAR = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}

_ALIGNMENT = 32
"""Of the tensors, where the file names no other."""

_PIECE_BYTES = 1024 * 1024

_MAX_TEXT_BYTES = 64 * 1024 * 1024
"""No key, token or template is longer; a larger length means a damaged file."""

_TENSOR_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
    10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS",
    17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
    23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16",
    34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
"""ggml.h, enum ggml_type."""

TYPE_NUMBERS = {name: number for number, name in _TENSOR_TYPES.items()}
"""The same, the other way round."""

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
"""llama.h, enum llama_ftype."""


class NotGguf(ValueError):
    """The file is no GGUF file, or its head is damaged."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor.

    Attributes:
        name: Its name.
        type: Name of its type.
        shape: In the order of the file, the fastest dimension first.
        offset: Where it begins, in bytes after `Gguf.data_offset`.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Gguf:
    """The head of a file.

    Attributes:
        metadata: Keys and values.
        tensors: In the order of the file.
        data_offset: Where the first tensor begins, in bytes.
    """

    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]
    data_offset: int = 0

    @property
    def alignment(self) -> int:
        """Tensors begin at multiples of so many bytes."""
        return int(self.metadata.get("general.alignment", _ALIGNMENT))

    @property
    def architecture(self) -> str:
        """Family of the model, such as ``llama``; "unknown" if the file does not say."""
        return str(self.metadata.get("general.architecture", "unknown"))

    @property
    def parameter_count(self) -> int:
        """Numbers in all tensors."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def quantization(self) -> str:
        """Name of the file type, such as ``Q8_0``; "unknown" if the file does not say."""
        return _FILE_TYPES.get(self.metadata.get("general.file_type", -1), "unknown")

    @property
    def chat_template(self) -> str:
        """The Jinja template in the file, or ""."""
        return str(self.metadata.get("tokenizer.chat_template", ""))

    def of_architecture(self, key: str) -> Any:
        """Value of ``<architecture>.<key>``, or None."""
        return self.metadata.get(f"{self.architecture}.{key}")


def read_gguf(path: Path) -> Gguf:
    """Read the head of a file.

    Raises:
        NotGguf: it is no GGUF file, or damaged.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except (struct.error, KeyError, UnicodeDecodeError, OverflowError, MemoryError) as cause:
        raise NotGguf(f"{path.name}: damaged GGUF head: {cause}") from cause


def write_variant(
    source: Path, changes: Mapping[str, str | int | None], write: Callable[[bytes], object]
) -> None:
    """Write a file anew with other values for some keys; the tensors stay as they are.

    Args:
        source: The file.
        changes: Keys and values, whole numbers below 2**32 or texts; new keys are added, and
            None leaves a key out.
        write: Takes the new file piece by piece.

    Raises:
        NotGguf: it is no GGUF file, or damaged.
        OSError: it cannot be read.
    """
    try:
        with source.open("rb") as file:
            _write_variant(file, changes, write)
    except (struct.error, KeyError, OverflowError, MemoryError) as cause:
        raise NotGguf(f"{source.name}: damaged GGUF head: {cause}") from cause


def rewritten_head(
    source: Path,
    changes: Mapping[str, str | int | None],
    tensors: Sequence[Tensor],
    sizes: Sequence[int],
) -> bytes:
    """Give the head of a file with other values and other tensors, up to where they begin.

    Args:
        source: The file.
        changes: As for `write_variant`.
        tensors: Those of the new head; their offsets follow from the sizes.
        sizes: What each takes, in bytes; between them is room up to the alignment.

    Raises:
        NotGguf: it is no GGUF file, or damaged.
        OSError: it cannot be read.
    """
    try:
        with source.open("rb") as file:
            version, _, alignment, pairs = _pairs(file, changes)
    except (struct.error, KeyError, OverflowError, MemoryError) as cause:
        raise NotGguf(f"{source.name}: damaged GGUF head: {cause}") from cause
    infos: list[bytes] = []
    offset = 0
    for tensor, size in zip(tensors, sizes, strict=True):
        shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        place = struct.pack("<IQ", TYPE_NUMBERS[tensor.type], offset)
        infos.append(_counted(tensor.name) + shape + place)
        offset += size + -size % alignment
    counts = struct.pack("<IQQ", version, len(infos), len(pairs))
    head = b"".join((_MAGIC, counts, *pairs, *infos))
    return head + bytes(-len(head) % alignment)


def _write_variant(
    file: BinaryIO, changes: Mapping[str, str | int | None], write: Callable[[bytes], object]
) -> None:
    version, tensor_count, alignment, pairs = _pairs(file, changes)
    begin = file.tell()
    for _ in range(tensor_count):
        _tensor(file)
    end = file.tell()
    file.seek(begin)
    counts = struct.pack("<IQQ", version, tensor_count, len(pairs))
    head = b"".join((_MAGIC, counts, *pairs, file.read(end - begin)))
    write(head + bytes(-len(head) % alignment))
    file.seek(end + -end % alignment)
    while piece := file.read(_PIECE_BYTES):
        write(piece)


def _pairs(
    file: BinaryIO, changes: Mapping[str, str | int | None]
) -> tuple[int, int, int, list[bytes]]:
    """Read up to the tensors: version, their number, alignment, and the pairs as they shall be."""
    version, tensor_count, key_count = _counts(file)
    alignment = _ALIGNMENT
    pairs: list[bytes] = []
    for _ in range(key_count):
        begin = file.tell()
        key = _text(file)
        value = _value(file, _scalar(file, "I"))
        alignment = value if key == "general.alignment" else alignment
        end = file.tell()
        if key not in changes:
            file.seek(begin)
            pairs.append(file.read(end - begin))
    pairs.extend(_pair(key, value) for key, value in changes.items() if value is not None)
    return version, tensor_count, alignment, pairs


def _pair(key: str, value: str | int) -> bytes:
    name = _counted(key)
    if isinstance(value, str):
        return name + struct.pack("<I", _STRING) + _counted(value)
    return name + struct.pack("<II", _UINT32, value)


def _counted(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _counts(file: BinaryIO) -> tuple[int, int, int]:
    """Read what comes first: version, number of tensors, number of keys."""
    if file.read(4) != _MAGIC:
        raise NotGguf("not a GGUF file: the first four bytes are not 'GGUF'")
    version = _scalar(file, "I")
    if version not in (2, 3):
        raise NotGguf(f"GGUF version {version} is not supported, only 2 and 3")
    return version, _scalar(file, "Q"), _scalar(file, "Q")


def _read(file: BinaryIO) -> Gguf:
    _version, tensor_count, key_count = _counts(file)
    metadata: dict[str, Any] = {}
    for _ in range(key_count):
        key = _text(file)
        metadata[key] = _value(file, _scalar(file, "I"))
    tensors = tuple(_tensor(file) for _ in range(tensor_count))
    head = Gguf(metadata, tensors)
    return replace(head, data_offset=file.tell() + -file.tell() % head.alignment)


def _tensor(file: BinaryIO) -> Tensor:
    name = _text(file)
    shape = tuple(_scalar(file, "Q") for _ in range(_scalar(file, "I")))
    kind, offset = _scalar(file, "I"), _scalar(file, "Q")
    return Tensor(name, _TENSOR_TYPES.get(kind, f"type{kind}"), shape, offset)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        return _scalar(file, _SCALAR[kind])
    item, count = _scalar(file, "I"), _scalar(file, "Q")
    if item == _STRING:
        return [_text(file) for _ in range(count)]
    code = _SCALAR[item]
    size = struct.calcsize(code)
    return list(struct.unpack(f"<{count}{code}", _exactly(file, size * count)))


def _text(file: BinaryIO) -> str:
    # Ollama replaces broken text too; a damaged token must not hide the whole model.
    return _exactly(file, _scalar(file, "Q")).decode("utf-8", "replace")


def _scalar(file: BinaryIO, code: str) -> Any:
    return struct.unpack(f"<{code}", _exactly(file, struct.calcsize(code)))[0]


def _exactly(file: BinaryIO, count: int) -> bytes:
    if count > _MAX_TEXT_BYTES:
        raise NotGguf(f"damaged GGUF head: a value of {count} bytes")
    data = file.read(count)
    if len(data) != count:
        raise NotGguf("damaged GGUF head: the file ends too early")
    return data
