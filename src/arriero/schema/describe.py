"""Annotation -> `Node`: which type is said and read how.

What JSON cannot say is refused with what to write instead, never turned into something
similar.
"""

from __future__ import annotations

import collections
import collections.abc as abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from arriero.schema import foreign
from arriero.schema.constraint import constrained, metas_of
from arriero.schema.docstring import Docs, docs_of
from arriero.schema.document import Schema
from arriero.schema.fault import NoSchema
from arriero.schema.hints import resolved
from arriero.schema.node import (
    Anything,
    Array,
    Choice,
    Described,
    Field,
    Map,
    Node,
    Object,
    Places,
    Scalar,
    Text,
    Union,
    choice_of,
)

_SCALARS: tuple[type, ...] = (
    *(int, float, str, bool, type(None), bytes),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    *(uuid.UUID, decimal.Decimal),
)

_ARRAYS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    abc.Iterable: list,
    abc.Set: set,
    abc.MutableSet: set,
}

_MAPS: tuple[Any, ...] = (dict, abc.Mapping, abc.MutableMapping, collections.OrderedDict)

_QUALIFIERS = ("Required", "NotRequired", "ReadOnly", "Final")
"""By name: `typing` and `typing_extensions` each have their own."""

_PLAIN = "int, str, list[...], a dataclass, a TypedDict, a msgspec.Struct, a pydantic model"


class Hidden:
    """Marks a parameter the model must not see: ``Annotated[Session, Hidden]``.

    It has to have a default, or be bound by `functools.partial`.
    """


def describe(annotation: Any) -> Node:
    """Give the node of a type.

    Args:
        annotation: Any type a JSON value can be read into, with no text in it.

    Raises:
        NoSchema: JSON cannot say it.
    """
    return _Describer().node(annotation)


