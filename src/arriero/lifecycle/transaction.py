"""Change one model on one host so that the old one serves until the new one is proven.

The steps, each written into the journal before the next::

    begun    the old model gets a second name (`arriero-kept/...`), so that its files stay
             the new one is pulled, created or found, and gets a temporary name
             (`arriero-staged/...`); a name that was pulled into gets its old model back
    staged   digest, layers, recipe and smoke tests of the new model are checked
    proven   its manifest is copied over the name that is served; the temporary name goes
    done

Ollama can only pull a tag under its own name, and writes the manifest of a pull by itself. So
one moment is not ours to order: between that and our two copies, which takes milliseconds, the
new model answers under its name, whole but unproven. A `source` of its own, or a create, has no
such moment. Each copy is one small file that the server writes; whether a crash of the server
itself can tear it is up to the server.

What to do after a crash is decided by `repair` from the entry of the journal and the digests
on the host, never from memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from arriero._core.api import ensure, models
from arriero._core.pulling import OnProgress, pulled
from arriero._core.registry import checked_name
from arriero.errors import ArrieroError, ModelNotFound, RequestError, VerificationFailed
from arriero.lifecycle.facts import differences, facts_of
from arriero.lifecycle.journal import Change, State
from arriero.lifecycle.plan import Step, expected_of
from arriero.lifecycle.survey import KEPT, STAGED, HostState, folded, listed
from arriero.lifecycle.work import Ask, Stopped, Work, asked, noted
from arriero.types.ensured import PullPolicy
from arriero.types.models import ProgressResponse

OnStep: TypeAlias = Callable[[Step, str, ProgressResponse | None], object]
"""Told what happens: step, a word for it, and the record of a pull or create."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How steps are taken."""

    folder: Path = Path()
    pull_policy: PullPolicy | None = None
    on_step: OnStep | None = None
    is_stopped: Callable[[], bool] = lambda: False
    """Tells whether a pull that runs in another thread shall end."""

    def tell(self, step: Step, word: str, record: ProgressResponse | None = None) -> None:
        """Tell whoever listens. Raises `Stopped` in the middle of a pull."""
        if record is not None and self.is_stopped():
            raise Stopped
        if self.on_step is not None:
            self.on_step(step, word, record)


@dataclass(frozen=True, slots=True)
class Copy:
    """Give a model a second name."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a name away."""

    name: str


Act: TypeAlias = Copy | Delete


def kept_name(model: str, digest: str) -> str:
    """Give the name of a model that was replaced: the same digest always has the same."""
    return f"{KEPT}/{checked_name(model, 'kept').model}:{digest.removeprefix('sha256:')[:24]}"


def staged_name(model: str) -> str:
    """Give the temporary name of what will be `model`."""
    name = checked_name(model, "staged")
    mark = hashlib.sha256(name.folded.encode()).hexdigest()[:24]
    return f"{STAGED}/{name.model}:{mark}"


def intended(step: Step, state: HostState) -> Change:
    """Give the entry for what is about to be done, with every name it may touch."""
    before = state.digest_of(step.model)
    landing = checked_name(step.source, "pull").shortest if step.action == "pull" else ""
    landing_before = state.digest_of(landing) if landing else ""
    kept = kept_name(step.model, before) if before else ""
    landing_kept = kept_name(landing, landing_before) if landing_before else ""
    return Change(
        host=step.host,
        model=step.model,
        action=step.action,
        reason=step.because,
        before=before,
        wanted=step.wanted,
        staged="" if step.action == "remove" else staged_name(step.model),
        kept=kept,
        keeps=bool(kept) and not state.digest_of(kept),
        landing=landing,
        landing_before=landing_before,
        landing_kept=landing_kept,
        landing_keeps=bool(landing_kept) and not state.digest_of(landing_kept),
    )


