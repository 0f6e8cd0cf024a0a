"""Models a scripted server can pull, and what it does when it is told to."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from arriero.names import ModelName
from arriero.server.catalogue import Catalogue
from arriero.server.registry.messages import TransferFailed
from arriero.server.scripted_models import ScriptedModels
from arriero.server.transfers import Tell, Wish, layer_record


@dataclass(frozen=True, slots=True)
class Offer:
    """A model a registry would have.

    Attributes:
        abilities: What it can do, in Ollama's words.
        size_bytes: Its size, in progress records.
        pull_s: Seconds a pull takes.
        steps: Progress records of a pull.
        edition: Differs from one version of the model to the next, and so do their digests.
    """

    abilities: Sequence[str]
    size_bytes: int
    pull_s: float
    steps: int
    edition: int = 0

    def digest(self, name: ModelName) -> str:
        """Digest of its one layer."""
        text = f"{name.folded} {self.edition} {self.size_bytes}"
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Offers:
    """All models that can be pulled. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, Offer] = {}
        self._editions = 0

    def add(self, name: ModelName, offer: Offer) -> None:
        """Offer a model, or a new version of one."""
        with self._lock:
            self._editions += 1
            self._by_name[name.folded] = replace(offer, edition=self._editions)

    def find(self, name: ModelName) -> Offer | None:
        """The newest version of a model, or None."""
        with self._lock:
            return self._by_name.get(name.folded)

    def has(self, name: ModelName) -> bool:
        """Whether a model is on offer."""
        return self.find(name) is not None

    def clear(self) -> None:
        """Offer nothing any more."""
        with self._lock:
            self._by_name.clear()


class ScriptedTransfers:
    """See `arriero.server.transfers.Transfers`; no registry is ever asked.

    Args:
        models: Where pulled models appear.
        there: Where every model is found, those that were created too.
        offers: What can be pulled.
    """

    def __init__(self, models: ScriptedModels, there: Catalogue, offers: Offers) -> None:
        self._models = models
        self._there = there
        self._offers = offers

    async def pull(self, wish: Wish, tell: Tell) -> None:
        """Let a model that is on offer appear; one that is there already stays."""
        name = wish.name
        await tell({"status": "pulling manifest"})
        offer = self._offers.find(name)
        if offer is None:
            await self._tell_of_present("pulling", name, tell, "pull model manifest: ")
        else:
            digest, size = offer.digest(name), offer.size_bytes
            for step in range(offer.steps + 1):
                await tell(layer_record("pulling", digest, size, size * step // offer.steps))
                if step < offer.steps:
                    await asyncio.sleep(offer.pull_s / offer.steps)
        await tell({"status": "verifying sha256 digest"})
        await tell({"status": "writing manifest"})
        if offer is not None:
            self._models.add(name, tuple(offer.abilities), edition=offer.edition)

    async def push(self, wish: Wish, tell: Tell) -> None:
        """Take a model that is there."""
        await tell({"status": "retrieving manifest"})
        await self._tell_of_present("pushing", wish.name, tell, "")
        await tell({"status": "pushing manifest"})

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _tell_of_present(self, verb: str, name: ModelName, tell: Tell, where: str) -> None:
        model = self._there.find(name)
        if model is None:
            raise TransferFailed(f"{where}file does not exist")
        size = model.size_bytes
        await tell(layer_record(verb, f"sha256:{model.weights_digest}", size, size))
