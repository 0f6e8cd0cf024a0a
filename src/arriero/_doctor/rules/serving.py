"""At the server: version, clock, models, memory and disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from arriero._doctor.rules.findings import Finding
from arriero._doctor.rules.seen import Disk, Models, Reply

_SINCE = (
    ((0, 5, 0), "JSON Schemas as format"),
    ((0, 9, 0), "think"),
)
"""What came with which version of Ollama."""

_SKEW_S = 30.0
"""Beyond it tokens and certificates begin to fail. Dates in headers have whole seconds."""

_LOW_BYTES = 10 * 1000**3
"""Less room than a common model of 7 to 14 billion parameters takes."""


def version_findings(version: str) -> Iterator[Finding]:
    """Tell which version runs, and what it is too old for."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    number = tuple(map(int, found.groups())) if found else None
    # A build without a version calls itself 0.0.0 and may be newer than all others.
    lacks = [] if not number or number == (0, 0, 0) else [w for v, w in _SINCE if number < v]
    if lacks:
        yield Finding(
            "version", "warning", f"Ollama {version} does not know: {', '.join(lacks)}", "update it"
        )
    else:
        yield Finding("version", "ok", f"Ollama {version}" if version else "not told")


def clock_findings(reply: Reply) -> Iterator[Finding]:
    """Tell how far the server's clock is from ours, by the ``Date`` it sent."""
    try:
        theirs_s = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return
    # The header was written some time between question and answer, and has no fractions.
    behind_s = reply.asked_s - (theirs_s + 1)
    ahead_s = theirs_s - reply.answered_s
    skew_s = max(behind_s, ahead_s)
    if skew_s < _SKEW_S:
        yield Finding("clock", "ok", "the server's clock agrees with ours")
        return
    way = "behind" if behind_s > ahead_s else "ahead of"
    yield Finding(
        "clock",
        "warning",
        f"the server's clock is {skew_s:.0f} s {way} ours: tokens and certificates may be refused",
        "let both machines keep time by NTP",
    )


def model_findings(models: Models) -> Iterator[Finding]:
    """Tell which models there are, which run elsewhere, and which are slow."""
    if models.error is not None:
        text = " ".join(str(models.error).split())
        yield Finding("models", "warning", f"cannot be listed: {text}", "see the server's log")
        return
    if not models.names:
        yield Finding(
            "models", "warning", "the server has none", "arriero models pull NAME, such as llama3.2"
        )
        return
    yield Finding("models", "ok", f"{len(models.names)}: {_some(models.names)}")
    if models.remote:
        yield Finding(
            "models",
            "note",
            f"these run on other machines, and prompts go there: {_some(models.remote)}",
            "delete them if nothing may leave the house",
        )
    for one in models.loaded:
        yield _memory(one.name, one.size, one.size_vram)


def _some(names: tuple[str, ...], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _memory(name: str, size: int, size_vram: int) -> Finding:
    if size_vram <= 0 or size_vram >= size:
        where = "on the GPU" if size_vram > 0 else "on the CPU"
        return Finding("memory", "ok", f"{name} is loaded, {where}")
    share = round((size - size_vram) * 100 / size)
    return Finding(
        "memory",
        "warning",
        f"{share}% of {name} does not fit on the GPU and runs on the CPU, which is far slower",
        "take a smaller num_ctx, a smaller quantization, or unload other models",
    )


def disk_findings(disk: Disk | None) -> Iterator[Finding]:
    """Tell how much room there is for models; nothing if they are elsewhere."""
    if disk is None:
        return
    free = f"{disk.free_bytes / 1000**3:.1f} GB"
    if disk.free_bytes < _LOW_BYTES:
        yield Finding(
            "disk",
            "warning",
            f"{free} left for models in {disk.folder}",
            "delete models, or set OLLAMA_MODELS to a larger disk where the server runs",
        )
    else:
        yield Finding("disk", "ok", f"{free} left for models in {disk.folder}")
