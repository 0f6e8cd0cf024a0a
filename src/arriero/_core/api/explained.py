"""What the egress policy would say to a call: the call is built, and not sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from arriero._core import registry
from arriero._core.api import embed, inference, models, service
from arriero._core.calls import Call
from arriero._core.policy.egress import ALLOWED
from arriero.egress import EgressDecision
from arriero.errors import RequestError

if TYPE_CHECKING:
    from arriero._core.progress import Target


def _ensure(model: str, *, insecure: bool = False, **_: Any) -> tuple[Call[Any], ...]:
    name = registry.checked_name(model, "ensure")
    return models.pull(model, insecure=insecure or None), registry.manifest(name, insecure=insecure)


def _load(model: str, **_: Any) -> Call[Any]:
    return inference.generate(model, None)


def _create_blob(*_: Any, **__: Any) -> Call[Any]:
    return models.blob_exists("sha256:" + "0" * 64)


_BUILDERS: Mapping[str, Callable[..., Call[Any] | tuple[Call[Any], ...]]] = {
    "blob_exists": models.blob_exists,
    "chat": inference.chat,
    "copy": models.copy,
    "create": models.create,
    "create_blob": _create_blob,
    "delete": models.delete,
    "embed": embed.embed,
    "embed_array": embed.embed,
    "embeddings": embed.embeddings,
    "ensure": _ensure,
    "generate": inference.generate,
    "list": models.list_models,
    "load": _load,
    "me": service.me,
    "ps": models.ps,
    "pull": models.pull,
    "push": models.push,
    "request": service.request,
    "show": models.show,
    "status": service.status,
    "systemone": service.systemone,
    "unload": models.unload,
    "version": service.version,
    "web_fetch": service.web_fetch,
    "web_search": service.web_search,
}

_ASSUMED: Mapping[str, Mapping[str, Any]] = {
    "chat": {"messages": None},
    "embed": {"input": ""},
    "embed_array": {"input": ""},
    "embeddings": {"prompt": ""},
    "generate": {"prompt": None},
    "systemone": {"state": {}, "questions": {}},
    "web_fetch": {"url": "https://example.com", "api_key": "none"},
    "web_search": {"query": "-", "api_key": "none"},
}
"""Arguments that no rule looks at, so that they need not be given."""


def explained(target: Target, name: str, arguments: Mapping[str, Any]) -> EgressDecision:
    """Say whether a call may be sent, and why; see the client's `explain`.

    Raises:
        RequestError: there is no such call, or an argument is wrong.
    """
    builder = _BUILDERS.get(name)
    if builder is None:
        import difflib

        near = difflib.get_close_matches(name, _BUILDERS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise RequestError(f"explain: there is no call {name!r}{hint}")
    try:
        made = builder(**{**_ASSUMED.get(name, {}), **arguments})
    except TypeError as cause:
        raise RequestError(f"explain: {cause}") from cause
    guard = target.egress
    if guard is None:
        return ALLOWED
    for call in made if isinstance(made, tuple) else (made,):
        decision = guard.decide(call, (call.base or target.base).join(call.path))
        if not decision.allowed:
            return decision
    return ALLOWED
