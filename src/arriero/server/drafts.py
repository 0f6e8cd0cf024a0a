"""A model that takes shape, and why it may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..names import ModelName
from .store import Layer, Store, layer_of

Emit: TypeAlias = Callable[[str], object]
"""Takes the status of a progress record."""


class CreateFailed(Exception):
    """The model cannot be made.

    Attributes:
        status: HTTP status, if nothing has been sent yet.
        text: What to tell the caller.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


class BaseMissing(CreateFailed):
    """The model to be made from is not here; nothing has been told or done yet.

    Attributes:
        name: That model.
    """

    def __init__(self, name: ModelName) -> None:
        super().__init__(500, f"model '{name.shortest}' not found")
        self.name = name


@dataclass(slots=True)
class Draft:
    """A model that takes shape.

    Attributes:
        layers: Its layers so far.
        config: Its config so far.
        new: Digests that were not in the store before.
    """

    layers: list[Layer] = field(default_factory=list[Layer])
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    new: set[str] = field(default_factory=set[str])

    def drop(self, media_type: str) -> None:
        """Leave out the layers of a kind."""
        self.layers = [layer for layer in self.layers if layer.media_type != media_type]

    def add(self, store: Store, media_type: str, data: bytes) -> None:
        """Keep some bytes as a layer. Raises `StoreError`."""
        layer, is_new = layer_of(store, media_type, data)
        self.layers.append(layer)
        if is_new:
            self.new.add(layer.digest)