def repair(change: Change, digests: Mapping[str, str]) -> tuple[list[Act], State]:
    """Decide how to end a change that was left open, and in which state it then is.

    Args:
        change: The entry, as it was last written.
        digests: What is on the host now, by folded name.

    A proven model is finished, everything else is undone. Only names the change may have
    touched by then are put back, and only to what they were.
    """

    def digest(name: str) -> str:
        return digests.get(folded(name), "") if name else ""

    if change.state == "proven":
        if digest(change.model) == change.after:
            return _cleared(change, digest), "done"
        if change.action == "remove":
            return [Delete(change.model)], "done"
        if digest(change.staged) == change.after:
            return [Copy(change.staged, change.model), *_cleared(change, digest)], "done"
    acts: list[Act] = []
    touched = [(change.model, change.before, change.kept)] if change.state == "proven" else []
    if change.landing:
        touched.append((change.landing, change.landing_before, change.landing_kept))
    for name, before, kept in touched:
        now = digest(name)
        if now == before or not (before or now):
            continue
        if not before:
            acts.append(Delete(name))
        elif digest(kept) == before:
            acts.append(Copy(kept, name))
    acts += _cleared(change, digest)
    is_back = digest(change.model) == change.before or Copy(change.kept, change.model) in acts
    if change.keeps and is_back and digest(change.kept):
        acts.append(Delete(change.kept))
    return acts, "undone"


def _cleared(change: Change, digest: Callable[[str], str]) -> list[Act]:
    """Give what takes away the names that only the change needed."""
    names = [change.staged]
    if change.landing_keeps and change.landing_kept != change.kept:
        names.append(change.landing_kept)
    return [Delete(name) for name in names if name and digest(name)]


def act(one: Act) -> Work[None]:
    """Do one thing to the names of a host. Doing it again does no harm."""
    match one:
        case Copy(source, target):
            yield from asked(models.copy(source, target))
        case Delete(name):
            try:
                yield from asked(models.delete(name))
            except ModelNotFound:
                return


def ended(change: Change, error: str = "") -> Work[Change]:
    """End a change: finish it if it is proven, else put back what was."""
    state = yield from listed()
    acts, end = repair(change, {name: one.digest for name, one in state.entries.items()})
    for one in acts:
        yield from act(one)
    return (yield from noted(lambda journal: journal.advance(change, end, error=error)))


def taken(step: Step, manner: Manner) -> Work[Change]:
    """Take one step, and give its entry of the journal.

    Raises:
        ArrieroError: why it was not done. Everything is as it was, unless putting it back failed
            too: then the entry stays open, and the next run does it.
    """
    state = yield from listed()
    if state.digest_of(step.model) != step.before:
        raise RequestError(f"{step.model} on {step.host} was changed since the plan: plan again")
    change = yield from noted(lambda journal: journal.begin(intended(step, state)))
    try:
        for source, target in _to_keep(change):
            yield from act(Copy(source, target))
        if step.action == "remove":
            change = yield from _advanced(change, "proven", "")
        else:
            yield from _staged(step, change, manner)
            digest = (yield from listed()).digest_of(change.staged)
            change = yield from _advanced(change, "staged", digest)
            manner.tell(step, "checking")
            yield from _checked(step, change)
            change = yield from _advanced(change, "proven", digest)
        manner.tell(step, "switching")
        return (yield from ended(change))
    except ArrieroError as error:
        after = yield from _put_back(change, error)
        if after is not None and after.state == "done" and not isinstance(error, Stopped):
            return after
        raise


def _put_back(change: Change, error: ArrieroError) -> Work[Change | None]:
    """End a change that failed; None if that fails too."""
    try:
        return (yield from ended(change, f"{type(error).__name__}: {error}"))
    except ArrieroError as second:
        error.add_note(f"putting back what was failed too, the next run does it: {second}")
        return None


def _to_keep(change: Change) -> list[tuple[str, str]]:
    names = [(change.model, change.kept)] if change.kept else []
    if change.landing_kept and change.landing_kept != change.kept:
        names.append((change.landing, change.landing_kept))
    return names


def _advanced(change: Change, to: State, after: str) -> Work[Change]:
    return (yield from noted(lambda journal: journal.advance(change, to, after=after)))


def _staged(step: Step, change: Change, manner: Manner) -> Work[None]:
    """Bring the new model to its temporary name."""
    manner.tell(step, "staging")
    if step.action == "pull":
        yield from _landed(step, change, manner)
    elif step.action == "create":
        yield from _created(step, change.staged, manner)
    else:
        yield from act(Copy(step.source, change.staged))


