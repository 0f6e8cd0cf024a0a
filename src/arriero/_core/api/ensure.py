"""Have a model: look, pull what is missing, and check what came."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from arriero._core import registry
from arriero._core.api.embed import embed
from arriero._core.api.inference import generate
from arriero._core.api.models import blob_exists, list_models, show
from arriero._core.effects import Operation
from arriero._core.governed import whole
from arriero._core.known_models import nearest
from arriero._core.progress import Target
from arriero._core.pulling import OnProgress, pulled
from arriero._core.registry import Manifest, checked_digest, checked_name
from arriero.errors import ArrieroError, ModelNotFound, RequestError, VerificationFailed
from arriero.names import ModelName
from arriero.settings import CallPolicy, Timeouts
from arriero.types.ensured import EnsureResponse, PullPolicy, SmokeTest
from arriero.types.models import ListResponse, ShowResponse

_SHOWN_CHARS = 200


def ensure(
    target: Target,
    model: str,
    *,
    digest: str | None = None,
    smoke: Sequence[SmokeTest] | SmokeTest = (),
    insecure: bool = False,
    pull_policy: PullPolicy | None = None,
    on_progress: OnProgress | None = None,
    timeouts: Timeouts | None = None,
    policy: CallPolicy | None = None,
) -> Operation[EnsureResponse]:
    """Have a model; see the client's method."""
    name = checked_name(model, "ensure")
    wanted = None if digest is None else checked_digest(digest, "ensure")
    tests = (smoke,) if isinstance(smoke, SmokeTest) else tuple(smoke)
    before = yield from whole(list_models(timeouts=timeouts), target, policy)
    found = entry_of(before, name)
    attempts, manifest = 0, None
    if found is None or (wanted is not None and digest_of(found) != wanted):
        if wanted is not None:
            manifest = yield from offered(
                target, name, insecure=insecure, timeouts=timeouts, policy=policy
            )
            _refuse_another(name, manifest, wanted)
        try:
            attempts = yield from pulled(
                target,
                model,
                insecure=insecure or None,
                pull_policy=pull_policy,
                on_progress=on_progress,
                timeouts=timeouts,
                policy=policy,
            )
        except ModelNotFound as error:
            raise _with_nearest(error, model, before) from error.__cause__
        after = yield from whole(list_models(timeouts=timeouts), target, policy)
        found = entry_of(after, name)
        if found is None:
            raise VerificationFailed(
                name.shortest, "digest", "the server said success and does not list it"
            )
        yield from verified(
            target,
            name.shortest,
            digest_of(found),
            wanted,
            manifest,
            timeouts=timeouts,
            policy=policy,
        )
    for test in tests:
        yield from smoked(target, name.shortest, test, timeouts=timeouts, policy=policy)
    return EnsureResponse(
        model=found.model or found.name or name.shortest,
        digest=digest_of(found),
        size=int(found.size or 0),
        pulled=attempts > 0,
        attempts=attempts,
    )


def entry_of(listed: ListResponse, name: ModelName) -> ListResponse.Model | None:
    """Give the entry of a model in a list; case does not count, as on the server."""
    for entry in listed.models:
        try:
            if checked_name(entry.model or entry.name, "list").folded == name.folded:
                return entry
        except RequestError:  # a name this version cannot read is not ours
            continue
    return None


def digest_of(entry: ListResponse.Model) -> str:
    """Give an entry's digest with its prefix."""
    return f"sha256:{entry.digest}" if entry.digest else ""


def offered(
    target: Target,
    name: ModelName,
    *,
    insecure: bool,
    timeouts: Timeouts | None = None,
    policy: CallPolicy | None = None,
) -> Operation[Manifest | None]:
    """Ask the registry what it has under a name; None if it does not say."""
    call = msgspec.structs.replace(registry.manifest(name, insecure=insecure), timeouts=timeouts)
    try:
        made: Manifest = yield from whole(call, target, policy)
    except ArrieroError:
        return None
    return made


def _refuse_another(name: ModelName, manifest: Manifest | None, wanted: str) -> None:
    if manifest is not None and manifest.digest != wanted:
        raise VerificationFailed(
            name.shortest,
            "digest",
            f"the registry now has {manifest.digest}, {wanted} is wanted; nothing was pulled."
            " Take the new digest, or name a registry that still has the old one",
        )


def _with_nearest(error: ModelNotFound, model: str, listed: ListResponse) -> ModelNotFound:
    near = nearest(model, [entry.model or entry.name or "" for entry in listed.models])
    if not near:
        return error
    made = ModelNotFound(f"{error.error}; nearest known: {', '.join(near)}", 404)
    made.call, made.host, made.phase = error.call, error.host, error.phase
    made.attempts, made.partial = error.attempts, error.partial
    return made


def verified(
    target: Target,
    model: str,
    found: str,
    wanted: str | None,
    manifest: Manifest | None,
    *,
    timeouts: Timeouts | None = None,
    policy: CallPolicy | None = None,
) -> Operation[ShowResponse]:
    """Check that a model is what was wanted, and whole as far as its server can tell.

    Raises:
        VerificationFailed: it is not.
    """
    if wanted is not None and found != wanted:
        raise VerificationFailed(
            model, "digest", f"{wanted} is wanted, the server has {found}: the tag has moved"
        )
    if manifest is not None and manifest.digest == found:
        for layer in manifest.layers:
            if not (yield from whole(blob_exists(layer.digest, timeouts=timeouts), target, policy)):
                raise VerificationFailed(
                    model, "layers", f"{layer.kind} layer {layer.digest} is not there; pull again"
                )
    shown: ShowResponse = yield from whole(show(model, timeouts=timeouts), target, policy)
    if not (shown.modelinfo or shown.capabilities or shown.remote_host):
        raise VerificationFailed(model, "show", "the server lists it but cannot describe it")
    return shown


def smoked(
    target: Target,
    model: str,
    test: SmokeTest,
    *,
    timeouts: Timeouts | None = None,
    policy: CallPolicy | None = None,
) -> Operation[str]:
    """Ask a model the question of a smoke test, and give its answer.

    How long the answer may take, the test says; `timeouts` says the rest.

    Raises:
        VerificationFailed: the answer is not what is expected.
    """
    budgets = dataclasses.replace(
        timeouts or target.timeouts, first_token_s=test.timeout_s, total_s=test.timeout_s
    )
    shown: ShowResponse = yield from whole(show(model, timeouts=budgets), target, policy)
    if "embedding" in (shown.capabilities or ()):
        made: Any = yield from whole(embed(model, test.prompt, timeouts=budgets), target, policy)
        vector = made.embeddings[0] if made.embeddings else ()
        if not any(vector) or not all(-1e30 < value < 1e30 for value in vector):
            raise VerificationFailed(
                model, "smoke", f"the vector of {test.prompt!r} is empty, zero or not finite"
            )
        return f"a vector of {len(vector)} numbers"
    options = {"temperature": 0, "seed": 1, "num_predict": 64, **test.options}
    answer: Any = yield from whole(
        generate(model, test.prompt, options=options, timeouts=budgets), target, policy
    )
    said = answer.response or answer.thinking or ""
    if not said.strip() or not re.search(test.expect or "", said, re.DOTALL):
        expected = "any text" if test.expect is None else repr(test.expect)
        raise VerificationFailed(
            model,
            "smoke",
            f"asked {test.prompt!r}, expected {expected}, got {said[:_SHOWN_CHARS]!r}",
        )
    return str(said)
