"""Structured output: what a caller gives as ``format=`` -> what is sent and who reads it.

Source: Ollama v0.33.0-rc2, `api/types.go` ChatRequest.Format; `llm/server.go` Completion.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import msgspec

from arriero.errors import ParseError, RequestError
from arriero.schema.describe import describe, title_of
from arriero.schema.document import Definitions, Schema, rooted
from arriero.schema.fault import Misfit, NoSchema
from arriero.schema.foreign import Pydantic
from arriero.schema.node import Node

Parse: TypeAlias = Callable[[str], Any]

_FENCE = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n[ \t]*```\Z", re.DOTALL | re.IGNORECASE)

_ACCEPTED = (
    "a class (pydantic, dataclass, TypedDict, NamedTuple, msgspec.Struct, Enum), a type made of "
    'them such as list[...], a JSON Schema as a dict, or "json"'
)


class FormatSpec(msgspec.Struct, frozen=True):
    """A ``format``, understood."""

    wire: str | Mapping[str, Any] | None
    """What is sent; None sends nothing."""
    parse: Parse | None = None
    """Makes the object out of the model's whole text; None if no class was given.
    Raises `arriero.errors.ParseError`."""


def format_of(value: Any) -> FormatSpec:
    """Understand a ``format``.

    Args:
        value: None or "" for none, "json" for any JSON object, a JSON Schema as a dict,
            which is sent as it is, or a type to build the answer as.

    Raises:
        RequestError: it is none of these, or the type has no JSON Schema.
    """
    if value is None or value == "":
        return FormatSpec(None)
    if value == "json":
        return FormatSpec("json")
    if isinstance(value, Mapping):
        return FormatSpec(cast("Mapping[str, Any]", value))
    if not _is_type(value):
        raise RequestError(f"format: {_what(value)} is not accepted; give {_ACCEPTED}")
    try:
        return _of_type(value)
    except NoSchema as error:
        raise RequestError(f"format: {error}") from error


def _of_type(value: Any) -> FormatSpec:
    node = describe(value)
    wire = _document(node)
    if not wire:
        raise NoSchema(f"{title_of(value)} says nothing about the answer", 'give "json"')

    def parse(text: str) -> Any:
        return _parsed(node, text)

    return FormatSpec(wire, parse)


def _document(node: Node) -> Schema:
    if isinstance(node, Pydantic):
        return node.document()
    defs = Definitions()
    return rooted(node.schema(defs), defs.schemas)


def _parsed(node: Node, text: str) -> Any:
    clean = text.strip()
    if fenced := _FENCE.match(clean):
        clean = fenced[1].strip()
    if not clean:
        raise ParseError("it is empty", text)
    try:
        value = msgspec.json.decode(clean)
    except msgspec.DecodeError as error:
        raise ParseError(_json_fault(error), text) from error
    try:
        if isinstance(node, Pydantic):
            return node.read_json(clean, "")
        return node.read(value, "", lenient=False)
    except Misfit as misfit:
        raise ParseError(str(misfit), text) from misfit


def _json_fault(error: msgspec.DecodeError) -> str:
    reason = str(error)
    if "truncated" in reason:
        return "the JSON is cut off; a limit such as num_predict may have ended it"
    return f"it is not JSON: {reason.removeprefix('JSON is malformed: ')}"


def _is_type(value: Any) -> bool:
    return (
        isinstance(value, type | types.UnionType | typing.TypeVar)
        or typing.get_origin(value) is not None
        or hasattr(value, "__supertype__")
        or type(value).__name__ == "TypeAliasType"
    )


def _what(value: Any) -> str:
    """Name a wrong format, without the values of an object of the caller's."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, int | float | bool):
        return repr(value)
    if callable(value):
        return f"the function {getattr(value, '__name__', type(value).__name__)}"
    return f"an object of {type(value).__name__}"