class _Describer:
    """One walk over an annotation; knows the classes it is inside of."""

    def __init__(self) -> None:
        self._objects: dict[Any, Object] = {}
        self._variables: dict[Any, Any] = {}
        self._aliases: list[Any] = []

    def node(self, annotation: Any) -> Node:
        """Give the node of `annotation`."""
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if getattr(origin, "_name", None) in _QUALIFIERS:
            return self.node(args[0])
        if origin is typing.Annotated:
            return self._annotated(annotation, args[0], args[1:])
        if origin is typing.Literal:
            return choice_of(title_of(annotation), args)
        if origin in (typing.Union, types.UnionType):
            return Union(tuple(self.node(arg) for arg in args))
        plain = self._plain(annotation)
        if plain is not None:
            return plain
        if foreign.is_struct(origin or annotation):
            return foreign.Struct(annotation, title_of(annotation), describe)
        if foreign.is_pydantic(annotation) or foreign.is_pydantic(origin):
            return foreign.pydantic_of(annotation, title_of(annotation))
        return (
            self._container(annotation, origin or annotation, args)
            or self._object(annotation, origin or annotation, args)
            or _refused(annotation)
        )

    def _plain(self, annotation: Any) -> Node | None:
        """Give the node of what has no parts, and of names for other types."""
        if annotation is None:
            annotation = type(None)
        if annotation in (Any, object):
            return Anything()
        if annotation is typing.LiteralString:
            annotation = str
        if isinstance(annotation, typing.TypeVar):
            bound = self._variables.get(annotation) or annotation.__bound__
            options = annotation.__constraints__
            return self.node(bound or (cast("Any", typing.Union)[options] if options else Any))
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.node(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":
            return self._alias(annotation)
        if not isinstance(annotation, type):
            return None
        if annotation in _SCALARS:
            return Scalar(annotation, annotation, title_of(annotation))
        if issubclass(annotation, enum.Enum):
            return choice_of(annotation.__name__, list(annotation))
        if issubclass(annotation, pathlib.PurePath):
            return Text(annotation, annotation.__name__)
        return None

    def _alias(self, alias: Any) -> Node:
        if alias in self._aliases:
            raise NoSchema(f"the alias {alias} contains itself", "use a class that does")
        self._aliases.append(alias)
        try:
            return self.node(alias.__value__)
        finally:
            self._aliases.pop()

    def _container(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Node | None:
        title = title_of(annotation)
        if origin is tuple:
            if len(args) == 2 and args[1] is Ellipsis:
                return Array(self.node(args[0]), tuple, title)
            if not args:
                return Array(Anything(), tuple, title)
            return Places(tuple(self.node(arg) for arg in args if arg != ()), title)
        if origin in _ARRAYS:
            make = _ARRAYS[origin]
            item = self.node(args[0]) if args else Anything()
            return Array(item, make, title, is_unique=make in (set, frozenset))
        if origin in _MAPS:
            key, value = args or (str, Any)
            return Map(self._key(key), self.node(value), title)
        return None

    def _key(self, annotation: Any) -> Node:
        key = self.node(annotation)
        if isinstance(key, Scalar | Choice | Anything):
            return key
        raise NoSchema(
            f"{title_of(annotation)} cannot be the key of a dict", "use str as the key's type"
        )

    # Objects

    def _object(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Node | None:
        if annotation in self._objects:
            return self._objects[annotation]
        if not _has_fields(origin):
            return None
        docs = docs_of(_own_doc(origin))
        made = Object(annotation, origin.__name__, origin, docs.description)
        self._objects[annotation] = made
        outer, self._variables = self._variables, dict(self._variables)
        parameters = cast("tuple[Any, ...]", getattr(origin, "__parameters__", ()))
        self._variables.update(zip(parameters, args, strict=False))
        try:
            for name, hint, default in _parts(origin):
                made.fields[name] = self._field(origin, name, hint, default, docs)
        finally:
            self._variables = outer
        return made

    def _field(self, owner: Any, name: str, hint: Any, default: Any, docs: Docs) -> Field:
        try:
            annotation = resolved(hint, _author(owner, name))
            node = self.node(annotation)
        except NoSchema as error:
            raise NoSchema(
                f"field {owner.__name__}.{name}: {error.reason}", error.advice
            ) from error
        keywords: Schema = {}
        if name in docs.arguments and not is_described(node):
            keywords["description"] = docs.arguments[name].description
        is_required = default is dataclasses.MISSING
        if _is_typed_dict(owner):
            is_required = _is_required_key(owner, name, annotation)
        elif not is_required:
            keywords.update(default_keyword(default))
        return Field(name, node, is_required, keywords)

    # Annotated

    def _annotated(self, annotation: Any, inner: Any, parts: Sequence[Any]) -> Node:
        if any(foreign.is_pydantic_metadata(part) for part in parts):
            node: Node = foreign.pydantic_of(annotation, title_of(inner))
            return _described(node, [part for part in parts if isinstance(part, str)])
        node = self.node(inner)
        texts: list[str] = []
        for part in parts:
            if isinstance(part, str):
                texts.append(part)
            elif isinstance(part, msgspec.Meta):
                node = constrained(node, part)
            elif type(part).__module__ == "annotated_types":
                for meta in metas_of(part):
                    node = constrained(node, meta)
            elif text := getattr(part, "description", None) or getattr(part, "documentation", None):
                texts.append(str(text))  # pydantic's Field(description=...), typing's Doc(...)
        return _described(node, texts)


def _described(node: Node, texts: list[str]) -> Node:
    return Described(node, {"description": " ".join(texts)}) if texts else node


def is_described(node: Node) -> bool:
    """Whether the annotation itself gave a description."""
    while isinstance(node, Described):
        if "description" in node.keywords:
            return True
        node = node.inner
    if isinstance(node, Scalar):
        return "description" in msgspec.json.schema(node.type)
    return isinstance(node, foreign.Pydantic) and "description" in node.document()


def _has_fields(cls: Any) -> bool:
    """Whether `cls` is a dataclass, a TypedDict or a NamedTuple."""
    if not inspect.isclass(cls):
        return False
    return (
        dataclasses.is_dataclass(cls)
        or _is_typed_dict(cls)
        or (tuple in cls.__mro__ and hasattr(cls, "_fields"))
    )


def _is_typed_dict(cls: Any) -> bool:
    # `typing.is_typeddict` does not know those of `typing_extensions`.
    return dict in cls.__mro__ and hasattr(cls, "__required_keys__")


def _author(cls: Any, name: str) -> Any:
    """Give the class whose body has the field: its module knows the names in it."""
    if dataclasses.is_dataclass(cls):
        for base in cast("Any", cls).__mro__:
            if base is not object and name in inspect.get_annotations(base):
                return base
    return cls


def _own_doc(cls: Any) -> str | None:
    """Give the docstring somebody wrote, not the signature Python puts in its place."""
    doc = cls.__dict__.get("__doc__")
    if not isinstance(doc, str) or doc.startswith(f"{cls.__name__}("):
        return None
    return doc


def _parts(cls: Any) -> list[tuple[str, Any, Any]]:
    """Give the fields of a class: name, annotation as written, default or MISSING."""
    if dataclasses.is_dataclass(cls):
        return [
            (part.name, part.type, _dataclass_default(part))
            for part in dataclasses.fields(cls)
            if part.init
        ]
    defaults = cast("dict[str, Any]", getattr(cls, "_field_defaults", {}))
    # Of a TypedDict and a NamedTuple, `__annotations__` has the inherited fields too.
    hints = cast("dict[str, Any]", cls.__annotations__)
    return [(name, hint, defaults.get(name, dataclasses.MISSING)) for name, hint in hints.items()]


def _dataclass_default(part: dataclasses.Field[Any]) -> Any:
    if part.default_factory is not dataclasses.MISSING:
        return _UNSAID
    return part.default


_UNSAID = object()
"""A default there is, but no JSON to say it in."""


def _is_required_key(cls: Any, name: str, annotation: Any) -> bool:
    # `__required_keys__` does not know of wrappers that were still text.
    match getattr(typing.get_origin(annotation), "_name", None):
        case "Required":
            return True
        case "NotRequired":
            return False
        case _:
            return name in cls.__required_keys__


def default_keyword(default: Any) -> Schema:
    """Say a default: ``{"default": ...}``, or nothing if JSON cannot, as for a sentinel."""
    if default is _UNSAID:
        return {}
    if isinstance(default, float) and default - default != 0:  # infinite, or no number
        return {}
    try:
        text = msgspec.json.encode(default, order="sorted", enc_hook=_plain_of)
    except (TypeError, ValueError, NotImplementedError):
        return {}
    return {"default": msgspec.json.decode(text)}


def _plain_of(value: Any) -> Any:
    if isinstance(value, pathlib.PurePath):
        return str(value)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise NotImplementedError


# Words


def title_of(annotation: Any) -> str:
    """Name a type as its author would."""
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("collections.abc.", "")


def _refused(annotation: Any) -> Node:
    raise NoSchema(
        f"{title_of(annotation)} has no JSON Schema", f"use a type that has one: {_PLAIN}"
    )
