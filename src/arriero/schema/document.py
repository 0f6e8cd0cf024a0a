"""JSON Schema documents: named definitions, references, and what Ollama keeps of them.

Source: Ollama v0.33.0-rc2, `api/types.go` ToolFunctionParameters and ToolProperty: of a tool's
schema the server keeps ``type``, ``items``, ``description``, ``enum``, ``properties``,
``required`` and ``anyOf``; what lies in ``items`` and ``$defs`` it passes on as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from arriero.schema.fault import NoSchema, kind_of

Schema: TypeAlias = dict[str, Any]

REF = "#/$defs/"

_MAPS = ("properties", "$defs", "patternProperties", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONES = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else")

_TYPES: dict[str, str] = {
    "null": "null",
    "a boolean": "boolean",
    "an integer": "integer",
    "a number": "number",
    "a string": "string",
    "an array": "array",
    "an object": "object",
}


class Definitions:
    """Schemas that are referred to by name, each type under a name of its own."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._names: dict[object, str] = {}

    def named(self, key: object, title: str, make: Callable[[], Schema]) -> Schema:
        """Give a reference to the schema of `key`, made at first use.

        `make` may ask for `key` again: that is how a type contains itself.
        """
        name = self._names.get(key)
        if name is None:
            name = self._free(title)
            self._names[key] = name
            self.schemas[name] = {}
            self.schemas[name].update(make())
        return {"$ref": REF + name}

    def adopt(self, schema: Schema, components: Mapping[str, Schema]) -> Schema:
        """Take over a schema another library made, together with its definitions."""
        renamed = {
            name: name if self.schemas.get(name, part) == part else self._free(name)
            for name, part in components.items()
        }

        def moved(part: Schema) -> Schema:
            found = each_part(part, moved)
            target = part.get("$ref")
            if isinstance(target, str) and target.startswith(REF):
                name = target.removeprefix(REF)
                found["$ref"] = REF + renamed.get(name, name)
            return found

        for name, part in components.items():
            self.schemas[renamed[name]] = moved(part)
        return moved(schema)

    def _free(self, title: str) -> str:
        name, count = title, 1
        while name in self.schemas:
            count += 1
            name = f"{title}_{count}"
        return name


def each_part(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Copy `schema` with `change` applied to the schemas directly inside it.

    Values that only look like schemas, such as a default or an enum, stay as they are.
    """
    made = dict(schema)
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            parts = cast("dict[str, Any]", value)
            made[key] = {name: _changed(part, change) for name, part in parts.items()}
        elif key in _LISTS and isinstance(value, list):
            made[key] = [_changed(part, change) for part in cast("list[Any]", value)]
        elif key in _ONES:
            made[key] = _changed(value, change)
    return made


def _changed(part: Any, change: Callable[[Schema], Schema]) -> Any:
    return change(cast("Schema", part)) if isinstance(part, dict) else part


def references(schema: Schema) -> Iterator[str]:
    """Yield the name of every definition `schema` refers to, not following them."""
    target = schema.get("$ref")
    if isinstance(target, str) and target.startswith(REF):
        yield target.removeprefix(REF)
    found: list[str] = []

    def gather(part: Schema) -> Schema:
        found.extend(references(part))
        return part

    each_part(schema, gather)
    yield from found


def rooted(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Give one document: `schema`, spelled out at the top, with the definitions it uses."""
    names = list(references(schema))
    if set(schema) == {"$ref"} and names:
        schema = definitions[names[0]]
        names = list(references(schema))
    used: dict[str, Schema] = {}
    while names:
        name = names.pop()
        if name not in used:
            used[name] = definitions[name]
            names.extend(references(definitions[name]))
    kept = {name: part for name, part in definitions.items() if name in used}
    return {**schema, "$defs": kept} if kept else dict(schema)


def for_tools(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Say `schema` in the keywords Ollama keeps: references spelled out, synonyms replaced.

    Raises:
        NoSchema: a type contains itself at a place where the server drops references.
    """
    recursive: set[str] = set()

    def spelled(part: Schema, within: frozenset[str]) -> Schema:
        target = part.get("$ref")
        if isinstance(target, str) and target.startswith(REF):
            name = target.removeprefix(REF)
            beside = {key: value for key, value in part.items() if key != "$ref"}
            if name in within:
                recursive.add(name)
                return part
            return spelled({**definitions[name], **beside}, within | {name})
        return _kept(each_part(part, lambda inner: spelled(inner, within)))

    made = spelled(schema, frozenset())
    _refuse_lost_references(made)
    parts: dict[str, Schema] = {}
    while missing := recursive - parts.keys():
        name = missing.pop()
        parts[name] = spelled(definitions[name], frozenset((name,)))
    return {**made, "$defs": parts} if parts else made


def _kept(part: Schema) -> Schema:
    """Replace the keywords the server drops by those it keeps, where they mean the same."""
    made = dict(part)
    if isinstance(made.get("title"), str):
        del made["title"]
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if "oneOf" in made and "anyOf" not in made:
        made["anyOf"] = made.pop("oneOf")
        made.pop("discriminator", None)
    if len(made.get("allOf", ())) == 1:
        made = {**made.pop("allOf")[0], **made}
    if "enum" in made and "type" not in made:
        types = list(dict.fromkeys(_TYPES[kind_of(value)] for value in made["enum"]))
        made["type"] = types[0] if len(types) == 1 else types
    if "prefixItems" in made and not made.get("items"):
        # Says less than `prefixItems`, but the server keeps it.
        places = [
            place
            for n, place in enumerate(made["prefixItems"])
            if place not in made["prefixItems"][:n]
        ]
        made["items"] = places[0] if len(places) == 1 else {"anyOf": places}
    return made


def _refuse_lost_references(schema: Schema) -> None:
    for name, part in schema.items():
        if name == "$ref":
            title = str(part).removeprefix(REF)
            raise NoSchema(
                f"{title} contains itself, and Ollama drops references outside of lists",
                f"let {title} contain itself through a list, such as list[{title}]",
            )
        if name == "properties":
            for inner in cast("dict[str, Schema]", part).values():
                _refuse_lost_references(inner)
        elif name == "anyOf":
            for inner in cast("list[Schema]", part):
                _refuse_lost_references(inner)
