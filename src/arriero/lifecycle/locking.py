"""Make the lock: find out which versions there are now, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from arriero._core import registry
from arriero._core.api import models as calls
from arriero._core.api import service
from arriero._core.effects import HashFile, Operation
from arriero._core.progress import Target
from arriero._core.registry import Manifest, checked_name
from arriero.errors import ArrieroError, RequestError
from arriero.lifecycle.facts import Facts, facts_of, text_digest
from arriero.lifecycle.licences import identifiers
from arriero.lifecycle.lockfile import LockedLayer, LockedModel
from arriero.lifecycle.plan import expected_of
from arriero.lifecycle.survey import listed
from arriero.lifecycle.wanted import Wanted, WantedModel
from arriero.lifecycle.work import Ask, Stopped, Work, asked
from arriero.names import ModelName

_TEXTS = ("template", "system", "params", "license")


@dataclass(frozen=True, slots=True)
class _Found:
    """What could be learnt of a model that is pulled."""

    digest: str
    manifest: Manifest | None
    facts: Facts
    licences: tuple[str, ...]


def locked(
    wanted: Wanted,
    model: WantedModel,
    known: Mapping[str, LockedModel],
    *,
    newest: bool = False,
) -> Work[LockedModel]:
    """Lock one model: at what one host has, or else the registry.

    Args:
        wanted: All that is wanted, for the paths of files.
        model: The one to lock.
        known: Those locked before, bases among them.
        newest: Whether what the registry has now is wanted, whatever the host has.

    Raises:
        RequestError: a version that is wanted is nowhere, or a file cannot be read.
        ArrieroError: the host does not have it, and the registry answered with this, or not at all.
    """
    version = yield from asked(service.version())
    if not model.is_made:
        made = yield from _pulled(model, newest=newest)
        return _of_pulled(model, made, version.version or "")
    digests: dict[str, str] = {}
    for name in (*model.files, *model.adapters):
        digests[name] = yield Ask(partial(_hashed, path=str(wanted.path_of(name))))
    base = yield from _base_of(model, wanted, known, newest=newest)
    pinned = msgspec.structs.replace(
        base, wanted=model.fingerprint, files=digests, server=version.version or ""
    )
    licences = base.licences
    if model.license is not None:
        extra = identifiers([model.license])
        licences = tuple(dict.fromkeys([*(one for one in licences if one != "NONE"), *extra]))
    expected = msgspec.structs.replace(expected_of(model, pinned), shape=base.facts.shape)
    return msgspec.structs.replace(pinned, licences=licences, facts=expected)


def _hashed(target: Target, path: str) -> Operation[str]:
    try:
        digest, _ = yield HashFile(path)
    except OSError as cause:
        raise RequestError(f"{path} cannot be read: {cause.strerror}") from cause
    return str(digest)


def _of_pulled(model: WantedModel, made: _Found, version: str) -> LockedModel:
    layers = () if made.manifest is None else made.manifest.layers
    return LockedModel(
        wanted=model.fingerprint,
        digest=made.digest,
        size=sum(layer.size for layer in layers),
        layers=tuple(LockedLayer(one.kind, one.digest, one.size) for one in layers),
        facts=made.facts,
        licences=made.licences,
        server=version,
    )


def _base_of(
    model: WantedModel, wanted: Wanted, known: Mapping[str, LockedModel], *, newest: bool
) -> Work[LockedModel]:
    if model.from_ is None:
        return LockedModel("", licences=identifiers(()))
    base = known.get(model.from_)
    if base is None or model.from_ not in wanted.models:
        entry = WantedModel(name=model.from_)
        base = _of_pulled(entry, (yield from _pulled(entry, newest=newest)), "")
    return LockedModel(
        "",
        base=model.from_,
        base_digest=base.digest,
        facts=base.facts,
        licences=base.licences,
    )


def _pulled(model: WantedModel, *, newest: bool) -> Work[_Found]:
    parts = checked_name(model.pull_name, "lock")
    state = yield from listed()
    wanted = model.digest or ""
    if not wanted and not newest:
        # What has another source may be served already, from the source it had before.
        wanted = state.digest_of(model.pull_name)
    there = state.with_digest(wanted) if wanted else None
    if there is not None:
        return (yield from _from_host(there, wanted, None))
    try:
        manifest = yield from asked(registry.manifest(parts, insecure=model.insecure))
    except Stopped:
        raise
    except ArrieroError as error:
        error.add_note(
            f"{model.name} cannot be locked: the registry says this, and the host does not have"
            f" {model.pull_name}; pull it there once, or mend the name"
        )
        raise
    if wanted and manifest.digest != wanted:
        raise RequestError(
            f"{model.name} cannot be locked at {wanted}: the registry now has {manifest.digest},"
            " and the host does not have it either"
        )
    there = state.with_digest(manifest.digest)
    if there is not None:
        return (yield from _from_host(there, manifest.digest, manifest))
    return (yield from _from_registry(parts, manifest, model.insecure))


def _from_host(name: str, digest: str, manifest: Manifest | None) -> Work[_Found]:
    shown = yield from asked(calls.show(name))
    return _Found(digest, manifest, facts_of(shown), identifiers([shown.license or ""]))


def _from_registry(parts: ModelName, manifest: Manifest, insecure: bool) -> Work[_Found]:
    """Read the small layers, so that a licence is known before the weights are pulled."""
    texts: dict[str, list[str]] = {kind: [] for kind in _TEXTS}
    is_whole = True
    for kind in _TEXTS:
        for layer in manifest.of_kind(kind):
            try:
                text = yield from asked(registry.text(parts, layer, insecure=insecure))
            except Stopped:
                raise
            except ArrieroError:  # a registry may want credentials for its blobs
                is_whole = False
            else:
                texts[kind].append(text)
    weights = (*manifest.of_kind("model"), *manifest.of_kind("projector"))
    facts = Facts(
        weights=tuple(layer.digest for layer in weights),
        adapters=tuple(layer.digest for layer in manifest.of_kind("adapter")),
        parameters=_parameters(texts["params"]),
        # Whether its server will show this template or that of the weights is not known yet.
        system=text_digest("\n".join(texts["system"])),
    )
    licences = identifiers(texts["license"]) if is_whole else ()
    return _Found(manifest.digest, manifest, facts, licences)


def _parameters(texts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        try:
            found.update(msgspec.json.decode(text, type=dict[str, Any]))
        except msgspec.DecodeError:
            continue
    return found
