"""Constraints on a type, from `msgspec.Meta` and `annotated_types`, put on its node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast

import msgspec

from arriero.schema.document import Schema
from arriero.schema.fault import NoSchema
from arriero.schema.node import Array, Described, Map, Node, Places, Scalar, Sized, Union

_SHOWN = ("title", "description", "examples")
"""What a `msgspec.Meta` says to the reader of the schema only."""

_RULES = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")
"""What values have to obey."""


def metas_of(part: Any) -> list[msgspec.Meta]:
    """Translate a constraint of `annotated_types`."""
    if isinstance(part, Iterable):  # Interval, Len
        return [meta for one in cast("Iterable[Any]", part) for meta in metas_of(one)]
    said = {name: getattr(part, name, None) for name in _RULES}
    known = {name: value for name, value in said.items() if value is not None}
    return [msgspec.Meta(**known)] if known else []


def constrained(node: Node, meta: msgspec.Meta) -> Node:
    """Apply a constraint to a node.

    Raises:
        NoSchema: it does not apply to this type.
    """
    shown: Schema = {name: value for name in _SHOWN if (value := getattr(meta, name)) is not None}
    shown.update(meta.extra_json_schema or {})
    rules = {name: value for name in _RULES if (value := getattr(meta, name)) is not None}
    made = _ruled(node, rules) if rules else node
    return Described(made, shown) if shown else made


def _ruled(node: Node, rules: dict[str, Any]) -> Node:
    if isinstance(node, Described):
        return Described(_ruled(node.inner, rules), node.keywords)
    if isinstance(node, Union):
        return _ruled_union(node, rules)
    if isinstance(node, Scalar):
        target = cast("Any", Annotated)[node.type, msgspec.Meta(**rules)]
        try:
            msgspec.json.schema(target)
        except TypeError as error:
            raise _unfit(node, rules) from error
        return msgspec.structs.replace(node, type=target)
    if isinstance(node, Array | Places | Map) and set(rules) <= {"min_length", "max_length"}:
        return Sized(node, rules.get("min_length"), rules.get("max_length"))
    raise _unfit(node, rules)


def _ruled_union(node: Union, rules: dict[str, Any]) -> Node:
    """Apply rules to the members they apply to, such as the int of ``int | None``."""
    made: list[Node] = []
    fits = False
    for member in node.members:
        try:
            made.append(_ruled(member, rules))
            fits = True
        except NoSchema:
            made.append(member)
    if not fits:
        raise _unfit(node, rules)
    return Union(tuple(made))


def _unfit(node: Node, rules: dict[str, Any]) -> NoSchema:
    said = ", ".join(f"{name}={value!r}" for name, value in rules.items())
    return NoSchema(f"{said} does not apply to {node.title}", "remove it")