def _landed(step: Step, change: Change, manner: Manner) -> Work[None]:
    entry = step.entry
    yield Ask(
        lambda target: pulled(
            target,
            change.landing,
            insecure=(entry.insecure if entry is not None else False) or None,
            pull_policy=manner.pull_policy,
            on_progress=_listener(step, manner),
        )
    )
    yield from act(Copy(change.landing, change.staged))
    # Back to what it was before anything else: the new model is not proven.
    if change.landing_before:
        yield from act(Copy(change.landing_kept, change.landing))
    else:
        yield from act(Delete(change.landing))


def _listener(step: Step, manner: Manner) -> OnProgress:
    return lambda record: manner.tell(step, "pulling", record)


def _created(step: Step, staged: str, manner: Manner) -> Work[None]:
    entry, locked = step.entry, step.locked
    assert entry is not None
    assert locked is not None
    base = None if entry.from_ is None else (yield from _base(step, entry.from_, manner))
    uploaded: dict[str, str] = {}
    for name in (*entry.files, *entry.adapters):
        path = manner.folder / name
        digest = yield Ask(lambda target, path=path: models.create_blob(target, path))  # type: ignore[misc]
        if digest != locked.files.get(name):
            raise VerificationFailed(
                step.model, "recipe", f"{name} has changed since it was locked: lock it anew"
            )
        uploaded[name] = digest
    yield from asked(
        models.create(
            staged,
            from_=base,
            files={Path(name).name: uploaded[name] for name in entry.files} or None,
            adapters={Path(name).name: uploaded[name] for name in entry.adapters} or None,
            template=entry.template,
            license=entry.license,
            system=entry.system,
            parameters=entry.parameters or None,
        )
    )


def _base(step: Step, base: str, manner: Manner) -> Work[str]:
    """Have the model that another is made from, and give the name it is there under."""
    wanted = step.locked.base_digest if step.locked is not None else ""
    state = yield from listed()
    found = state.digest_of(base)
    if found and (not wanted or found == wanted):
        return base
    if wanted and (there := state.with_digest(wanted)) is not None:
        return there
    if found:
        raise VerificationFailed(
            step.model,
            "recipe",
            f"it is made from {base} {wanted}, and the server has {found}: lock it anew, or put"
            f" {base} into models.toml",
        )
    yield Ask(
        lambda target: ensure.ensure(
            target,
            base,
            digest=wanted or None,
            pull_policy=manner.pull_policy,
            on_progress=_listener(step, manner),
        )
    )
    return base


def _checked(step: Step, change: Change) -> Work[None]:
    """Check the staged model. Raises `VerificationFailed`, with the name it will have."""
    found, locked, entry = change.after, step.locked, step.entry
    if not found or (step.wanted and found != step.wanted):
        raise VerificationFailed(
            step.model,
            "digest",
            f"{step.wanted} is wanted, what came is {found or 'nothing'}: if the tag has moved,"
            " lock it anew",
        )
    for layer in locked.layers if locked is not None and step.wanted == locked.digest else ():
        if not (yield from asked(models.blob_exists(layer.digest))):
            raise VerificationFailed(
                step.model, "layers", f"{layer.kind} layer {layer.digest} is not there"
            )
    yield from _described(step, change)
    for smoke in entry.smoke if entry is not None else ():
        try:
            yield Ask(partial(ensure.smoked, model=change.staged, test=smoke.test()))
        except VerificationFailed as error:
            raise VerificationFailed(step.model, error.check, error.reason) from error


def _described(step: Step, change: Change) -> Work[None]:
    locked, entry = step.locked, step.entry
    try:
        shown = yield Ask(
            lambda target: ensure.verified(target, change.staged, change.after, None, None)
        )
    except VerificationFailed as error:
        raise VerificationFailed(step.model, error.check, error.reason) from error
    if step.action == "create" and entry is not None and locked is not None:
        wrong = differences(expected_of(entry, locked), facts_of(shown), shown, entry.template)
        if wrong:
            raise VerificationFailed(step.model, "recipe", "; ".join(wrong))
