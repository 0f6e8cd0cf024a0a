"""What a type is made of: each node says itself in JSON Schema and reads JSON values.

One tree serves both directions, so a schema and the reader behind it cannot disagree.
Reading is strict, as JSON is: no text for numbers. With ``lenient`` it forgives what weak
models get wrong in tool calls: a number or a boolean as text, a list or an object as JSON
text. It never guesses further: a number given for text may have lost its leading zeros.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from arriero.schema.document import Definitions, Schema
from arriero.schema.fault import Misfit, NoSchema, kind_of


class Node(Protocol):
    """A type."""

    @property
    def title(self) -> str:
        """What messages call it."""
        ...

    def schema(self, defs: Definitions) -> Schema:
        """Say it in JSON Schema; named types become references into `defs`."""
        ...

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Turn a decoded JSON value into a Python object.

        Raises:
            Misfit: it does not fit; the place begins with `path`.
        """
        ...


class Anything(msgspec.Struct, frozen=True):
    """Any JSON value, given as it is."""

    title: str = "anything"

    def schema(self, defs: Definitions) -> Schema:
        """Say nothing."""
        return {}

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Give `value`."""
        return value


class Scalar(msgspec.Struct, frozen=True):
    """A type with one JSON value, read by msgspec; `type` may carry a `msgspec.Meta`."""

    type: Any
    plain: type
    title: str

    def schema(self, defs: Definitions) -> Schema:
        """Give msgspec's schema, with the format that a datetime and a time have."""
        made = msgspec.json.schema(self.type)
        if self.title in ("datetime", "time"):
            made.setdefault("format", "date-time" if self.title == "datetime" else "time")
        return made

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Convert; an integer given as ``3.0`` is one, as JSON Schema has it."""
        if self.plain is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        return convert(value, self.type, path, strict=not lenient)

    def is_exactly(self, value: Any) -> bool:
        """Whether `value` is already of this very type."""
        return type(value) is self.plain


class Text(msgspec.Struct, frozen=True):
    """A type that is built from text, such as a path."""

    make: Callable[[str], Any]
    title: str

    def schema(self, defs: Definitions) -> Schema:
        """Give a string."""
        return {"type": "string", "format": "path"}

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Build from a string."""
        if not isinstance(value, str):
            raise Misfit(path, f"expected a string, got {kind_of(value)}")
        return self.make(value)


class Choice(msgspec.Struct, frozen=True):
    """A closed set of values: an Enum or a Literal."""

    title: str
    values: tuple[tuple[Any, Any], ...]
    """Pairs of what stands in JSON and what stands for it in Python."""

    def schema(self, defs: Definitions) -> Schema:
        """Give the type and every value."""
        wire = [wire for wire, _ in self.values]
        names = [_JSON_TYPE[type(value)] for value in wire]
        types = list(dict.fromkeys(names))
        return {"type": types[0] if len(types) == 1 else types, "enum": wire}

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Find the value; true is not 1."""
        for wire, meant in self.values:
            if wire == value and isinstance(wire, bool) == isinstance(value, bool):
                return meant
        if lenient and isinstance(value, str):
            for wire, meant in self.values:
                if not isinstance(wire, str) and _text_of(wire) == value:
                    return meant
        allowed = ", ".join(_text_of(wire) for wire, _ in self.values)
        raise Misfit(path, f"{_text_of(value)} is none of {allowed}")


_JSON_TYPE: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def choice_of(title: str, values: Sequence[Any]) -> Choice:
    """Build a choice of the members of an Enum or the values of a Literal.

    Raises:
        NoSchema: a value is no JSON scalar.
    """
    pairs: list[tuple[Any, Any]] = []
    for meant in values:
        wire = meant.value if isinstance(meant, enum.Enum) else meant
        if type(wire) not in _JSON_TYPE:
            raise NoSchema(
                f"{meant!r} of {title} is not a JSON value",
                "give it a text, a number, a boolean or None as value",
            )
        pairs.append((wire, meant))
    if not pairs:
        raise NoSchema(f"{title} has no members", "give it some")
    return Choice(title, tuple(pairs))


class Array(msgspec.Struct, frozen=True):
    """A list, set or other run of equal items."""

    item: Node
    make: Callable[[list[Any]], Any]
    title: str
    is_unique: bool = False

    def schema(self, defs: Definitions) -> Schema:
        """Give an array."""
        made: Schema = {"type": "array", "items": self.item.schema(defs)}
        return {**made, "uniqueItems": True} if self.is_unique else made

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Read every item."""
        items = _items(value, path, lenient=lenient)
        read = [
            self.item.read(item, f"{path}[{n}]", lenient=lenient) for n, item in enumerate(items)
        ]
        try:
            return self.make(read)
        except TypeError as error:  # a set of what cannot be hashed
            raise Misfit(path, str(error)) from error


