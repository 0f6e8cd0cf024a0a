"""What holds for every signature, not only for those we thought of."""

from __future__ import annotations

import enum
import inspect
import json
from dataclasses import make_dataclass
from typing import Any, Literal

import jsonschema
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from arriero.schema import format_of, tool_from_function
from arriero.schema.describe import describe
from arriero.schema.tool import read_signature


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


INTS = st.integers(-(2**53), 2**53)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = [
    (int, INTS),
    (float, FLOATS),
    (str, st.text(max_size=5)),
    (bool, st.booleans()),
    (Colour, st.sampled_from(Colour)),
    (Literal["a", "b", 3], st.sampled_from(["a", "b", 3])),
]


def typed(scalars: list[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Give pairs of a type and a strategy for its values."""

    def wider(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
        lists = inner.map(lambda t: (list[t[0]], st.lists(t[1], max_size=2)))
        maps = inner.map(
            lambda t: (dict[str, t[0]], st.dictionaries(st.text(max_size=3), t[1], max_size=2))
        )
        tuples = st.tuples(inner, inner).map(
            lambda ts: (tuple[ts[0][0], ts[1][0]], st.tuples(ts[0][1], ts[1][1]))
        )
        optional = inner.map(lambda t: (t[0] | None, st.none() | t[1]))
        objects = st.lists(inner, min_size=1, max_size=3).map(record)
        return lists | maps | tuples | optional | objects

    return st.recursive(st.sampled_from(scalars), wider, max_leaves=4)


def record(parts: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Give a dataclass with a field of each type."""
    cls = make_dataclass("Made", [(f"f{n}", kind) for n, (kind, _) in enumerate(parts)])
    return cls, st.builds(cls, **{f"f{n}": values for n, (_, values) in enumerate(parts)})


@given(st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_value_fits_its_schema_and_comes_back(data: st.DataObject) -> None:
    """Value -> JSON -> value is the identity, and the JSON obeys the schema that is sent."""
    kind, values = data.draw(typed(SCALARS))
    value = data.draw(values)
    text = msgspec.json.encode(value).decode()
    spec = format_of(kind)

    jsonschema.validate(json.loads(text), spec.wire)
    assert spec.parse is not None
    assert spec.parse(text) == value


@given(st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_default_comes_back_from_the_schema(data: st.DataObject) -> None:
    """Given back by a model, the default shown is the default meant."""
    kind, values = data.draw(typed(SCALARS))
    default = data.draw(values)

    def tool(it: Any = default) -> None: ...

    tool.__annotations__["it"] = kind
    shown = tool_from_function(tool)["function"]["parameters"]["properties"]["it"]

    jsonschema.validate(shown["default"], shown)
    assert describe(kind).read(shown["default"], "", lenient=False) == default


@given(st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_arguments_that_obey_the_schema_can_be_bound(data: st.DataObject) -> None:
    """Whatever the signature: names, requirements and values agree between both sides."""
    kinds = data.draw(st.lists(typed(SCALARS), min_size=1, max_size=4))
    required = [data.draw(st.booleans()) for _ in kinds]

    def tool() -> None: ...

    drawn = {f"p{n}": data.draw(values) for n, (_, values) in enumerate(kinds)}
    tool.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # how one is made
        [
            inspect.Parameter(
                f"p{n}",
                inspect.Parameter.KEYWORD_ONLY,
                annotation=kind,
                default=inspect.Parameter.empty if required[n] else drawn[f"p{n}"],
            )
            for n, (kind, _) in enumerate(kinds)
        ]
    )
    schema = tool_from_function(tool)["function"]["parameters"]
    arguments = json.loads(msgspec.json.encode(drawn))

    assert schema.get("required", []) == [f"p{n}" for n, needed in enumerate(required) if needed]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(arguments, schema)
    assert read_signature(tool).bind(arguments) == drawn
