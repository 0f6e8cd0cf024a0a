"""Models: list, show, ps, pull, push, create, copy, delete, load, unload, blobs.

Source: Ollama v0.33.0-rc2, `api/types.go` and `server/routes.go`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any, cast

from arriero._core.api.arguments import (
    KeepAlive,
    body_of,
    keep_alive_to_wire,
    options_to_wire,
    required,
)
from arriero._core.api.embed import embed
from arriero._core.api.inference import generate
from arriero._core.calls import Call
from arriero._core.completion import ProgressTally
from arriero._core.effects import HashFile, Operation
from arriero._core.governed import whole
from arriero._core.http import FileBody, Head
from arriero._core.ndjson import RecordDecoder
from arriero._core.progress import Target
from arriero.errors import CapabilityError, RequestError
from arriero.settings import CallPolicy, Timeouts
from arriero.types.models import (
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
    StatusResponse,
)
from arriero.types.options import Options
from arriero.types.record import to_wire

_LIST = RecordDecoder(ListResponse)
_PROCESS = RecordDecoder(ProcessResponse)
_SHOW = RecordDecoder(ShowResponse)
_PROGRESS = RecordDecoder(ProgressResponse)
_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")


def list_models(*, timeouts: Timeouts | None = None) -> Call[ListResponse]:
    """Build a list of the models there are."""
    return Call("GET", "/api/tags", _LIST, timeouts=timeouts)


def ps(*, timeouts: Timeouts | None = None) -> Call[ProcessResponse]:
    """Build a list of the models loaded."""
    return Call("GET", "/api/ps", _PROCESS, timeouts=timeouts)


def show(
    model: str,
    *,
    verbose: bool | None = None,
    system: str | None = None,
    options: Mapping[str, Any] | Options | None = None,
    timeouts: Timeouts | None = None,
) -> Call[ShowResponse]:
    """Build a question for everything about one model."""
    body = body_of(
        model=required(model, "model", "show"),
        verbose=verbose,
        system=system,
        options=options_to_wire(options),
    )
    return Call("POST", "/api/show", _SHOW, body=body, timeouts=timeouts)


def pull(
    model: str,
    *,
    insecure: bool | None = None,
    stream: bool = False,
    timeouts: Timeouts | None = None,
) -> Call[ProgressResponse]:
    """Build a download."""
    body = body_of(model=required(model, "model", "pull"), insecure=insecure, stream=bool(stream))
    return _progress("/api/pull", body, stream=stream, timeouts=timeouts)


def push(
    model: str,
    *,
    insecure: bool | None = None,
    stream: bool = False,
    timeouts: Timeouts | None = None,
) -> Call[ProgressResponse]:
    """Build an upload."""
    body = body_of(model=required(model, "model", "push"), insecure=insecure, stream=bool(stream))
    return _progress("/api/push", body, stream=stream, timeouts=timeouts)


def create(
    model: str,
    quantize: str | None = None,
    from_: str | None = None,
    files: Mapping[str, str] | None = None,
    adapters: Mapping[str, str] | None = None,
    template: str | None = None,
    license: str | Sequence[str] | None = None,
    system: str | None = None,
    parameters: Mapping[str, Any] | Options | None = None,
    messages: Sequence[Any] | None = None,
    *,
    stream: bool = False,
    draft_files: Mapping[str, str] | None = None,
    draft_quantize: str | None = None,
    remote_host: str | None = None,
    renderer: str | None = None,
    parser: str | None = None,
    requires: str | None = None,
    info: Mapping[str, Any] | None = None,
    timeouts: Timeouts | None = None,
) -> Call[ProgressResponse]:
    """Build a creation; see the client's method for the arguments."""
    body = body_of(
        model=required(model, "model", "create"),
        stream=bool(stream),
        quantize=quantize,
        files=_digests(files, "files"),
        adapters=_digests(adapters, "adapters"),
        template=template,
        license=_licences(license),
        system=system,
        parameters=options_to_wire(parameters),
        messages=None if messages is None else to_wire(list(messages)),
        draft_files=_digests(draft_files, "draft_files"),
        draft_quantize=draft_quantize,
        remote_host=remote_host,
        renderer=renderer,
        parser=parser,
        requires=requires,
        info=None if info is None else dict(info),
    )
    if from_ is not None:
        body["from"] = from_
    return _progress("/api/create", body, stream=stream, timeouts=timeouts)


