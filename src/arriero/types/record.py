"""`Record`: what every value on the wire is made of.

A record is a `msgspec.Struct`, so decoding one costs a fraction of a microsecond. It also
acts as a mapping and answers to the method names of pydantic models, because code written
for the `ollama` package uses both. Fields a newer server sends are kept, reachable by name
and sent back when a message is replayed.
"""

import types as _types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Self, TypeAlias, TypeVar, cast, dataclass_transform

import msgspec

from arriero.errors import RequestError

_EXTRA = "_extra"
"""Key in an instance's `__dict__` under which unknown fields are kept. They are not put
into `__dict__` themselves: a server's field named ``get`` would then hide the method."""

Convert: TypeAlias = Callable[[Any], Any]

R = TypeVar("R", bound="Record")


@dataclass_transform(field_specifiers=(msgspec.field,), kw_only_default=True)
class RecordMeta(msgspec.StructMeta):
    """Lets constructors take wire names, nested mappings and fields not known here."""

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        kw_only: bool = True,
        **how: Any,
    ) -> Any:
        # msgspec does not hand `kw_only` down to subclasses.
        return super().__new__(cls, name, bases, namespace, kw_only=kw_only, **how)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            shape = shape_of(cast("type[Record]", cls))
            extra: dict[str, Any] | None = None
            for name in tuple(kwargs):
                attribute = shape.by_wire.get(name, name)
                value = kwargs.pop(name)
                nested = shape.nested.get(attribute)
                if attribute in shape.attributes:
                    kwargs[attribute] = value if nested is None else nested(value)
                else:
                    extra = extra or {}
                    extra[name] = value
            made = super().__call__(*args, **kwargs)
            if extra:
                _extra_of(made).update(extra)
            return made
        return super().__call__(*args)

    @property
    def model_fields(cls) -> dict[str, Any]:
        """Fields by attribute name, as `msgspec.structs.FieldInfo`."""
        return {info.name: info for info in msgspec.structs.fields(cast("type[Record]", cls))}


