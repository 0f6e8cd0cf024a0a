"""What the body of a call names: models, other hosts. Read as the server reads it.

Go matches keys without regard to case, takes the last of several, reads the first JSON value
and leaves what follows. Whoever judges a body must not read it more strictly than that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from arriero._core.http import FileBody

if TYPE_CHECKING:
    from arriero._core.calls import Call

_MODELS = frozenset({"model", "name", "source", "from"})


class Unreadable(ValueError):
    """A body might name a model, and cannot be read."""


class Named(NamedTuple):
    """What a body names; empty if it is no JSON object."""

    models: tuple[str, ...] = ()
    """Under each key that can hold one."""
    sources: tuple[str, ...] = ()
    """Of them, what a new model is made from."""
    remote_host: str | None = None
    insecure: bool = False


_NOTHING = Named()


def named_in(call: Call[Any]) -> Named:
    """Give what a call's body names.

    Raises:
        Unreadable: the body is compressed, a form, or no JSON that can be read.
    """
    body = cast("object", call.body)
    if isinstance(body, Mapping):
        return _named(cast("Mapping[Any, Any]", body).items())
    content = call.content
    if not content or isinstance(content, FileBody) or _is_blob(call):
        return _NOTHING
    if any(name.lower() == "content-encoding" for name in call.headers):
        raise Unreadable("it is compressed")
    return _named(_pairs(content))


def _is_blob(call: Call[Any]) -> bool:
    """Tell whether this is an upload: bytes of a file, which name nothing."""
    return call.base is None and call.path.partition("?")[0].startswith("/api/blobs/")


def _pairs(content: bytes) -> Iterable[tuple[Any, Any]]:
    text = content.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text.startswith("{"):
        raise Unreadable("it is no JSON object")
    decoder = json.JSONDecoder(object_pairs_hook=tuple, strict=False)
    try:
        return cast("tuple[tuple[Any, Any], ...]", decoder.raw_decode(text)[0])
    except (ValueError, RecursionError) as cause:
        raise Unreadable("it is no JSON") from cause


def _named(pairs: Iterable[tuple[Any, Any]]) -> Named:
    models: list[str] = []
    sources: list[str] = []
    remote_host: str | None = None
    insecure = False
    for key, value in pairs:
        folded = key.casefold() if isinstance(key, str) else ""
        if folded in _MODELS and isinstance(value, str):
            models.append(value)
            if folded == "from":
                sources.append(value)
        elif folded == "remote_host" and isinstance(value, str) and value:
            remote_host = value
        elif folded == "insecure":
            insecure = insecure or bool(value)
    return Named(tuple(models), tuple(sources), remote_host, insecure)
