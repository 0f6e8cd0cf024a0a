"""Functions become tools without loss, or are refused."""

from __future__ import annotations

import datetime
import enum
import functools
import json
import pathlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import annotated_types
import msgspec
import pydantic
import pytest
import typing_extensions

from arriero.errors import RequestError
from arriero.schema import Hidden, convert_function_to_tool, tool_from_function, tools_to_wire
from arriero.settings import Timeouts
from arriero.types.record import to_wire
from arriero.types.tool import Tool


class Unit(enum.Enum):
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    """A place.

    Attributes:
        x: East of the origin.
    """

    x: int
    y: Annotated[float, "north of the origin"] = 0.5
    tags: list[str] = field(default_factory=list)


class Person(TypedDict, total=False):
    name: str
    age: int


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Order(msgspec.Struct):
    item: str
    count: int = 1


class City(pydantic.BaseModel):
    name: str
    unit: Unit = Unit.CELSIUS
    centre: Point | None = None


class Tree(pydantic.BaseModel):
    value: int
    children: list[Tree] = []


@dataclass
class Chain:
    value: int
    rest: Chain | None = None


T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    content: T


UserId = NewType("UserId", int)

POINT = {
    "type": "object",
    "description": "A place.",
    "properties": {
        "x": {"type": "integer", "description": "East of the origin."},
        "y": {"type": "number", "description": "north of the origin", "default": 0.5},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["x"],
}
INT = {"type": "integer"}
UNIT = {"type": "string", "enum": ["celsius", "fahrenheit"]}


def taking(annotation: Any) -> Callable[..., None]:
    """Give a function whose only parameter, `it`, has this annotation."""

    def tool(it: Any) -> None: ...

    tool.__annotations__["it"] = annotation
    return tool


def parameters(function: Any) -> dict[str, Any]:
    return tool_from_function(function)["function"]["parameters"]


def described(annotation: Any) -> dict[str, Any]:
    return parameters(taking(annotation))["properties"]["it"]


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (object, {}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1, None], {"type": ["string", "integer", "null"], "enum": ["a", 1, None]}),
        (Unit, UNIT),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (list, {"type": "array", "items": {}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[str, Any], {"type": "object", "additionalProperties": {}}),
        (
            dict[Unit, int],
            {
                "type": "object",
                "properties": {
                    "celsius": {"type": "integer"},
                    "fahrenheit": {"type": "integer"},
                },
                "additionalProperties": False,
            },
        ),
        (Point, POINT),
        (list[Point], {"type": "array", "items": POINT}),
        (Point | None, {"anyOf": [POINT, {"type": "null"}]}),
        (
            Person,
            {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": [],
            },
        ),
        (
            Pair,
            {
                "type": "object",
                "properties": {
                    "left": {"type": "integer"},
                    "right": {"type": "string", "default": "r"},
                },
                "required": ["left"],
            },
        ),
        (
            Order,
            {
                "type": "object",
                "properties": {
                    "item": {"type": "string"},
                    "count": {"type": "integer", "default": 1},
                },
                "required": ["item"],
            },
        ),
        (
            Box[int],
            {
                "type": "object",
                "properties": {"content": {"type": "integer"}},
                "required": ["content"],
            },
        ),
        (UserId, {"type": "integer"}),
        (typing_extensions.TypeAliasType("Ids", list[UserId]), {"type": "array", "items": INT}),
        (TypeVar("Bound", bound=int), INT),
        (TypeVar("Either", int, str), {"anyOf": [INT, {"type": "string"}]}),
        (Box, {"type": "object", "properties": {"content": {}}, "required": ["content"]}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (datetime.time, {"type": "string", "format": "time"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (pathlib.Path, {"type": "string", "format": "path"}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (
            Annotated[int, msgspec.Meta(ge=1, description="how many")],
            {"type": "integer", "minimum": 1, "description": "how many"},
        ),
        (Annotated[int, annotated_types.Ge(1)], {"type": "integer", "minimum": 1}),
        (
            Annotated[int | None, msgspec.Meta(le=9)],
            {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}]},
        ),
        (
            Annotated[list[int], msgspec.Meta(min_length=1, max_length=3)],
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        ),
        (
            Annotated[int, pydantic.Field(ge=1, description="how many")],
            {"type": "integer", "minimum": 1, "description": "how many"},
        ),
        (
            Annotated[Order | None, pydantic.Field(description="what to bring")],
            {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "item": {"type": "string"},
                            "count": {"type": "integer", "default": 1},
                        },
                        "required": ["item"],
                    },
                    {"type": "null"},
                ],
                "description": "what to bring",
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_a_type_is_said_in_full(annotation: Any, schema: dict[str, Any]) -> None:
    """Enums, items, defaults, unions, nesting and constraints all arrive; ollama 0.6.3 sends
    one word for each: "string", "array", "integer, string"."""
    assert described(annotation) == schema


def test_a_tuple_keeps_its_places_and_says_its_items() -> None:
    """The server drops `prefixItems`, so `items` says what it can."""
    assert described(tuple[int, str]) == {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    }


def test_references_of_pydantic_are_spelled_out() -> None:
    """The server drops `$ref`; ollama 0.6.3 sends "string" and a `$defs` nobody uses."""
    schema = described(City)

    assert "$ref" not in json.dumps(schema)
    assert schema["properties"]["unit"] == {**UNIT, "default": "celsius"}
    assert schema["properties"]["centre"]["anyOf"][0]["properties"]["x"]["type"] == "integer"
    assert schema["required"] == ["name"]


def test_a_recursive_type_keeps_references_where_the_server_does() -> None:
    """Inside `items` references survive, so `$defs` holds what they name."""
    made = parameters(taking(Tree))

    children = made["properties"]["it"]["properties"]["children"]
    assert children["items"] == {"$ref": "#/$defs/Tree"}
    assert made["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_a_type_that_contains_itself_outside_of_a_list_is_refused() -> None:
    """Its reference would be dropped on the way to the model."""
    with pytest.raises(RequestError, match=r"tool: Chain contains itself.*list\[Chain\]"):
        tool_from_function(taking(Chain))


def test_two_classes_of_one_name_stay_two() -> None:
    """Definitions go by class, not by name."""

    def other() -> type:
        @dataclass
        class Tree:
            leaves: list[Tree]

        return Tree

    inner = other()
    made = parameters(taking(tuple[Tree, inner]))

    assert set(made["$defs"]) == {"Tree", "Tree_2"}
    first, second = made["properties"]["it"]["prefixItems"]
    assert set(first["properties"]) == {"value", "children"}
    assert second["properties"]["leaves"]["items"] == {"$ref": "#/$defs/Tree_2"}


def test_a_discriminated_union_is_said_in_a_keyword_the_server_keeps() -> None:
    """pydantic writes `oneOf` and `const`, which the server drops."""

    class Cat(pydantic.BaseModel):
        kind: Literal["cat"]

    class Dog(pydantic.BaseModel):
        kind: Literal["dog"]

    schema = described(Annotated[Cat | Dog, pydantic.Field(discriminator="kind")])

    kinds = [member["properties"]["kind"] for member in schema["anyOf"]]
    assert kinds == [{"type": "string", "enum": ["cat"]}, {"type": "string", "enum": ["dog"]}]


# Parameters


def test_a_default_is_shown_and_not_required() -> None:
    """ollama 0.6.3 marks `b` and `d` required and drops the default."""

    def tool(a: int, b: str = "x", *, c: float, d: Unit = Unit.CELSIUS, e: int | None = None):
        """Do it."""

    made = parameters(tool)

    assert made["required"] == ["a", "c"]
    assert made["properties"]["b"] == {"type": "string", "default": "x"}
    assert made["properties"]["d"]["default"] == "celsius"
    assert made["properties"]["e"]["default"] is None


@pytest.mark.parametrize("default", [object(), float("nan"), float("inf"), lambda: 1])
def test_a_default_json_cannot_say_is_left_out(default: Any) -> None:
    """The parameter stays optional."""

    def tool(it: float = default) -> None: ...

    assert parameters(tool) == {"type": "object", "properties": {"it": {"type": "number"}}}


def test_a_function_without_parameters_has_an_empty_object() -> None:
    """`properties` is there, `required` is not."""

    def tool() -> None: ...

    assert tool_from_function(tool) == {
        "type": "function",
        "function": {"name": "tool", "parameters": {"type": "object", "properties": {}}},
    }


def test_an_unannotated_parameter_takes_docstring_then_default_then_anything() -> None:
    """ollama 0.6.3 says "string", and a model then gives numbers as text."""

    def tool(a, b=2, c=None):
        """Do it.

        Args:
            a (float): The first.
        """

    made = parameters(tool)["properties"]
    assert made["a"] == {"type": "number", "description": "The first."}
    assert made["b"] == {"type": "integer", "default": 2}
    assert made["c"] == {"default": None}


def test_the_annotation_is_stronger_than_the_docstring() -> None:
    """`Annotated` stands nearer to the parameter."""

    def tool(a: Annotated[int, "from the annotation"], b: str):
        """Do it.

        Args:
            a (str): from the docstring
            b (int): from the docstring
        """

    made = parameters(tool)["properties"]
    assert made["a"] == {"type": "integer", "description": "from the annotation"}
    assert made["b"] == {"type": "string", "description": "from the docstring"}


@pytest.mark.parametrize(
    ("source", "name", "advice"),
    [
        ("def tool(*args): ...", "args", "use a list"),
        ("def tool(**options): ...", "options", "use a dict"),
        ("def tool(a, /): ...", "a", "remove the `/`"),
        ("def tool(a: complex): ...", "a", "complex has no JSON Schema; use a type that has one"),
        ("def tool(a: 'list[Callable]'): ...", "a", "has no JSON Schema"),
        ("def tool(a: Missing): ...", "a", "'Missing', which is not defined there; define it"),
        ("def tool(a: 'int |'): ...", "a", "cannot be evaluated"),
        ("def tool(a: dict[tuple, int]): ...", "a", "cannot be the key of a dict"),
        ("def tool(a: Annotated[str, Meta(ge=1)]): ...", "a", "ge=1 does not apply to str"),
        ("def tool(a: int = Field(3)): ...", "a", "write Annotated"),
        ("def tool(a: Annotated[int, Hidden]): ...", "a", "hidden from the model but has no"),
        ("def tool(a: Literal[b'x']): ...", "a", "not a JSON value"),
    ],
)
def test_what_cannot_be_said_is_refused(source: str, name: str, advice: str) -> None:
    """Function, parameter, reason and remedy are named; nothing is mangled. ollama 0.6.3
    makes `*args` a required string and anything unknown "string"."""
    namespace: dict[str, Any] = {
        "Annotated": Annotated,
        "Callable": Callable,
        "Field": pydantic.Field,
        "Hidden": Hidden,
        "Literal": Literal,
        "Meta": msgspec.Meta,
    }
    code = compile(f"from __future__ import annotations\n{source}", "source", "exec")
    exec(code, namespace)

    with pytest.raises(RequestError) as caught:
        tool_from_function(namespace["tool"])

    assert str(caught.value).startswith(f"tools: tool: parameter {name!r}: ")
    assert advice in str(caught.value)


def test_a_field_that_cannot_be_said_is_named() -> None:
    """The class and the field, not only the parameter."""

    @dataclass
    class Bad:
        it: complex

    with pytest.raises(RequestError, match=r"parameter 'it': field Bad.it: complex has no"):
        tool_from_function(taking(Bad))


def test_a_lambda_is_refused() -> None:
    """A model could not call it by its name."""
    with pytest.raises(RequestError, match="<lambda> is no name"):
        tool_from_function(lambda a: a)


def test_names_of_local_types_resolve() -> None:
    """Annotations are text here; the class lives in the running function."""

    @dataclass
    class Local:
        other: Other | None = None

    @dataclass
    class Other:
        n: int

    def tool(a: Local, b: list[Other]) -> None: ...

    made = parameters(tool)["properties"]
    assert made["b"]["items"]["properties"] == {"n": {"type": "integer"}}
    assert made["a"]["properties"]["other"]["anyOf"][0]["required"] == ["n"]


def test_names_resolve_in_every_function_around() -> None:
    """Not only the innermost, which has returned here."""

    class Known(TypedDict):
        n: int

    def outer() -> Callable[..., None]:
        def tool(a: Known) -> None: ...

        return tool

    assert parameters(outer())["properties"]["a"]["properties"] == {"n": {"type": "integer"}}


def of_a_stranger(a: Stranger) -> None: ...  # noqa: F821  # not known here: that is the point


def test_names_of_the_caller_are_not_names_of_the_function() -> None:
    """What a caller happens to call so is something else."""

    class Stranger(TypedDict):
        n: int

    assert Stranger.__total__
    with pytest.raises(RequestError, match="'Stranger', which is not defined there"):
        tool_from_function(of_a_stranger)


# Callables


class Desk:
    """A desk.

    Args:
        book: Its title.
    """

    def lend(self, book: str, days: int = 14) -> str:
        """Lend a book."""
        return f"{book}, {days}"

    @classmethod
    def count(cls, shelf: int) -> int:
        return shelf

    @staticmethod
    def open(door: str) -> str:
        return door

    def __call__(self, book: str) -> str:
        return book


async def fetch(url: str) -> str:
    """Fetch a page."""
    return url


def greet(name: str, greeting: str = "hello", *, loud: bool = False) -> str:
    """Greet.

    Args:
        name: Whom.
        greeting: How.
    """
    return f"{greeting} {name} {loud}"


@functools.wraps(greet)
def wrapped(*args: Any, **kwargs: Any) -> str:
    return greet(*args, **kwargs)


@pytest.mark.parametrize(
    ("function", "name", "names", "required"),
    [
        (Desk().lend, "lend", ["book", "days"], ["book"]),
        (Desk.count, "count", ["shelf"], ["shelf"]),
        (Desk.open, "open", ["door"], ["door"]),
        (Desk(), "Desk", ["book"], ["book"]),
        (fetch, "fetch", ["url"], ["url"]),
        (wrapped, "greet", ["name", "greeting", "loud"], ["name"]),
        (functools.partial(greet, "Ana"), "greet", ["greeting", "loud"], None),
        (functools.partial(greet, greeting="hi"), "greet", ["name", "loud"], ["name"]),
        (functools.partial(functools.partial(greet, loud=True), "A"), "greet", ["greeting"], None),
        (functools.partial(Desk().lend, days=3), "lend", ["book"], ["book"]),
        (Point, "Point", ["x", "y", "tags"], ["x"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_any_callable_is_taken(
    function: Any, name: str, names: list[str], required: list[str] | None
) -> None:
    """self, cls and what a partial binds are not shown; ollama 0.6.3 fails on a partial."""
    made = tool_from_function(function)["function"]

    assert made["name"] == name
    assert list(made["parameters"]["properties"]) == names
    assert made["parameters"].get("required") == required


def test_a_partial_keeps_the_words_of_its_function() -> None:
    """Not those of `functools.partial`."""
    made = tool_from_function(functools.partial(greet, loud=True))["function"]

    assert made["description"] == "Greet."
    assert made["parameters"]["properties"]["name"]["description"] == "Whom."


def test_an_object_with_call_takes_words_from_its_class() -> None:
    """Where `__call__` has none."""
    made = tool_from_function(Desk())["function"]

    assert made["description"] == "A desk."
    assert made["parameters"]["properties"]["book"]["description"] == "Its title."


def test_a_hidden_parameter_is_not_shown() -> None:
    """Context that the caller, not the model, decides on."""

    def search(
        query: str,
        session: Annotated[object, Hidden] = None,
        **more: Annotated[Any, Hidden],
    ) -> None: ...

    assert list(parameters(search)["properties"]) == ["query"]


def test_settings_of_a_call_are_not_shown() -> None:
    """So that `client.web_search` can be given to a model."""

    class Client:
        def web_search(
            self, query: str, max_results: int = 3, *, timeouts: Timeouts | None = None
        ) -> None: ...

    assert list(parameters(Client().web_search)["properties"]) == ["query", "max_results"]


def test_a_builtin_without_signature_is_refused() -> None:
    """With advice."""
    with pytest.raises(RequestError, match=r"tools: min: .*wrap it in a function of your own"):
        tool_from_function(min)


# Lists of tools


def test_a_dict_is_sent_as_it_is() -> None:
    """ollama 0.6.3 drops nested properties, anyOf, default, additionalProperties, minLength."""
    tool = {
        "type": "function",
        "function": {
            "name": "f",
            "strict": True,
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "a": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
                    "b": {
                        "type": "object",
                        "properties": {"c": {"type": "integer", "default": None}},
                    },
                },
            },
        },
    }
    (sent,) = tools_to_wire([tool])
    assert sent is tool


def test_a_tool_record_is_sent_in_full() -> None:
    """Wire names, and keywords the record has no name for."""
    tool = Tool(
        function=Tool.Function(
            name="f",
            parameters=Tool.Function.Parameters(
                defs={"A": {"type": "string"}},
                properties={"a": {"type": "string", "minLength": 2, "default": None}},
            ),
        )
    )
    (sent,) = tools_to_wire([tool])
    assert sent == {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {
                "type": "object",
                "$defs": {"A": {"type": "string"}},
                "properties": {"a": {"type": "string", "minLength": 2, "default": None}},
            },
        },
    }


def test_a_pydantic_tool_is_sent_by_its_wire_names() -> None:
    """Such as one of another client's classes."""

    class Theirs(pydantic.BaseModel):
        kind: str = pydantic.Field(serialization_alias="type")
        nothing: int | None = None

    assert tools_to_wire([Theirs(kind="function")]) == [{"type": "function"}]


def test_functions_and_dicts_may_be_mixed() -> None:
    """In the order given."""
    sent = tools_to_wire((greet, {"type": "function"}))

    assert sent == [tool_from_function(greet), {"type": "function"}]


def test_no_tools_are_no_tools() -> None:
    """None and an empty list."""
    assert tools_to_wire(None) == tools_to_wire([]) == []


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([greet, "greet"], r"tools\[1\] must be a function, a dict or a Tool, not str"),
        ([None], r"tools\[0\] must be a function, a dict or a Tool, not NoneType"),
        ([greet, taking(complex)], r"tools\[1\]: tool: parameter 'it': complex has no"),
        ("greet", "tools must be a list of tools, not str"),
        ({"type": "function"}, "tools must be a list of tools, not dict"),
        (greet, r"tools must be a list of tools, not one function; write tools=\[...\]"),
        (7, "tools must be a list of tools, not int"),
    ],
)
def test_a_bad_entry_is_named_by_its_index(tools: Any, message: str) -> None:
    """Before anything is sent."""
    with pytest.raises(RequestError, match=message):
        tools_to_wire(tools)


def test_every_tool_is_new() -> None:
    """Changing one does not change the next."""
    tool_from_function(greet)["function"]["parameters"]["properties"].clear()

    assert parameters(greet)["properties"]


# The name the `ollama` package has for it


def test_the_record_loses_nothing() -> None:
    """It says what the dict says; missing descriptions are "", as there."""

    def tool(a: Tree, b: Annotated[int, msgspec.Meta(ge=1)] = 2, c: int | None = None) -> None: ...

    expected = tool_from_function(tool)
    expected["function"]["description"] = ""
    for part in expected["function"]["parameters"]["properties"].values():
        part["description"] = ""
    assert to_wire(convert_function_to_tool(tool)) == expected


def test_the_record_dumps_as_in_the_ollama_package() -> None:
    """Absent fields are None, `required` too when there is nothing required."""

    def bare() -> None: ...

    def two(x: int, y: str) -> None:
        """Do it."""

    empty = {"type": "object", "defs": None, "items": None, "required": None, "properties": {}}
    assert convert_function_to_tool(bare).model_dump()["function"]["parameters"] == empty
    assert convert_function_to_tool(two).model_dump()["function"]["parameters"] == {
        "type": "object",
        "defs": None,
        "items": None,
        "required": ["x", "y"],
        "properties": {
            "x": {"type": "integer", "description": "", "enum": None, "items": None},
            "y": {"type": "string", "description": "", "enum": None, "items": None},
        },
    }
