"""Whether a model will fit: arithmetic, shown, with yes, no or unknown as its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from arriero.lifecycle.facts import Shape
from arriero.lifecycle.journal import Load

Verdict: TypeAlias = Literal["yes", "no", "unknown"]

KV_BYTES = 2
"""Bytes of a number in the KV cache: f16, what Ollama takes unless OLLAMA_KV_CACHE_TYPE says
otherwise."""

OVERHEAD = 512 * 1024**2
"""Bytes for buffers of the computation and the runner itself. A guess on the safe side: what
is needed depends on the backend and the batch, and is known only after loading."""

DISK_RESERVE = 1024**3
"""Bytes of the disk that stay free: a full disk stops more than this server."""

DEFAULT_CONTEXT = 4096
"""What Ollama loads a model with where nobody names a context and there is little VRAM."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer."""

    what: str
    """``disk``, ``memory``."""
    verdict: Verdict
    arithmetic: str
    """The numbers it rests on."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of a host's resources in bytes; None is unknown."""

    disk_free: int | None = None
    ram_available: int | None = None
    vram_free: int | None = None
    """Over all GPUs; 0 without one."""


def kv_cache_bytes(shape: Shape, context: int) -> int | None:
    """Give the size of the KV cache for a context; None if the model's numbers are not known.

    Every layer keeps a key and a value for each token and each KV head. Models whose layers
    look at a window only need less, so this is an upper bound.
    """
    numbers = (shape.layers, shape.kv_heads, shape.key_length, shape.value_length)
    if not all(numbers):
        return None
    width = shape.key_length + shape.value_length
    return shape.layers * shape.kv_heads * width * context * KV_BYTES


def disk_check(download: int | None, machine: Machine) -> Check:
    """Ask whether a download fits on the disk."""
    free = machine.disk_free
    needed = "unknown" if download is None else _size(download)
    has = "unknown" if free is None else _size(free)
    told = f"needs {needed} + {_size(DISK_RESERVE)} reserve, free {has}"
    if download == 0:
        return Check("disk", "yes", "nothing to download")
    if download is None or free is None:
        return Check("disk", "unknown", told)
    missing = download + DISK_RESERVE - free
    if missing > 0:
        return Check("disk", "no", f"{told}: {_size(missing)} missing")
    return Check("disk", "yes", told)


def memory_check(
    weights: int,
    shape: Shape,
    context: int | None,
    machine: Machine,
    digest: str = "",
    loads: Sequence[Load] = (),
) -> Check:
    """Ask whether a model fits into memory with its context.

    Args:
        weights: Bytes of the files it runs; 0 is unknown.
        shape: What its KV cache depends on.
        context: Tokens; None is `DEFAULT_CONTEXT`, or less if the model has less.
        machine: What the host has.
        digest: Of the model, to find it among `loads`.
        loads: What that host has held in memory before.
    """
    limit = shape.context_length or DEFAULT_CONTEXT
    context = context or min(DEFAULT_CONTEXT, limit)
    if earlier := _earlier(digest, context, loads):
        told = f"was loaded there with {earlier.context_length} tokens: {_size(earlier.size)}"
        return Check("memory", "yes", told)
    cache = kv_cache_bytes(shape, context)
    if not weights:
        return Check("memory", "unknown", "size of the weights unknown")
    parts = f"weights {_size(weights)} + KV cache for {context} tokens "
    parts += "unknown" if cache is None else _size(cache)
    needed = weights + (cache or 0) + OVERHEAD
    told = f"{parts} + {_size(OVERHEAD)} overhead = {'at least ' if cache is None else ''}"
    told += _size(needed)
    if machine.ram_available is None:
        return Check("memory", "unknown", f"{told}; memory of the host unknown")
    vram = machine.vram_free or 0
    has = f"RAM {_size(machine.ram_available)}"
    has += f" + VRAM {_size(vram)}" if machine.vram_free is not None else ", VRAM unknown"
    free = machine.ram_available + vram
    told = f"{told}, available {has}"
    if needed > free:
        # Without a look at the GPU, what is missing may be there.
        return Check("memory", "unknown" if machine.vram_free is None else "no", told)
    return Check("memory", "unknown" if cache is None else "yes", told)


def _earlier(digest: str, context: int, loads: Sequence[Load]) -> Load | None:
    return next(
        (one for one in loads if digest and one.digest == digest and one.context_length >= context),
        None,
    )


def _size(count: int) -> str:
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} B"
