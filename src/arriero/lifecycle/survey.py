"""What is on a host now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from arriero._core.api import models as calls
from arriero._core.api import service
from arriero._core.registry import checked_name
from arriero.errors import ModelNotFound, RequestError
from arriero.lifecycle.lockfile import Lock
from arriero.lifecycle.wanted import WantedModel
from arriero.lifecycle.work import Work, asked
from arriero.types.models import ListResponse, ShowResponse

KEPT, STAGED = "arriero-kept", "arriero-staged"
"""Namespaces of models that were replaced, and of those that are not proven yet."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model on a host."""

    name: str
    """Shortest name, tag included."""
    digest: str
    """``sha256:`` and 64 hex digits."""
    size: int
    """Bytes; what it shares with others counts for each."""
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HostState:
    """Everything a plan for one host rests on."""

    host: str
    version: str = ""
    entries: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    """By `folded` name."""
    shown: Mapping[str, ShowResponse] = field(default_factory=dict[str, ShowResponse])
    """What is told of made models, by name."""
    missing_bytes: Mapping[str, int] = field(default_factory=dict[str, int])
    """What a pull would bring, by name, where the layers are known."""

    def digest_of(self, name: str) -> str:
        """Give the digest of a model; "" if it is not there."""
        entry = self.entries.get(folded(name))
        return entry.digest if entry is not None else ""

    def with_digest(self, digest: str) -> str | None:
        """Give a name under which a digest is there; None if it is not."""
        staged = f"{STAGED}/"
        return next(
            (
                one.name
                for one in self.entries.values()
                if one.digest == digest and not one.name.startswith(staged)
            ),
            None,
        )


def folded(name: str) -> str:
    """Give what is equal for two spellings of a name."""
    return checked_name(name, "name").folded


def entries_of(listed: ListResponse) -> dict[str, Entry]:
    """Read a list; names this version cannot read are left out."""
    found: dict[str, Entry] = {}
    for model in listed.models:
        try:
            name = checked_name(model.model or model.name, "list")
        except RequestError:
            continue
        digest = f"sha256:{model.digest}" if model.digest else ""
        found[name.folded] = Entry(name.shortest, digest, int(model.size or 0), model.modified_at)
    return found


def listed() -> Work[HostState]:
    """Look at names and digests alone."""
    made = yield from asked(calls.list_models())
    return HostState("", entries=entries_of(made))


def surveyed(host: str, wanted: Iterable[WantedModel], lock: Lock) -> Work[HostState]:
    """Look at all a plan needs to know."""
    version = yield from asked(service.version())
    entries = (yield from listed()).entries
    shown: dict[str, ShowResponse] = {}
    missing: dict[str, int] = {}
    for model in wanted:
        locked = lock.models.get(model.name)
        if model.is_made:
            if folded(model.name) in entries:
                try:
                    shown[model.name] = yield from asked(calls.show(model.name))
                except ModelNotFound:  # gone since the list
                    continue
        elif locked is not None and locked.layers:
            entry = entries.get(folded(model.name))
            if entry is None or entry.digest != locked.digest:
                missing[model.name] = yield from _missing(
                    [(layer.digest, layer.size) for layer in locked.layers]
                )
    return HostState(host, version.version or "", entries, shown, missing)


def _missing(layers: Iterable[tuple[str, int]]) -> Work[int]:
    total = 0
    for digest, size in layers:
        if not (yield from asked(calls.blob_exists(digest))):
            total += size
    return total
