"""Refuse JSON Schemas that llama.cpp would silently not enforce.

Its completion route leaves a schema it cannot turn into a grammar aside when it is built with
llguidance; Ollama's runner refuses such a schema. The common faults are found here.

Source: llama.cpp, common/json-schema-to-grammar.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from .engine import EngineError

_encode = msgspec.json.Encoder().encode
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_ONE = ("items", "additionalProperties", "not")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions")


def check_schema(schema: Mapping[str, Any]) -> None:
    """Check types and references. Raises `EngineError` in the words of llama.cpp."""
    for part in _parts(schema):
        ref = part.get("$ref")
        if isinstance(ref, str) and ref.startswith("#/"):
            _resolve(schema, ref)
    for part in _parts(schema):
        given: Any = part.get("type", "object")
        kinds: list[Any] = _list(given) or [given]
        if not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            raise _refusal(f"Unrecognized schema: {_encode(part).decode()}")


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and all schemas in it."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict):
            continue
        found = cast("dict[str, Any]", part)
        yield found
        waiting.extend(found.get(key) for key in _ONE)
        for key in _MANY:
            waiting.extend(_list(found.get(key)))
        for key in _NAMED:
            named = found.get(key)
            if isinstance(named, dict):
                waiting.extend(cast("dict[str, Any]", named).values())


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _resolve(schema: Mapping[str, Any], ref: str) -> None:
    target: Any = schema
    for step in ref.removeprefix("#/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict) and name in target:
            target = cast("dict[str, Any]", target)[name]
        elif isinstance(target, list) and name.isdigit() and int(name) < len(_list(target)):
            target = _list(target)[int(name)]
        else:
            here = _encode(target).decode()
            raise _refusal(f"Error resolving ref {ref}: {name} not in {here}")


def _refusal(why: str) -> EngineError:
    message = f"Field 'json_schema': \"json_schema\": JSON schema conversion failed:\n{why}"
    kind = "invalid_request_error"
    body = {"error": {"code": 400, "message": message, "type": kind}}
    return EngineError(400, _encode(body).decode(), message, kind)
