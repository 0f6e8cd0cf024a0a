"""Types and functions that become tools."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pydantic

from arriero.schema import tool_from_function


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


def taking(annotation: Any) -> Callable[..., None]:
    """Give a function whose only parameter, `it`, has this annotation."""

    def tool(it: Any) -> None: ...

    tool.__annotations__["it"] = annotation
    return tool


def parameters(function: Any) -> dict[str, Any]:
    return tool_from_function(function)["function"]["parameters"]


def described(annotation: Any) -> dict[str, Any]:
    return parameters(taking(annotation))["properties"]["it"]


def greet(name: str, greeting: str = "hello", *, loud: bool = False) -> str:
    """Greet.

    Args:
        name: Whom.
        greeting: How.
    """
    return f"{greeting} {name} {loud}"
