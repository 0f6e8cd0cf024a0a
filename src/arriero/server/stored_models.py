"""The models of a store beside those a server was given.

A model of the store hides one of the same name that the server was given; deleting it brings
that one back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ..names import ModelName
from .catalogue import Catalogue, Model
from .recipe import Stored, recipe_of, weights_of
from .store import Entry, Store, StoreError
from .store.manifests import decode_config

_log = logging.getLogger("arriero.server")


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read from one version of a manifest; None if it was no good."""

    stamp: tuple[int, ...]
    model: Model | None


class StoreCatalogue:
    """See `Catalogue`. May be used from several threads.

    Args:
        store: The store.
        given: The models that are always there.
    """

    def __init__(self, store: Store, given: Catalogue) -> None:
        self._store = store
        self._given = given
        self._known: dict[ModelName, _Known] = {}

    def find(self, name: ModelName, *, exact_case: bool = False) -> Model | None:
        """Look a name up. See `Catalogue.find`."""
        entry = self._store.entry(name)
        model = None if entry is None else self._model(entry)
        if model is None:
            return self._given.find(name, exact_case=exact_case)
        return None if exact_case and model.name != name else model

    def models(self) -> Sequence[Model]:
        """Every model, newest first. Manifests that are no good are left out."""
        entries = self._store.entries()
        found = [model for model in map(self._model, entries) if model is not None]
        hidden = {model.name.folded for model in found}
        found.extend(one for one in self._given.models() if one.name.folded not in hidden)
        self._forget({entry.name for entry in entries})
        return sorted(found, key=lambda model: -model.modified_at_ns)

    def given(self, name: ModelName) -> Model | None:
        """The model the server was given under a name, whatever is in the store."""
        return self._given.find(name)

    def remove(self, name: ModelName) -> bool:
        """Forget a model: of the store, or else one the server was given that may go.

        See `Catalogue.remove`.

        Raises:
            StoreError: the store cannot be written.
        """
        return self._store.delete(name) or self._given.remove(name)

    def _model(self, entry: Entry) -> Model | None:
        known = self._known.get(entry.name)
        if known is None or known.stamp != entry.stamp:
            known = _Known(entry.stamp, self._read(entry))
            self._known[entry.name] = known
        return known.model

    def _read(self, entry: Entry) -> Model | None:
        try:
            manifest, digest = self._store.read(entry)
            config = decode_config(self._store.read_blob(manifest.config.digest))
            stored = Stored(self._store, manifest, digest, config)
            path = weights_of(entry.name, stored)
            recipe = recipe_of(stored)
        except StoreError as error:
            _log.warning("model %s is left out: %s", entry.name.shortest, error)
            return None
        return Model(
            entry.name,
            path,
            modified_at_ns=entry.modified_at_ns,
            recipe=recipe,
            stored=stored,
        )

    def _forget(self, names: set[ModelName]) -> None:
        for name in set(self._known) - names:
            self._known.pop(name, None)
