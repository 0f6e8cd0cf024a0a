"""Lets Python's import system and `importlib.metadata` find the shim."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from arriero import __version__
from arriero.compat.names import FILL, SURFACE

_HERE = Path(__file__).with_name("names.py")


class ShimLoader(Loader):
    """Makes the shim's modules."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to Python."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put the names in."""
        module.__doc__ = f"`{module.__name__}` {SURFACE}, provided by arriero {__version__}."
        FILL[module.__name__](module)


class ShimFinder(MetaPathFinder):
    """Finds the shim's modules before anybody else does, and its metadata if asked to.

    Attributes:
        has_metadata: True shows a distribution named ``ollama``.
    """

    def __init__(self) -> None:
        self.has_metadata = False
        self._loader = ShimLoader()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of the four modules."""
        if fullname not in FILL:
            return None
        is_package = fullname == "ollama"
        spec = ModuleSpec(fullname, self._loader, origin=str(_HERE), is_package=is_package)
        spec.has_location = True
        return spec

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterable[Distribution]:
        """Find the distribution ``ollama``, if it is to be shown."""
        name = None if context is None else context.name
        if self.has_metadata and (name is None or name.lower() == "ollama"):
            yield ShimDistribution()


class ShimDistribution(Distribution):
    """A distribution ``ollama`` for code that asks whether one is installed."""

    def read_text(self, filename: str) -> str | None:
        """Give the metadata; there are no other files."""
        if filename != "METADATA":
            return None
        return (
            f"Metadata-Version: 2.1\nName: ollama\nVersion: {SURFACE}\n"
            f"Summary: Provided by arriero {__version__}\n"
        )

    def locate_file(self, path: str | PathLike[str]) -> Any:
        """Give where a file would be: none is."""
        return _HERE.parent / path


def official_version() -> str | None:
    """Give the version of the official distribution; None if it is not installed."""
    for found in importlib.metadata.distributions(name="ollama"):
        if not isinstance(found, ShimDistribution):
            return found.version
    return None