class Places(msgspec.Struct, frozen=True):
    """A tuple: each place has a type of its own."""

    places: tuple[Node, ...]
    title: str

    def schema(self, defs: Definitions) -> Schema:
        """Give an array of exactly these items."""
        count = len(self.places)
        made: Schema = {"type": "array", "minItems": count, "maxItems": count}
        return {**made, "prefixItems": [place.schema(defs) for place in self.places]}

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Read every place."""
        items = _items(value, path, lenient=lenient)
        if len(items) != len(self.places):
            raise Misfit(path, f"expected {len(self.places)} items, got {len(items)}")
        return tuple(
            place.read(item, f"{path}[{n}]", lenient=lenient)
            for n, (place, item) in enumerate(zip(self.places, items, strict=True))
        )


class Map(msgspec.Struct, frozen=True):
    """A dict: any names, equal values."""

    key: Node
    value: Node
    title: str

    def schema(self, defs: Definitions) -> Schema:
        """Give an object. A closed set of names is spelled out as optional properties: the
        grammar converter and the server know those, but not `propertyNames`."""
        value = self.value.schema(defs)
        if not isinstance(self.key, Choice):
            return {"type": "object", "additionalProperties": value}
        wires = (wire for wire, _ in self.key.values)
        names = [wire if isinstance(wire, str) else _text_of(wire) for wire in wires]
        properties = dict.fromkeys(names, value)
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Read every name and value."""
        return {
            self.key.read(name, f"{path}.{name}", lenient=True): self.value.read(
                item, f"{path}.{name}", lenient=lenient
            )
            for name, item in _members(value, path, lenient=lenient).items()
        }


class Field(msgspec.Struct, frozen=True):
    """A named part of an `Object`."""

    name: str
    node: Node
    is_required: bool
    keywords: Schema
    """Description and default, as far as there are any."""


class Object(msgspec.Struct):
    """A dataclass, TypedDict or NamedTuple. Its fields are filled in after it is made, so
    that they may contain it."""

    key: Any
    title: str
    make: Callable[..., Any]
    description: str = ""
    fields: dict[str, Field] = {}

    def schema(self, defs: Definitions) -> Schema:
        """Give a reference to an object."""
        return defs.named(self.key, self.title, lambda: self._spelled(defs))

    def _spelled(self, defs: Definitions) -> Schema:
        made: Schema = {"type": "object"}
        if self.description:
            made["description"] = self.description
        made["properties"] = {
            name: {**part.node.schema(defs), **part.keywords} for name, part in self.fields.items()
        }
        made["required"] = [name for name, part in self.fields.items() if part.is_required]
        return made

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Read every field and build; names it does not have are passed over."""
        given = _members(value, path, lenient=lenient)
        missing = [
            name for name, part in self.fields.items() if part.is_required and name not in given
        ]
        if missing:
            raise Misfit(path, f"{self.title} needs {', '.join(missing)}")
        read = {
            name: part.node.read(given[name], f"{path}.{name}", lenient=lenient)
            for name, part in self.fields.items()
            if name in given
        }
        try:
            return self.make(**read)
        except (TypeError, ValueError) as error:  # its own checks
            raise Misfit(path, str(error)) from error


class Union(msgspec.Struct, frozen=True):
    """One of several types."""

    members: tuple[Node, ...]

    @property
    def title(self) -> str:
        """The titles of all."""
        return " | ".join(member.title for member in self.members)

    def schema(self, defs: Definitions) -> Schema:
        """Give them as ``anyOf``."""
        return {"anyOf": [member.schema(defs) for member in self.members]}

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Take the first that fits as it is; of objects, the one that knows most names.

        Leniency comes after: the text ``"3"`` is text for ``int | str``.
        """
        for member in self.members:
            if isinstance(member, Scalar) and member.is_exactly(value):
                try:
                    return member.read(value, path, lenient=False)
                except Misfit:  # of the type, but not in its bounds
                    continue
        ranked = sorted(self.members, key=lambda member: _strangers(member, value))
        misfits: list[Misfit] = []
        for is_lenient in (False, True) if lenient else (False,):
            misfits.clear()
            for member in ranked:
                try:
                    return member.read(value, path, lenient=is_lenient)
                except Misfit as misfit:
                    misfits.append(misfit)
        # The member that came furthest is the one that was meant.
        furthest = max(misfits, key=lambda misfit: len(misfit.path))
        if len(furthest.path) > len(path):
            raise furthest
        raise Misfit(path, f"{_text_of(value)} is not {self.title}") from furthest


