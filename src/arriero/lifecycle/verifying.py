"""Check what a host has against the lock, as far as it can be known, and say how far that is.

Over the protocol a file can only be asked for by its digest: a server says that it is there,
and not that its content is still whole. Whoever sits on the same machine can read it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from arriero._core.api import ensure, models
from arriero._core.effects import HashFile, Operation
from arriero._core.progress import Target
from arriero.errors import VerificationFailed
from arriero.lifecycle.facts import Facts, differences, facts_of
from arriero.lifecycle.licences import identifiers
from arriero.lifecycle.lockfile import Lock, LockedModel
from arriero.lifecycle.machine import is_local
from arriero.lifecycle.plan import Step, steps_for
from arriero.lifecycle.survey import surveyed
from arriero.lifecycle.wanted import Wanted
from arriero.lifecycle.work import Ask, Work, asked
from arriero.types.models import ShowResponse


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one model on one host."""

    host: str
    model: str
    check: str = ""
    """What failed: ``missing``, ``digest``, ``recipe``, ``layers``, ``content``, ``show``,
    ``parameters``, ``system``, ``template``, ``licence``, ``smoke``; "" if nothing did."""
    reason: str = ""
    checked: tuple[str, ...] = ()
    """What was looked at and found as it is locked, in words."""
    unchecked: tuple[str, ...] = ()
    """What was not looked at, and why."""

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return not self.check


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep to look."""

    smoke: bool = True
    """Whether smoke tests are asked."""
    content: bool = False
    """Whether files are read, where this machine has them."""
    blobs: Path | None = None
    """Folder of this machine that has the host's files; None if it has not."""


class _Notes:
    """What was looked at so far."""

    def __init__(self) -> None:
        self.checked: list[str] = []
        self.unchecked: list[str] = []

    def on(self, finding: Finding) -> Finding:
        """Add them to a finding."""
        return dataclasses.replace(
            finding, checked=tuple(self.checked), unchecked=tuple(self.unchecked)
        )


def verified(wanted: Wanted, lock: Lock, host: str, depth: Depth) -> Work[list[Finding]]:
    """Check every model that belongs on a host; nothing is changed."""
    state = yield from surveyed(host, wanted.on(host), lock)
    findings: list[Finding] = []
    for step in steps_for(wanted, lock, state):
        finding = _of_step(step)
        if finding.ok:
            finding = yield from _looked_into(step, state.version, depth)
        findings.append(finding)
    return findings


def _of_step(step: Step) -> Finding:
    if not step.before:
        return Finding(step.host, step.model, "missing", "it is not there")
    if step.action == "keep":
        return Finding(step.host, step.model)
    return Finding(step.host, step.model, _identity(step), "; ".join(step.reasons))


def _identity(step: Step) -> str:
    """Give what says that a model is the locked one."""
    return "recipe" if step.entry is not None and step.entry.is_made else "digest"


def _looked_into(step: Step, version: str, depth: Depth) -> Work[Finding]:
    assert step.locked is not None
    notes = _Notes()
    notes.checked.append(_identity(step))
    finding = Finding(step.host, step.model)
    try:
        yield from _files(step, step.locked, depth, notes)
        shown = yield Ask(
            lambda target: ensure.verified(target, step.model, step.before, None, None)
        )
        _as_shown(step, step.locked, shown, version, notes)
        yield from _asked_smoke(step, depth, notes)
    except VerificationFailed as error:
        finding = dataclasses.replace(finding, check=error.check, reason=error.reason)
    return notes.on(finding)


def _files(step: Step, locked: LockedModel, depth: Depth, notes: _Notes) -> Work[None]:
    for kind, digest in locked.blobs:
        if not (yield from asked(models.blob_exists(digest))):
            raise VerificationFailed(step.model, "layers", f"{kind} layer {digest} is not there")
    count = len(locked.blobs)
    if not count:
        notes.unchecked.append("files: the lock has no digests of them")
        return
    notes.checked.append(f"{_files_told(count)} present")
    if not locked.layers:
        notes.unchecked.append("files besides the weights: the lock has no digests of them")
    if not is_local(step.host):
        notes.unchecked.append("content of the files: they are on another machine")
    elif depth.blobs is None:
        notes.unchecked.append("content of the files: not found here; OLLAMA_MODELS says where")
    elif not depth.content:
        notes.unchecked.append("content of the files: not asked for (--content)")
    else:
        yield from _contents(step, locked.blobs, depth.blobs, notes)


def _contents(
    step: Step, blobs: Sequence[tuple[str, str]], folder: Path, notes: _Notes
) -> Work[None]:
    unread: list[str] = []
    for kind, digest in blobs:
        path = folder / digest.replace(":", "-")
        found = yield Ask(partial(_hashed, path=path))
        if not found:
            unread.append(str(path))
        elif found != digest:
            raise VerificationFailed(
                step.model, "content", f"{kind} layer {path} is damaged: its digest is {found}"
            )
    if len(blobs) > len(unread):
        notes.checked.append(f"{_files_told(len(blobs) - len(unread))} hashed")
    if unread:
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        notes.unchecked.append(f"content of the files: {unread[0]}{more} cannot be read")


def _hashed(target: Target, path: Path) -> Operation[str]:
    try:
        digest, _ = yield HashFile(str(path))
    except OSError:
        return ""
    return str(digest)


def _files_told(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _as_shown(
    step: Step, locked: LockedModel, shown: ShowResponse, version: str, notes: _Notes
) -> None:
    """Compare what the server shows. Of a made model, its recipe was compared before."""
    notes.checked.append("show")
    if _identity(step) == "digest":
        _texts(step, locked, shown, version, notes)
    if len(locked.licences) != 1:
        notes.unchecked.append("licence: it was not known" if not locked.licences
                               else "licence: there are several, shown as one text")  # fmt: skip
        return
    found = identifiers([shown.license or ""])
    if found != locked.licences:
        raise VerificationFailed(
            step.model, "licence", f"{', '.join(found)}, locked is {locked.licences[0]}"
        )
    notes.checked.append("licence")


def _texts(
    step: Step, locked: LockedModel, shown: ShowResponse, version: str, notes: _Notes
) -> None:
    """Compare parameters, system text and template of a model that was pulled.

    They are files, too, so this is about files that changed under their names. The template
    shown may be that of the weights, which depends on the server's version.
    """
    expected, found = locked.facts, facts_of(shown)
    bare = Facts(adapters=found.adapters)
    parts = {name: getattr(expected, name) for name in ("parameters", "system", "template")}
    if parts["template"] and version != locked.server:
        del parts["template"]
        notes.unchecked.append(
            f"template: it was locked with server {locked.server or 'unknown'}, this is {version}"
        )
    for what, value in parts.items():
        if not value:
            continue
        if wrong := differences(replace(bare, **{what: value}), found, shown):
            told = "it is another one than was locked" if wrong == (what,) else "; ".join(wrong)
            raise VerificationFailed(step.model, what, told)
        notes.checked.append(what)


def _asked_smoke(step: Step, depth: Depth, notes: _Notes) -> Work[None]:
    tests = step.entry.smoke if step.entry is not None else ()
    count = "1 smoke test" if len(tests) == 1 else f"{len(tests)} smoke tests"
    if not tests or not depth.smoke:
        notes.unchecked.append(
            f"answers: {count}, not asked" if tests else "answers: no smoke test"
        )
        return
    for test in tests:
        yield Ask(partial(ensure.smoked, model=step.model, test=test.test()))
    notes.checked.append(count)
