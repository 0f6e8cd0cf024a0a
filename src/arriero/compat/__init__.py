"""arriero under the name of the `ollama` package, for code that imports that.

``import arriero as ollama`` is enough for your own code. For packages that say
``import ollama`` themselves::

    from arriero import compat

    compat.install()      # before them
    import langchain_ollama

After that ``ollama``, ``ollama._client``, ``ollama._types`` and ``ollama._utils`` are
arriero's, whether the official package is installed or not.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType, TracebackType

from arriero import __version__
from arriero.compat.finder import ShimFinder, ShimLoader, official_version
from arriero.compat.names import FILL, SURFACE

__all__ = ("Active", "Installation", "LateInstallWarning", "active", "install", "uninstall")


class LateInstallWarning(RuntimeWarning):
    """Modules that were imported before `install` keep the official client."""


@dataclass(frozen=True, slots=True)
class Active:
    """Which implementation ``import ollama`` gives at the moment."""

    implementation: str
    """``arriero``, ``ollama`` or ``none``; another module's file if it is none of these."""
    surface: str | None
    """Release of the `ollama` package whose surface is there, if it is known."""
    official: str | None
    """Version of the official distribution, if it is installed."""
    metadata: bool
    """True if arriero shows a distribution ``ollama`` where the official one is absent."""
    still_official: tuple[str, ...]
    """Loaded modules that hold classes or functions of the official package."""

    @property
    def is_arriero(self) -> bool:
        """True if the shim is in force."""
        return self.implementation == "arriero"

    def __str__(self) -> str:
        by = f"arriero {__version__}" if self.is_arriero else self.implementation
        text = f"import ollama gives {by}, surface {self.surface or 'unknown'}"
        if self.still_official:
            text += f"; still with the official one: {', '.join(self.still_official)}"
        return text


class Installation:
    """The shim in force; as a context manager, until its end."""

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        uninstall()

    def __repr__(self) -> str:
        return f"<Installation: {active()}>"


_lock = threading.RLock()
_finder = ShimFinder()
_hidden: dict[str, ModuleType] = {}
"""Modules that had the names before."""
_installation = Installation()


def install(*, metadata: bool = False) -> Installation:
    """Make ``import ollama`` give arriero, in this process, from now on.

    Harmless when done already. Call it before the packages that import `ollama`: names
    they took from the official package before stay what they were, and a
    `LateInstallWarning` names them.

    Args:
        metadata: True also shows a distribution ``ollama`` to `importlib.metadata`, for
            packages that ask for its version, if the official one is not installed.

    Returns:
        A handle: leaving its ``with`` block undoes the installation.
    """
    with _lock:
        if _finder not in sys.meta_path:
            for name in [name for name in sys.modules if _is_ours_to_give(name)]:
                _hidden[name] = sys.modules.pop(name)
            sys.meta_path.insert(0, _finder)
            for name in FILL:
                importlib.import_module(name)
            try:
                _warn_of_late(_holders())
            except LateInstallWarning:  # where warnings are errors, nothing is left half done
                uninstall()
                raise
        _finder.has_metadata = _finder.has_metadata or (metadata and official_version() is None)
        importlib.invalidate_caches()
    return _installation


def uninstall() -> None:
    """Undo `install`: what had the names before has them again.

    Modules that imported arriero's names meanwhile keep them. Harmless when not installed.
    """
    with _lock:
        if _finder not in sys.meta_path:
            return
        sys.meta_path.remove(_finder)
        _finder.has_metadata = False
        for name in [name for name in sys.modules if _is_ours_to_give(name)]:
            del sys.modules[name]
        sys.modules.update(_hidden)
        _hidden.clear()
        importlib.invalidate_caches()


def active() -> Active:
    """Tell which implementation ``import ollama`` gives at the moment. Imports nothing."""
    from importlib.util import find_spec

    with _lock:
        try:
            spec = find_spec("ollama")
        except ValueError:  # a module put there by hand, without a spec
            spec = None
        official = official_version()
        if spec is None:
            module = sys.modules.get("ollama")
            name, surface = "none" if module is None else repr(module), None
        elif isinstance(spec.loader, ShimLoader):
            name, surface = "arriero", SURFACE
        elif official is not None:
            name, surface = "ollama", official
        else:
            name, surface = str(spec.origin), None
        return Active(name, surface, official, _finder.has_metadata, _holders())


def _is_ours_to_give(name: str) -> bool:
    return name == "ollama" or name.startswith("ollama.")


def _holders() -> tuple[str, ...]:
    """Name the loaded modules that hold something of the official package."""
    return tuple(
        sorted(
            name
            for name, module in list(sys.modules.items())
            if not _is_ours_to_give(name) and _holds_official(module)
        )
    )


def _holds_official(module: ModuleType) -> bool:
    for value in list(getattr(module, "__dict__", {}).values()):
        if isinstance(value, ModuleType):
            if _is_official(value):
                return True
        elif isinstance(value, type | FunctionType | MethodType):
            origin = value.__module__
            if isinstance(origin, str) and _is_ours_to_give(origin):
                return True
    return False


def _is_official(module: ModuleType) -> bool:
    spec = getattr(module, "__spec__", None)
    name = getattr(spec, "name", None)
    return (
        isinstance(name, str)
        and _is_ours_to_give(name)
        and not isinstance(getattr(spec, "loader", None), ShimLoader)
    )


def _warn_of_late(holders: tuple[str, ...]) -> None:
    if holders:
        warnings.warn(
            f"{', '.join(holders)} imported `ollama` before arriero.compat.install() and"
            " stay with the official client; call install() first",
            LateInstallWarning,
            stacklevel=3,
        )