def _licences(value: object) -> str | list[str] | None:
    if value is None or isinstance(value, str):
        return value
    kind = type(value).__name__
    is_many = isinstance(value, list | tuple)
    made: list[Any] = list(cast("Sequence[Any]", value)) if is_many else [None]
    if not all(isinstance(text, str) for text in made):
        raise RequestError(f"create: license is a text or a list of texts, not {kind}")
    return made


def _digests(files: Mapping[str, str] | None, what: str) -> dict[str, str] | None:
    if files is None:
        return None
    made = dict(files)
    for name, digest in made.items():
        if not isinstance(cast("object", digest), str):
            raise RequestError(
                f"create: {what}[{name!r}] is the digest that create_blob gave, not {digest!r}"
            )
    return made


def _progress(
    path: str, body: dict[str, Any], *, stream: bool, timeouts: Timeouts | None
) -> Call[ProgressResponse]:
    return Call(
        "POST",
        path,
        _PROGRESS,
        body=body,
        stream=bool(stream),
        tally=ProgressTally,
        timeouts=timeouts,
        repeat="unsent",
        patient=not stream,
    )


def copy(
    source: str, destination: str, *, timeouts: Timeouts | None = None
) -> Call[StatusResponse]:
    """Build a copy of a model under another name."""
    body = body_of(
        source=required(source, "source", "copy"),
        destination=required(destination, "destination", "copy"),
    )
    return Call("POST", "/api/copy", body=body, whole=_succeeded, timeouts=timeouts)


def delete(model: str, *, timeouts: Timeouts | None = None) -> Call[StatusResponse]:
    """Build a deletion."""
    body = body_of(model=required(model, "model", "delete"))
    return Call(
        "DELETE", "/api/delete", body=body, whole=_succeeded, timeouts=timeouts, repeat="delete"
    )


def _succeeded(head: Head, body: bytes) -> StatusResponse:
    """Say success, which the empty body of the server does not."""
    return StatusResponse(status="success")


def unload(model: str, *, timeouts: Timeouts | None = None) -> Call[Any]:
    """Build an unloading. Works for models of every kind."""
    return generate(required(model, "model", "unload"), None, keep_alive=0, timeouts=timeouts)


def load(
    target: Target,
    model: str,
    *,
    keep_alive: KeepAlive | None = None,
    options: Mapping[str, Any] | Options | None = None,
    timeouts: Timeouts | None = None,
    policy: CallPolicy | None = None,
) -> Operation[None]:
    """Load a model: by generate, and by embed if it turns out to be an embedding model."""
    required(model, "model", "load")
    keep = keep_alive_to_wire(keep_alive)
    if keep == 0:
        raise RequestError("load: keep_alive=0 would unload the model; use unload()")
    try:
        yield from whole(
            generate(model, None, keep_alive=keep, options=options, timeouts=timeouts),
            target,
            policy,
        )
    except CapabilityError:
        yield from whole(
            embed(model, "", keep_alive=keep, options=options, timeouts=timeouts),
            target,
            policy,
        )


def blob_exists(digest: str, *, timeouts: Timeouts | None = None) -> Call[bool]:
    """Build a question whether the server has a blob."""
    return Call(
        "HEAD",
        f"/api/blobs/{_digest(digest)}",
        whole=lambda head, body: head.status != 404,
        accept_status=frozenset({404}),
        timeouts=timeouts,
    )


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise RequestError(f"digest: 'sha256:' and 64 hex digits, not {value!r}")
    return value.replace("-", ":", 1).lower()


def create_blob(
    target: Target,
    path: str | PathLike[str],
    *,
    timeouts: Timeouts | None = None,
    policy: CallPolicy | None = None,
) -> Operation[str]:
    """Upload a file unless the server has it already, and give its digest.

    The file is read twice, once for its digest and once for the upload; it is never held
    in memory.
    """
    path = _path(path)
    try:
        digest, size = yield HashFile(path)
    except OSError as cause:
        raise RequestError(f"create_blob: {path!r} cannot be read: {cause.strerror}") from cause
    if (yield from whole(blob_exists(digest, timeouts=timeouts), target, policy)):
        return cast("str", digest)
    upload: Call[str] = Call(
        "POST",
        f"/api/blobs/{digest}",
        content=FileBody(path, size),
        whole=lambda head, body: digest,
        headers={"content-type": "application/octet-stream"},
        patient=True,
        timeouts=timeouts,
    )
    return (yield from whole(upload, target, policy))


def _path(value: object) -> str:
    kind = type(value).__name__
    path: object = fspath(cast("PathLike[str]", value)) if hasattr(value, "__fspath__") else value
    if not isinstance(path, str):
        raise RequestError(f"create_blob: a path is due, not {kind}")
    return path
