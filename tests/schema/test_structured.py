"""A `format` is understood, sent, and its answer read."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import pickle
import subprocess
import sys
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import msgspec
import pydantic
import pydantic.dataclasses
import pytest
import typing_extensions

from arriero.errors import ParseError, RequestError
from arriero.schema import format_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Friend:
    name: str
    age: int
    height: float = 1.5

    def __post_init__(self) -> None:
        if self.age < 0:
            raise ValueError("age must not be negative")


@dataclass
class Tree:
    value: int
    children: list[Tree]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Country(TypedDict):
    name: str
    capital: typing_extensions.NotRequired[str]


class Island(typing_extensions.TypedDict, total=False):
    name: typing_extensions.Required[str]
    area: float


class City(pydantic.BaseModel):
    name: str
    colour: Colour = Colour.RED
    friends: list[Friend] = []


@pydantic.dataclasses.dataclass
class Checked:
    n: int = pydantic.Field(ge=1)


class Order(msgspec.Struct):
    item: str
    count: int = 1
    city: City | None = None


class Circle(msgspec.Struct, tag=True):
    radius: float


class Square(msgspec.Struct, tag=True):
    side: float


T = TypeVar("T")


@dataclass
class Page(Generic[T]):
    items: list[T]


def parse(format: Any, text: str) -> Any:
    read = format_of(format).parse
    assert read is not None
    return read(text)


@pytest.mark.parametrize(
    ("format", "text", "value"),
    [
        (Friend, '{"name": "Ana", "age": 3}', Friend("Ana", 3)),
        (Friend, '{"age": 3, "height": 2, "name": "Ana"}', Friend("Ana", 3, 2.0)),
        (Friend, '{"name": "Ana", "age": 3.0, "shoe": 44}', Friend("Ana", 3)),
        (list[Friend], '[{"name": "Ana", "age": 3}]', [Friend("Ana", 3)]),
        (dict[str, Friend], '{"x": {"name": "A", "age": 3}}', {"x": Friend("A", 3)}),
        (dict[int, str], '{"1": "a"}', {1: "a"}),
        (dict[Colour, int], '{"red": 1}', {Colour.RED: 1}),
        (Tree, '{"value": 1, "children": [{"value": 2, "children": []}]}', Tree(1, [Tree(2, [])])),
        (Pair, '{"left": 1}', Pair(1)),
        (Country, '{"name": "Peru"}', {"name": "Peru"}),
        (Island, '{"name": "Java", "area": 1}', {"name": "Java", "area": 1.0}),
        (City, '{"name": "Lima", "colour": "blue"}', City(name="Lima", colour=Colour.BLUE)),
        (list[City], '[{"name": "Lima"}]', [City(name="Lima")]),
        (City | Friend, '{"name": "Ana", "age": 3}', Friend("Ana", 3)),
        (City | Friend, '{"name": "Lima", "colour": "red"}', City(name="Lima")),
        (Checked, '{"n": 2}', Checked(2)),
        (Order, '{"item": "tea", "city": {"name": "Lima"}}', Order("tea", 1, City(name="Lima"))),
        (Circle | Square, '{"type": "Square", "side": 2}', Square(2.0)),
        (Page[int], '{"items": [1]}', Page([1])),
        (Page[City], '{"items": [{"name": "Lima"}]}', Page([City(name="Lima")])),
        (Colour, '"red"', Colour.RED),
        (Literal["yes", "no"], '"yes"', "yes"),
        (Literal[1, True], "true", True),
        (int | None, "null", None),
        (int | str, '"3"', "3"),
        (float | int, "3", 3),
        (set[int], "[1, 1, 2]", {1, 2}),
        (frozenset[int], "[1]", frozenset({1})),
        (deque[int], "[1]", deque([1])),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (Annotated[list[int], msgspec.Meta(min_length=1)], "[1]", [1]),
        (datetime.date, '"2024-02-29"', datetime.date(2024, 2, 29)),
        (decimal.Decimal, '"1.10"', decimal.Decimal("1.10")),
        (uuid.UUID, f'"{uuid.UUID(int=1)}"', uuid.UUID(int=1)),
        (pathlib.PurePosixPath, '"/a"', pathlib.PurePosixPath("/a")),
        (dict, '{"a": [1]}', {"a": [1]}),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_an_answer_becomes_the_type(format: Any, text: str, value: Any) -> None:
    """Any order of keys; unknown names are passed over; ollama 0.6.3 refuses every class."""
    read = parse(format, text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("format", "text", "reason"),
    [
        (Friend, '{"name": "Ana", "age": "3"}', "expected `int`, got `str` at `$.age`"),
        (Friend, '{"name": "Ana", "age": true}', "expected `int`, got `bool` at `$.age`"),
        (Friend, '{"name": "Ana", "age": 3.5}', "expected `int`, got `float` at `$.age`"),
        (Friend, '{"name": "Ana"}', "Friend needs age"),
        (Friend, "[]", "expected an object, got an array"),
        (Friend, '{"name": "A", "age": -1}', "age must not be negative"),
        (list[Friend], '[{"name": "A", "age": 1}, {}]', "Friend needs name, age at `$[1]`"),
        (Page[Friend], '{"items": [{"name": 1, "age": 1}]}', "at `$.items[0].name`"),
        (City, '{"name": "L", "friends": [{"age": 1}]}', "field required at `$.friends[0].name`"),
        (City, '{"colour": "green"}', "at `$.name`; input should be 'red' or 'blue' at `$.colour`"),
        (Order, '{"item": "tea", "city": {}}', "at `$.city`"),
        (Checked, '{"n": 0}', "greater than or equal to 1 at `$.n`"),
        (Colour, '"green"', '"green" is none of "red", "blue"'),
        (Literal[1], "true", "true is none of 1"),
        (int | str, "[1]", "[1] is not int | str"),
        (Friend | None, '{"name": "A", "age": "x"}', "expected `int`, got `str` at `$.age`"),
        (tuple[int, str], "[1]", "expected 2 items, got 1"),
        (tuple[int, str], '[1, "a", 2]', "expected 2 items, got 3"),
        (list[int], '"[1]"', "expected an array, got a string"),
        (set[tuple[list[int], int]], "[[[1], 2]]", "unhashable type"),
        (Annotated[list[int], msgspec.Meta(min_length=1)], "[]", "at least 1 items, got 0"),
        (Annotated[dict[str, int], msgspec.Meta(max_length=1)], '{"a": 1, "b": 2}', "at most 1"),
        (Annotated[int | None, msgspec.Meta(ge=5)], "4", "4 is not int | null"),
        (pathlib.PurePosixPath, "1", "expected a string, got an integer"),
        (Friend, "", "it is empty"),
        (Friend, " \n", "it is empty"),
        (Friend, "Ana is 3", "it is not JSON: invalid character (byte 0)"),
        (Friend, '{"name": "An', "the JSON is cut off"),
        (City, '{"name": "An', "the JSON is cut off"),
        (Friend, '{"name": "Ana", "age": 3} and so on', "it is not JSON: trailing characters"),
        (Friend, 'Sure:\n```json\n{"name": "Ana", "age": 3}\n```', "it is not JSON"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_an_answer_that_does_not_fit_says_where(format: Any, text: str, reason: str) -> None:
    """The reason can be sent back to the model; the whole text is kept."""
    with pytest.raises(ParseError) as caught:
        parse(format, text)

    assert reason in caught.value.reason
    assert caught.value.text == text
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason


@pytest.mark.parametrize(
    "text",
    ["\n 7 \n", "```json\n7\n```", "```\n7\n```", " ```JSON \n\n7\n\n```\n"],
)
def test_space_and_a_fence_around_the_answer_do_not_matter(text: str) -> None:
    """A server that ignores the format lets the model wrap its JSON."""
    assert parse(int, text) == 7


def test_only_so_many_problems_are_listed() -> None:
    """The text may go back to a model, whose context is not endless."""
    with pytest.raises(ParseError) as caught:
        parse(pydantic.create_model("M", **{f"f{n}": (int, ...) for n in range(9)}), "{}")

    assert caught.value.reason.count("field required") == 5
    assert caught.value.reason.endswith("; 4 more")


# What is sent


@pytest.mark.parametrize("format", [None, ""])
def test_no_format_sends_nothing(format: Any) -> None:
    """Neither None nor ""."""
    assert format_of(format).wire is None
    assert format_of(format).parse is None


def test_json_is_sent_as_it_is() -> None:
    """And nothing is parsed."""
    assert format_of("json").wire == "json"
    assert format_of("json").parse is None


def test_a_schema_is_sent_as_it_is() -> None:
    """The very same object; nothing is parsed."""
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}}

    assert format_of(schema).wire is schema
    assert format_of(schema).parse is None


def test_a_pydantic_class_sends_its_own_schema() -> None:
    """As `City.model_json_schema()` makes it."""
    assert format_of(City).wire == City.model_json_schema()


def test_a_recursive_class_sends_references_below_its_root() -> None:
    """The grammar converter resolves them."""
    body = {
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        },
        "required": ["value", "children"],
    }
    assert format_of(Tree).wire == {**body, "$defs": {"Tree": body}}


def test_only_definitions_in_use_are_sent() -> None:
    """The root is spelled out, so it needs none of its own."""
    wire = format_of(Friend).wire

    assert wire == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "height": {"type": "number", "default": 1.5},
        },
        "required": ["name", "age"],
    }


def test_a_tuple_keeps_its_places() -> None:
    """`items` would override them in the grammar converter."""
    assert format_of(tuple[int, str]).wire == {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
    }


@pytest.mark.parametrize(
    ("format", "named"),
    [
        ("yaml", "'yaml'"),
        ('{"type": "object"}', '\'{"type": "object"}\''),
        (3, "3"),
        (True, "True"),
        ([Friend], "an object of list"),
        (Friend("Ana", 3), "an object of Friend"),
        (City(name="secret"), "an object of City"),
        (parse, "the function parse"),
        (b"json", "an object of bytes"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_what_is_no_format_is_refused(format: Any, named: str) -> None:
    """Now, where the server would fail late; the message says what is accepted and shows
    nothing of the caller's objects."""
    with pytest.raises(RequestError) as caught:
        format_of(format)

    message = str(caught.value)
    assert message.startswith(f"format: {named} is not accepted; give a class")
    assert '"json"' in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("format", "message"),
    [
        (complex, "complex has no JSON Schema"),
        (Any, "Any says nothing about the answer"),
        (list[complex], "complex has no JSON Schema"),
        (type("Bad", (), {"__annotations__": {"a": int}}), "Bad has no JSON Schema"),
        (enum.Enum("Odd", {"A": (1, 2)}), "of Odd is not a JSON value"),
        (enum.Enum("Empty", {}), "Empty has no members"),
        (dict[tuple[int, int], str], "cannot be the key of a dict"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_a_type_without_schema_is_refused(format: Any, message: str) -> None:
    """With the reason."""
    with pytest.raises(RequestError, match="format: .*" + message.replace("(", r"\(")):
        format_of(format)


def test_a_type_msgspec_or_pydantic_cannot_say_is_refused_as_ours() -> None:
    """No error of theirs comes out."""

    class Bad(msgspec.Struct):
        it: complex

    class Worse(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        it: Odd

    class Odd: ...

    for format in (Bad, Worse, list[Worse]):
        with pytest.raises(RequestError, match="format: "):
            format_of(format)


def test_pydantic_is_not_imported() -> None:
    """As long as the user's own code has not."""
    code = """
import dataclasses, sys, typing
from arriero.schema import format_of, tool_from_function
@dataclasses.dataclass
class A:
    n: typing.Annotated[int, "words"]
def tool(a: A, b: list[int] | None = None): "Do it."
tool_from_function(tool)
assert format_of(A).parse('{"n": 1}') == A(1)
assert "pydantic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
