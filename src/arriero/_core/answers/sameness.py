"""When two calls are the same, so that the answer to one is an answer to the other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from arriero._core.calls import Call

_FORM = b"1"
"""Part of every key: entries written by another version in another form are not found."""

_EMBEDS = frozenset({"/api/embed", "/api/embeddings", "/v1/embeddings"})

_DEFAULTS: Mapping[str, Any] = {
    "stream": False,
    "truncate": True,
    "shift": True,
    "raw": False,
    "logprobs": False,
    "top_logprobs": 0,
    "options": {},
    "tools": [],
    "images": [],
}
"""What an absent field means. Source: Ollama v0.33.0-rc2, `server/routes.go`: a missing
``truncate`` or ``shift`` is true; the others are zero values of Go."""


def is_repeatable(call: Call[Any]) -> bool:
    """Tell whether a call asks for something that would come out the same again.

    That is: an embedding of something; a chat or generation of something, without stream,
    whose own options say ``temperature`` 0 or a ``seed`` from 0 on. A seed of -1 is random,
    and parameters in a Modelfile are not known here.
    """
    body = call.body
    if body is None or call.stream or call.any_status or call.base is not None:
        return False
    if call.path in _EMBEDS:
        return bool(body.get("input") or body.get("prompt"))
    if call.path not in ("/api/chat", "/api/generate") or "_debug_render_only" in body:
        return False
    if not (body.get("messages") or body.get("prompt")):
        return False  # loads or unloads the model
    options: object = body.get("options")
    return isinstance(options, Mapping) and _is_determined(cast("Mapping[str, object]", options))


def _is_determined(options: Mapping[str, object]) -> bool:
    temperature, seed = options.get("temperature"), options.get("seed")
    if isinstance(temperature, int | float) and temperature == 0 and temperature is not False:
        return True
    return isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0


def key_of(call: Call[Any], model: str, tenant: str) -> str:
    """Give the key of a call whose images are loaded: equal if what is asked for is equal.

    Args:
        call: A repeatable one.
        model: The model's digest, or its name for calls that run at the same time.
        tenant: Whose calls may share; "" for everyone's.
    """
    found = hashlib.sha256(_FORM)
    for part in (call.path.encode(), model.encode(), tenant.encode(), canonical(call.body or {})):
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def canonical(body: Mapping[str, Any]) -> bytes:
    """Give the same bytes for bodies that ask for the same, whatever the model is called.

    The order of fields and of options means nothing; inside messages, tools and ``format``
    it does, because a template and a grammar are written in that order. ``keep_alive`` is
    left out: it changes no answer.
    """
    made: dict[str, Any] = {}
    for name in sorted(body):
        value: Any = body[name]
        if name in ("model", "keep_alive") or (name in _DEFAULTS and value == _DEFAULTS[name]):
            continue
        if name == "input" and isinstance(value, str):
            value = [value]
        if name == "options":
            options = cast("Mapping[str, Any]", value)
            value = {key: _number(options[key]) for key in sorted(options)}
        made[name] = value
    return msgspec.json.encode(made)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
