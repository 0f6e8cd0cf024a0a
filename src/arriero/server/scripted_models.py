"""Models that exist in name only, for an engine that plays a script.

Each has a file like any other model, but with a head and no weights, so that it can be shown,
copied, and built upon.
"""

from __future__ import annotations

import hashlib
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..names import ModelName
from .catalogue import Model

ABILITIES = ("completion", "tools", "thinking", "embedding")
"""What a scripted model can do if nobody says otherwise: everything a script can play."""

_TEMPLATE = "{{ messages }}{{ tools }}<think></think>"
"""Never rendered; names what the script can play, as templates do."""

_CONTEXT = 131_072


@dataclass(frozen=True)
class ScriptedModel(Model):
    """A model without weights.

    Attributes:
        abilities: Its capabilities, in Ollama's words.
    """

    abilities: tuple[str, ...] = ABILITIES

    @cached_property
    def capabilities(self) -> tuple[str, ...]:
        """What it was said to be able to do."""
        return self.abilities


class ScriptedModels:
    """A catalogue of models without weights. See `Catalogue`. Several threads may use it.

    A model that was removed is gone, even where every name exists, until it is added again.

    Args:
        folder: Where their files go; must exist.
        models: Names and capabilities; None lets every name exist, with all of `ABILITIES`.
        dimensions: Length of their vectors.
        is_withheld: Which names do not exist before they are added.
    """

    def __init__(
        self,
        folder: Path,
        models: Mapping[ModelName, Sequence[str]] | None,
        dimensions: int,
        is_withheld: Callable[[ModelName], bool] = lambda name: False,
    ) -> None:
        self._folder = folder
        self._is_withheld = is_withheld
        self._dimensions = dimensions
        self._open = models is None
        self._lock = threading.Lock()
        self._by_name: dict[str, Model] = {}
        self._removed: set[str] = set()
        for name, abilities in (models or {}).items():
            self._add(name, tuple(abilities))

    def find(self, name: ModelName, *, exact_case: bool = False) -> Model | None:
        """Look a name up; where every name exists, this makes it so. See `Catalogue.find`."""
        with self._lock:
            model = self._by_name.get(name.folded)
            if model is None and self._makes(name):
                return self._add(name, ABILITIES)
            return None if model is None or (exact_case and model.name != name) else model

    def models(self) -> Sequence[Model]:
        """Every model that was named so far, newest first."""
        with self._lock:
            found = list(self._by_name.values())
        return sorted(found, key=lambda model: -model.modified_at_ns)

    def add(self, name: ModelName, abilities: tuple[str, ...], *, edition: int) -> None:
        """Make a model appear, or change; another edition has another digest."""
        with self._lock:
            self._removed.discard(name.folded)
            self._add(name, abilities, edition)

    def remove(self, name: ModelName) -> bool:
        """Make a model disappear; False if it is not there. See `Catalogue`."""
        with self._lock:
            known = self._by_name.pop(name.folded, None)
            there = known is not None or self._makes(name)
            self._removed.add(name.folded)
            return there

    def _makes(self, name: ModelName) -> bool:
        return self._open and name.folded not in self._removed and not self._is_withheld(name)

    def _add(self, name: ModelName, abilities: tuple[str, ...], edition: int = 0) -> Model:
        data = _head(name.shortest, self._dimensions, edition)
        path = self._folder / f"{hashlib.sha256(data).hexdigest()}.gguf"
        path.write_bytes(data)
        model = ScriptedModel(name, path, modified_at_ns=time.time_ns(), abilities=abilities)
        self._by_name[name.folded] = model
        return model


def _head(name: str, dimensions: int, edition: int) -> bytes:
    """Write a GGUF file of metadata alone. Source: ggml, docs/gguf.md, version 3."""
    pairs: tuple[tuple[str, str | int], ...] = (
        ("general.architecture", "scripted"),
        ("general.name", name),
        ("scripted.context_length", _CONTEXT),
        ("scripted.embedding_length", dimensions),
        ("tokenizer.chat_template", _TEMPLATE),
        *((("scripted.edition", edition),) if edition else ()),
    )
    return b"".join((struct.pack("<4sIQQ", b"GGUF", 3, 0, len(pairs)), *map(_pair, pairs)))


def _pair(pair: tuple[str, str | int]) -> bytes:
    key, value = pair
    if isinstance(value, int):
        return _text(key) + struct.pack("<II", 4, value)
    return _text(key) + struct.pack("<I", 8) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data
