"""The parts of a parsed template. `str()` of one is what Go's error texts quote.

Source: Go 1.26, text/template/parse/node.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .gotext import quote


@dataclass(frozen=True, slots=True, eq=False)
class Dot:
    """``.``"""

    at: int

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True, eq=False)
class Nil:
    """``nil``"""

    at: int

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A bool, number or string, and how it is written."""

    at: int
    value: bool | int | float | str
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """``.Message.Content``: names without their dots."""

    at: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """``$`` or ``$name.Field``: the name keeps its dollar sign."""

    at: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """The name of a function."""

    at: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """``(pipeline).Field``"""

    at: int
    start: Operand
    names: tuple[str, ...]

    def __str__(self) -> str:
        return _in_parens(self.start) + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A value, or a function with its arguments."""

    at: int
    args: tuple[Operand, ...]

    def __str__(self) -> str:
        return " ".join(map(_in_parens, self.args))


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """Commands, each handing its value to the next, and the variables the last one sets."""

    at: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False
    """Whether the variables exist already (``=`` instead of ``:=``)."""

    def __str__(self) -> str:
        body = " | ".join(map(str, self.commands))
        if not self.variables:
            return body
        return f"{', '.join(self.variables)} {'=' if self.assigns else ':='} {body}"


Operand: TypeAlias = Dot | Nil | Constant | Field | Variable | Function | Chain | Pipeline


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """Text outside of actions."""

    at: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """A pipeline whose value is printed unless it sets variables."""

    at: int
    pipeline: Pipeline

    def __str__(self) -> str:
        return f"{{{{{self.pipeline}}}}}"


@dataclass(frozen=True, slots=True, eq=False)
class Leave:
    """``break`` or ``continue``."""

    at: int
    word: Literal["break", "continue"]


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """``if``, ``with`` or ``range``."""

    at: int
    word: Literal["if", "with", "range"]
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes | None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """``template`` or ``block``: another template in this place."""

    at: int
    name: str
    pipeline: Pipeline | None

    def __str__(self) -> str:
        value = "" if self.pipeline is None else f" {self.pipeline}"
        return f"{{{{template {quote(self.name)}{value}}}}}"


Node: TypeAlias = Text | Action | Leave | Branch | Call


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """What stands between two actions that belong together."""

    items: Sequence[Node] = field(default_factory=tuple[Node, ...])

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space."""
        return all(isinstance(node, Text) and not node.text.strip() for node in self.items)


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed template: its own nodes, and those of the templates it defines."""

    text: str
    root: Nodes
    defined: dict[str, Nodes]


def _in_parens(operand: Operand) -> str:
    return f"({operand})" if isinstance(operand, Pipeline) else str(operand)
