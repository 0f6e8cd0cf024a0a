"""What this machine has free: disk, memory, memory of its GPUs."""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from arriero.lifecycle.preflight import Machine

_STORES = ("~/.ollama/models", "/usr/share/ollama/.ollama/models", "/var/lib/ollama/models")
"""Where Ollama keeps models: its own default, and those of its installer and of packages."""


def is_local(host: str) -> bool:
    """Tell whether a host is this machine, as far as its name says."""
    name = urlsplit(host).hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def look(host: str, environ: Mapping[str, str] | None = None) -> Machine:
    """Look what a host has free; all is unknown of one that is not this machine.

    Memory needs the extra ``preflight``; without it, it is unknown.
    """
    if not is_local(host):
        return Machine()
    environ = os.environ if environ is None else environ
    return Machine(_disk_free(environ), _ram_available(), _vram_free())


def blobs_of(host: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """Give the folder of this machine that has a host's files; None if there is none.

    It is looked for where `OLLAMA_MODELS` says, else where Ollama keeps models by itself.
    """
    if not is_local(host):
        return None
    environ = os.environ if environ is None else environ
    for store in _stores(environ):
        with suppress(OSError):
            if (store / "blobs").is_dir():
                return store / "blobs"
    return None


def _stores(environ: Mapping[str, str]) -> list[Path]:
    given = environ.get("OLLAMA_MODELS")
    found: list[Path] = []
    for text in (given,) if given else _STORES:
        with suppress(RuntimeError):  # no home
            found.append(Path(text).expanduser())
    return found


def _disk_free(environ: Mapping[str, str]) -> int | None:
    for path in _stores(environ):
        with suppress(OSError):  # no folder, no permission
            if environ.get("OLLAMA_MODELS"):
                path = next(one for one in (path, *path.parents) if one.exists())
            return shutil.disk_usage(path).free
    return None


def _ram_available() -> int | None:
    try:
        import psutil  # type: ignore[import-untyped,unused-ignore]  # brings no types
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def _vram_free() -> int | None:
    """Ask NVIDIA's driver; None if it cannot be asked, 0 if it says that there is no GPU."""
    try:
        import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return None
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(n) for n in range(nvml.nvmlDeviceGetCount())]
        return sum(int(nvml.nvmlDeviceGetMemoryInfo(handle).free) for handle in handles)
    except nvml.NVMLError:
        return None
    finally:
        with suppress(nvml.NVMLError):  # it has answered, or not, and that stands
            nvml.nvmlShutdown()