class Record(
    msgspec.Struct,
    metaclass=RecordMeta,
    kw_only=True,
    omit_defaults=True,
    dict=True,
    forbid_unknown_fields=True,  # the fast decoder refuses; the careful one then keeps them
    repr_omit_defaults=True,
):
    """A value of Ollama's API: attributes, mapping access, pydantic's method names.

    A field counts as present (``"k" in r``, ``r["k"]``, `keys`) when it is not None.
    ``r["k"]`` of an absent field raises KeyError, ``r.k`` gives None.
    Not frozen: messages are built and changed in place by existing code.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__[_EXTRA][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} has no field {name!r}") from None

    def __eq__(self, other: object) -> bool:
        same = msgspec.Struct.__eq__(self, other)
        if same is not True:
            return same
        return self.model_extra == cast("Record", other).model_extra

    def __repr__(self) -> str:
        known = msgspec.Struct.__repr__(self)
        more = ", ".join(f"{name}={value!r}" for name, value in self.model_extra.items())
        return f"{known[:-1]}{', ' if more and known[-2] != '(' else ''}{more})"

    @property
    def http(self) -> Any:
        """Status, headers, URL and attempts of the answer this came in, as `HttpInfo`.

        None on values that are no whole answer; a stream has its own ``http``.
        """
        return self.__dict__.get("_http")

    # Mapping

    def __getitem__(self, key: str) -> Any:
        value = self._present(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        shape = shape_of(type(self))
        attribute = shape.by_wire.get(key, key)
        if attribute in shape.attributes:
            setattr(self, attribute, value)
        else:
            _extra_of(self)[key] = value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._present(key) is not None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield every field as (name, value), absent ones as None, then unknown ones."""
        for name in self.__struct_fields__:
            yield name, getattr(self, name)
        yield from self.model_extra.items()

    def get(self, key: str, default: Any = None) -> Any:
        """Give the field named `key`, None if it is absent, `default` if there is none."""
        shape = shape_of(type(self))
        attribute = shape.by_wire.get(key, key)
        if attribute in shape.attributes:
            return getattr(self, attribute)
        return self.model_extra.get(key, default)

    def keys(self) -> list[str]:
        """Names of the present fields, so that ``dict(r)`` and ``**r`` work."""
        return [name for name, value in self if value is not None]

    def values(self) -> list[Any]:
        """Values of the present fields."""
        return [value for _, value in self if value is not None]

    def items(self) -> list[tuple[str, Any]]:
        """Present fields as (name, value)."""
        return [(name, value) for name, value in self if value is not None]

    def _present(self, key: str) -> Any:
        shape = shape_of(type(self))
        attribute = shape.by_wire.get(key, key)
        if attribute in shape.attributes:
            return getattr(self, attribute)
        return self.model_extra.get(key)

    # pydantic's names

    @property
    def model_extra(self) -> dict[str, Any]:
        """Fields the server sent that this version has no name for."""
        extra: dict[str, Any] = self.__dict__.get(_EXTRA, {})
        return extra

    @property
    def model_fields_set(self) -> set[str]:
        """Names of the present fields."""
        return set(Record.keys(self))

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Build from a mapping with wire names or attribute names.

        Raises:
            ValueError: a value has the wrong type; the message names its place.
        """
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, Mapping):
            raise ValueError(f"{cls.__name__} takes a mapping, not {type(obj).__name__}")
        return from_wire(cls, cast("Mapping[str, Any]", obj))

    @classmethod
    def model_validate_json(cls, data: str | bytes, **_: Any) -> Self:
        """Build from JSON text.

        Raises:
            ValueError: no JSON object, or a value has the wrong type.
        """
        return cls.model_validate(msgspec.json.decode(data))

    @classmethod
    def model_construct(cls, **values: Any) -> Self:
        """Build without converting anything."""
        return cls(**values)

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Any = None,
        exclude: Any = None,
        by_alias: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """Give a plain dict, nested records turned into dicts too.

        Args:
            mode: ``"json"`` also turns datetimes and bytes into text.
            include: Top-level names to keep; None keeps all.
            exclude: Top-level names to leave out.
            by_alias: Wire names instead of attribute names.
            exclude_unset: Leave out absent fields, as `exclude_none`.
            exclude_defaults: Leave out fields that have their default.
            exclude_none: Leave out fields that are None.
        """
        return _dumped(
            self,
            _Dump(
                as_json=mode == "json",
                by_alias=by_alias,
                skip_none=exclude_none or exclude_unset or exclude_defaults,
                skip_defaults=exclude_defaults,
            ),
            include=include,
            exclude=exclude,
        )

    def _dump(self, how: Any) -> Any:
        """Give what stands for this record inside the dump of another."""
        return _dumped(self, how)

    def model_dump_json(self, *, indent: int | None = None, **kwargs: Any) -> str:
        """Give JSON text; arguments as for `model_dump`."""
        data = msgspec.json.encode(self.model_dump(mode="json", **kwargs))
        return (data if indent is None else msgspec.json.format(data, indent=indent)).decode()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy, with the fields of `update` replaced; `deep` copies nested values too."""
        made = self.__deepcopy__({}) if deep else self.__copy__()
        for name, value in (update or {}).items():
            made[name] = value
        return made

    @classmethod
    def model_json_schema(cls, **_: Any) -> dict[str, Any]:
        """Give the JSON Schema of this type."""
        return msgspec.json.schema(cls)

    def dict(self, **kwargs: Any) -> dict[str, Any]:
        """As `model_dump`, the name older code calls."""
        return self.model_dump(**kwargs)

    def json(self, **kwargs: Any) -> str:
        """As `model_dump_json`, the name older code calls."""
        return self.model_dump_json(**kwargs)

    def copy(self, **kwargs: Any) -> Self:
        """As `model_copy`, the name older code calls."""
        return self.model_copy(**kwargs)

    @classmethod
    def parse_obj(cls, obj: Any) -> Self:
        """As `model_validate`, the name older code calls."""
        return cls.model_validate(obj)

    # Copies and pickles carry the unknown fields, which a Struct alone would lose.

    def __copy__(self) -> Self:
        made = msgspec.structs.replace(self)
        if self.model_extra:
            _extra_of(made).update(self.model_extra)
        return made

    def __deepcopy__(self, memo: Any) -> Self:
        made = msgspec.structs.replace(self)
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) not in _UNCHANGING:  # of a token's record, all but one are
                setattr(made, name, _deep(value, memo))
        if self.model_extra:
            _extra_of(made).update(_deep(self.model_extra, memo))
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return _rebuilt, (type(self), values, self.model_extra)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic models and FastAPI hold records; called by pydantic only."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.model_validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                _pydantic_dump, info_arg=True
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
        (made,), components = msgspec.json.schema_components((cls,), ref_template="{name}")
        return _inlined(made, components)


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    """Replace references by what they name: pydantic resolves only its own. No record
    contains itself, so this ends."""
    if isinstance(schema, list):
        return [_inlined(item, components) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    found = cast("dict[str, Any]", schema)
    if "$ref" in found:
        return _inlined(components[found["$ref"]], components)
    return {name: _inlined(value, components) for name, value in found.items()}


def _extra_of(record: Record) -> dict[str, Any]:
    """Give the place of unknown fields, made if it is not there yet."""
    values = cast("dict[str, dict[str, Any]]", record.__dict__)
    return values.setdefault(_EXTRA, {})


def _pydantic_dump(value: Record, info: Any) -> Any:
    how = _Dump(
        as_json=info.mode == "json", by_alias=bool(info.by_alias), skip_none=info.exclude_none
    )
    return _plain(value, how)


def _rebuilt(cls: type[Record], values: dict[str, Any], extra: dict[str, Any]) -> Record:
    made = cls(**values)
    if extra:
        _extra_of(made).update(extra)
    return made


# Shapes: what the careful paths need to know of a class, worked out once.


class Shape(msgspec.Struct, frozen=True):
    """What a record class looks like: names, and how its nested records are built."""

    attributes: frozenset[str]
    by_wire: dict[str, str]
    """Wire name to attribute name, where they differ."""
    wire: dict[str, str]
    """Attribute name to wire name, all of them."""
    annotations: dict[str, Any]
    nested: dict[str, Convert]
    """Attributes that hold records, with what turns mappings into them."""


_UNCHANGING = frozenset({str, int, float, bool, bytes, type(None)})
"""Types whose values are their own copies."""


def _deep(value: Any, memo: Any) -> Any:
    if isinstance(value, Record):  # most are; `deepcopy` looks at many things before it asks
        return value.__deepcopy__(memo)
    import copy

    return copy.deepcopy(value, memo)


_shapes: dict[type, Shape] = {}


def shape_of(cls: type[Record]) -> Shape:
    """Give the shape of `cls`."""
    shape = _shapes.get(cls)
    if shape is None:
        fields = msgspec.structs.fields(cls)
        nested = {info.name: _nested(info.type) for info in fields}
        shape = Shape(
            attributes=frozenset(info.name for info in fields),
            by_wire={
                info.encode_name: info.name for info in fields if info.encode_name != info.name
            },
            wire={info.name: info.encode_name for info in fields},
            annotations={info.name: info.type for info in fields},
            nested={name: convert for name, convert in nested.items() if convert is not None},
        )
        _shapes[cls] = shape
    return shape


def _nested(annotation: Any) -> Convert | None:
    """Give what turns mappings into the records that `annotation` names; None if none."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        record = annotation
        return lambda value: from_wire(record, value) if _is_foreign(value) else value
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, _types.UnionType):
        made = [convert for arg in args if (convert := _nested(arg)) is not None]
        return made[0] if len(made) == 1 else None
    if isinstance(origin, type) and args and (inner := _nested(args[-1])) is not None:
        return _each_value(inner) if issubclass(origin, Mapping) else _each_item(inner)
    return None


def _each_value(convert: Convert) -> Convert:
    def converted(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        mapping = cast("Mapping[str, Any]", value)
        return {key: convert(item) for key, item in mapping.items()}

    return converted


def _each_item(convert: Convert) -> Convert:
    def converted(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [convert(item) for item in cast("list[Any]", value)]

    return converted


def _is_foreign(value: object) -> bool:
    return isinstance(value, Mapping)


def from_wire(cls: type[R], raw: Mapping[str, Any]) -> R:
    """Build a record from decoded JSON, keeping what this version has no name for.

    Raises:
        msgspec.ValidationError: (a ValueError) a known field has the wrong type.
    """
    shape = shape_of(cls)
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in raw.items():
        attribute = shape.by_wire.get(name, name)
        if attribute not in shape.attributes:
            extra[name] = value
        elif value is not None:
            nested = shape.nested.get(attribute)
            known[attribute] = _checked(
                shape, cls, attribute, value if nested is None else nested(value)
            )
    made = msgspec.StructMeta.__call__(cls, **known)
    if extra:
        _extra_of(made).update(extra)
    return cast("R", made)


def _checked(shape: Shape, cls: type[Record], attribute: str, value: Any) -> Any:
    annotation = shape.annotations[attribute]
    if annotation is Any:
        return value
    try:
        return msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{cls.__name__}.{attribute}: {error}") from None


# Dumping


class _Dump(msgspec.Struct, frozen=True):
    as_json: bool = False
    by_alias: bool = False
    skip_none: bool = False
    skip_defaults: bool = False
    keeps_unknown_none: bool = False
    """A null in a field without a name here was written on purpose, as ``"default": null``."""


_WIRE = _Dump(by_alias=True, skip_none=True, keeps_unknown_none=True)


def to_wire(value: Any) -> Any:
    """Turn records inside `value` into what is sent: wire names, nothing lost. None stands
    for absent, except in fields this version has no name for.

    Mappings and lists are walked; everything else is passed on as it is.

    Raises:
        RequestError: `value` is nested too deep.
    """
    try:
        return _plain(value, _WIRE)
    except RecursionError as cause:
        raise RequestError("an argument cannot be written as JSON: nested too deep") from cause


def _dumped(
    record: Record, how: _Dump, *, include: Any = None, exclude: Any = None
) -> dict[str, Any]:
    shape = shape_of(type(record))
    defaults = _defaults(type(record)) if how.skip_defaults else {}
    made: dict[str, Any] = {}
    for name, value in Record.__iter__(record):
        if (include is not None and name not in include) or (exclude and name in exclude):
            continue
        if (
            value is None
            and how.skip_none
            and (name in shape.attributes or not how.keeps_unknown_none)
        ):
            continue
        if how.skip_defaults and name in defaults and defaults[name] == value:
            continue
        made[shape.wire.get(name, name) if how.by_alias else name] = _plain(value, how)
    return made


def _defaults(cls: type[Record]) -> dict[str, Any]:
    return {
        info.name: info.default
        for info in msgspec.structs.fields(cls)
        if info.default is not msgspec.NODEFAULT
    }


def _plain(value: Any, how: _Dump) -> Any:
    if value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, Record):
        return value._dump(how)
    if type(value) is dict or isinstance(value, Mapping):  # the ABC is slow to ask
        mapping = cast("Mapping[Any, Any]", value)
        return {key: _plain(item, how) for key, item in mapping.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, how) for item in cast("list[Any]", value)]
    if isinstance(value, int):
        # msgspec does not encode what is derived from int.
        return int(value) if how.as_json and type(value) not in (int, bool) else value
    if isinstance(value, datetime | bytes):
        return msgspec.to_builtins(value) if how.as_json else value
    dump = getattr(value, "model_dump", None)  # pydantic's, such as the `ollama` package's own
    if dump is None:
        return value
    return _plain(dump(by_alias=how.by_alias, exclude_none=how.skip_none), how)