class Described(msgspec.Struct, frozen=True):
    """A type with keywords that change how it is shown, not what it takes."""

    inner: Node
    keywords: Schema

    @property
    def title(self) -> str:
        """As the inner one's."""
        return self.inner.title

    def schema(self, defs: Definitions) -> Schema:
        """Add the keywords."""
        return {**self.inner.schema(defs), **self.keywords}

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Read the inner one."""
        return self.inner.read(value, path, lenient=lenient)


class Sized(msgspec.Struct, frozen=True):
    """An array or a map with a least or a greatest length."""

    inner: Array | Places | Map
    least: int | None
    most: int | None

    @property
    def title(self) -> str:
        """As the inner one's."""
        return self.inner.title

    def schema(self, defs: Definitions) -> Schema:
        """Add the lengths."""
        what = "Properties" if isinstance(self.inner, Map) else "Items"
        made = self.inner.schema(defs)
        if self.least is not None:
            made[f"min{what}"] = self.least
        if self.most is not None:
            made[f"max{what}"] = self.most
        return made

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Read, then count."""
        read = self.inner.read(value, path, lenient=lenient)
        count = len(cast("Collection[Any]", read))
        if self.least is not None and count < self.least:
            raise Misfit(path, f"expected at least {self.least} items, got {count}")
        if self.most is not None and count > self.most:
            raise Misfit(path, f"expected at most {self.most} items, got {count}")
        return read


def convert(value: Any, target: Any, path: str, *, strict: bool, dec_hook: Any = None) -> Any:
    """Convert by msgspec.

    Raises:
        Misfit: it does not fit; msgspec's place is appended to `path`.
    """
    try:
        return msgspec.convert(value, target, strict=strict, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise Misfit(path + place.rstrip("`"), reason[:1].lower() + reason[1:]) from error


def opened(value: Any) -> Any:
    """Decode a list or an object that was given as JSON text; anything else stays."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


def _items(value: Any, path: str, *, lenient: bool) -> Sequence[Any]:
    found = opened(value) if lenient else value
    if not isinstance(found, list | tuple):
        raise Misfit(path, f"expected an array, got {kind_of(value)}")
    return cast("Sequence[Any]", found)


def _members(value: Any, path: str, *, lenient: bool) -> Mapping[str, Any]:
    found = opened(value) if lenient else value
    if not isinstance(found, Mapping):
        raise Misfit(path, f"expected an object, got {kind_of(value)}")
    return cast("Mapping[str, Any]", found)


def _strangers(node: Node, value: Any) -> int:
    """Count the names in `value` that `node` would pass over."""
    while isinstance(node, Described):
        node = node.inner
    if not isinstance(value, Mapping):
        return 0
    names = cast("Mapping[str, Any]", value).keys()
    known = names_of(node)
    return 0 if known is None else len(names - known)


def names_of(node: Node) -> set[str] | None:
    """Give the names of the object that `node` is; None if it is none with fixed names."""
    defs = Definitions()
    made = node.schema(defs)
    target = made.get("$ref")
    if isinstance(target, str):
        made = defs.schemas[target.rpartition("/")[2]]
    found = made.get("properties")
    return set(cast("Mapping[str, Any]", found)) if isinstance(found, Mapping) else None


def _text_of(value: Any) -> str:
    """Give `value` as JSON, shortened."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."
