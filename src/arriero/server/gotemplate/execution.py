"""Run a parsed template over its data.

Source: Go 1.26, text/template/exec.go, for the meaning and the error texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .errors import TemplateError
from .formatting import Printer, sprint
from .functions import FUNCTIONS, LAZY, Builtin, Context, Failed, missing_value
from .gotext import bytes_of, quote
from .nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Leave,
    Nil,
    Node,
    Nodes,
    Operand,
    Pipeline,
    Text,
    Tree,
    Variable,
)
from .values import (
    ABSENT,
    Printing,
    Struct,
    TypeScripted,
    holds_anything,
    is_list,
    is_map,
    is_true,
    type_name,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one rendering may take; a template comes from strangers.

    Attributes:
        output_chars: Length of the result, and of every text on the way there.
        steps: Nodes run and values evaluated. A long chat with an elaborate template takes
            some ten thousand.
        depth: Actions, parentheses and templates in each other.
    """

    output_chars: int = 16 * 1024 * 1024
    steps: int = 2_000_000
    depth: int = 120


_NONE = object()
"""Marks that no value comes from the command before."""

_STEP_CHARS = 1024
"""So much text handled counts as one more step."""

_Exit = Literal["break", "continue"] | None


class Execution:
    """One rendering.

    Args:
        tree: The template.
        context: What functions need.
        limits: How much it may take.
    """

    def __init__(self, tree: Tree, context: Context, limits: Limits) -> None:
        self._tree = tree
        self._context = context
        self._limits = limits
        self._printer = Printer(limits.output_chars)
        self._steps = limits.steps
        self._depth = 0
        self._name = ""
        self._node: Node | Operand | Command | None = None
        self._variables: list[tuple[str, object]] = []

    def run(self, data: Mapping[str, object]) -> str:
        """Render. Raises `TemplateError`."""
        self._variables = [("$", data)]
        self._run_nodes(self._tree.root, data)
        return self._printer.text()

    def _error(self, text: str) -> TemplateError:
        if self._node is None:
            return TemplateError(f"template: {self._name}: {text}")
        before = self._tree.text[: self._node.at]
        line = 1 + before.count("\n")
        column = len(bytes_of(before[before.rfind("\n") + 1 :]))
        place = f":{line}:{column}: executing {quote(self._name)} at <{self._node}>"
        return TemplateError(f"template: {place}: {text}")

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise TemplateError(f"template: takes more than {self._limits.steps} steps")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > self._limits.depth:
            raise self._error(f"exceeded maximum template depth ({self._limits.depth})")

    def _run_nodes(self, nodes: Nodes, dot: object) -> _Exit:
        self._enter()
        for node in nodes.items:
            self._spend(1)
            leaves = self._run(node, dot)
            if leaves is not None:
                self._depth -= 1
                return leaves
        self._depth -= 1
        return None

    def _run(self, node: Node, dot: object) -> _Exit:
        self._node = node
        match node:
            case Text():
                self._add(node.text)
            case Action():
                value = self._pipeline(node.pipeline, dot)
                if not node.pipeline.variables:
                    self._print(value)
            case Branch():
                known = len(self._variables)
                leaves = self._branch(node, dot)
                del self._variables[known:]
                return leaves
            case Call():
                self._call_template(node, dot)
            case Leave():
                return node.word
        return None

    def _add(self, text: str) -> None:
        self._spend(len(text) // _STEP_CHARS)
        self._printer.add(text)

    def _print(self, value: object) -> None:
        if isinstance(value, str):
            self._add(value)
        elif value is None or value is ABSENT:
            self._add("<no value>")
        else:
            self._add(sprint([value], self._limits.output_chars))

    def _branch(self, node: Branch, dot: object) -> _Exit:
        value = self._pipeline(node.pipeline, dot)
        if node.word == "range":
            return self._range(node, value, dot)
        if is_true(value):
            return self._run_nodes(node.body, value if node.word == "with" else dot)
        return None if node.otherwise is None else self._run_nodes(node.otherwise, dot)

    def _range(self, node: Branch, value: object, dot: object) -> _Exit:
        known = len(self._variables)
        ran = False
        for key, item in self._pairs(node, value):
            ran = True
            self._spend(1)
            self._set_range_variables(node.pipeline, known, key, item)
            leaves = self._run_nodes(node.body, item)
            del self._variables[known:]
            if leaves == "break":
                break
        if ran or node.otherwise is None:
            return None
        return self._run_nodes(node.otherwise, dot)

    def _set_range_variables(
        self, pipeline: Pipeline, known: int, key: object, item: object
    ) -> None:
        names = pipeline.variables
        pairs = list(zip(names, (item,) if len(names) == 1 else (key, item), strict=False))
        for at, (name, value) in enumerate(pairs):
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self._variables[known - len(pairs) + at] = (name, value)

    def _pairs(self, node: Branch, value: object) -> Iterable[tuple[object, object]]:
        if value is None or value is ABSENT:
            return ()
        if is_list(value):
            return enumerate(value)
        if is_map(value):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, int) and not isinstance(value, bool):
            if len(node.pipeline.variables) > 1:
                shown = sprint([value], 200)
                raise self._error(f"can't use {shown} to iterate over more than one variable")
            return ((ABSENT, number) for number in range(value))
        raise self._error(f"range can't iterate over {sprint([value], self._limits.output_chars)}")

    def _call_template(self, node: Call, dot: object) -> None:
        # The template itself is found under the empty name it has.
        nodes = self._tree.root if not node.name else self._tree.defined.get(node.name)
        if nodes is None:
            raise self._error(f"template {quote(node.name)} not defined")
        if self._depth >= self._limits.depth:
            raise self._error(f"exceeded maximum template depth ({self._limits.depth})")
        value: object = ABSENT if node.pipeline is None else self._pipeline(node.pipeline, dot)
        outside = self._name, self._variables
        self._name, self._variables = node.name, [("$", value)]
        self._run_nodes(nodes, value)
        self._name, self._variables = outside

    def _pipeline(self, pipeline: Pipeline, dot: object) -> object:
        self._enter()
        self._node = pipeline
        value: object = _NONE
        for command in pipeline.commands:
            value = self._command(command, dot, value)
            # Nil loses its interface here, and with it its type.
            value = ABSENT if value is None else value
        self._depth -= 1
        for name in pipeline.variables:
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))
        return value

    def _assign(self, name: str, value: object) -> None:
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return
        raise self._error(f"undefined variable: {name}")

    def _variable(self, name: str) -> object:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise self._error(f"undefined variable: {name}")

    def _command(self, command: Command, dot: object, final: object) -> object:
        first = command.args[0]
        self._spend(1)
        match first:
            case Field() | Chain() | Variable():
                return self._fields(first, dot, command.args, final)
            case Function():
                return self._function(first, command, command.args, dot, final)
            case Pipeline():
                self._refuse_arguments(command.args, final)
                return self._pipeline(first, dot)
            case _:
                self._node = first
                self._refuse_arguments(command.args, final)
                if isinstance(first, Nil):
                    raise self._error("nil is not a command")
                return dot if isinstance(first, Dot) else first.value

    def _refuse_arguments(self, args: Sequence[Operand], final: object) -> None:
        if len(args) > 1 or final is not _NONE:
            raise self._error(f"can't give argument to non-function {args[0]}")

    def _fields(
        self,
        node: Field | Chain | Variable,
        dot: object,
        args: Sequence[Operand],
        final: object = _NONE,
    ) -> object:
        self._node = node
        names = node.names
        match node:
            case Field():
                value = dot
            case Chain():
                if isinstance(node.start, Nil):
                    raise self._error(f"indirection through explicit nil in {node}")
                value = self._argument(node.start, dot)
            case Variable():
                value = self._variable(names[0])
                names = names[1:]
                if not names:
                    self._refuse_arguments(args, final)
        has_args = len(args) > 1 or final is not _NONE
        boxed = False
        for at, name in enumerate(names):
            inside = self._field(value, name, has_args and at == len(names) - 1, boxed)
            boxed = is_map(value) and holds_anything(value)
            value = inside
        return value

    def _field(self, value: object, name: str, has_args: bool, boxed: bool) -> object:
        if value is ABSENT:
            return ABSENT
        if value is None:
            raise self._error(f"nil pointer evaluating interface {{}}.{name}")
        method = _method(value, name)
        if method is not None:
            if has_args:
                raise self._error(f"wrong number of args for {name}: want 0 got 1")
            return method
        if isinstance(value, Struct) and name in value.fields:
            if has_args:
                raise self._error(f"{name} has arguments but cannot be invoked as function")
            return value.fields[name]
        if is_map(value):
            if has_args:
                raise self._error(f"{name} is not a method but has arguments")
            return value[name] if name in value else missing_value(value)
        # What a map of anything holds is known to Go as an interface only.
        kind = "interface {}" if boxed else type_name(value)
        raise self._error(f"can't evaluate field {name} in type {kind}")

    def _function(
        self,
        node: Function,
        place: Function | Command,
        args: Sequence[Operand],
        dot: object,
        final: object,
    ) -> object:
        self._node = node
        builtin = FUNCTIONS[node.name]
        given = len(args) - 1 + (final is not _NONE)
        if given < builtin.least or (builtin.most is not None and given > builtin.most):
            raise self._error(_wrong_count(node.name, builtin, len(args) - 1, given))
        if node.name in LAZY:
            return self._lazy(node.name, args[1:], dot, final)
        values = [self._typed_argument(arg, dot, builtin, at) for at, arg in enumerate(args[1:])]
        if final is not _NONE:
            values.append(self._checked(final, builtin, len(values)))
        self._spend(sum(len(value) for value in values if isinstance(value, str)) // _STEP_CHARS)
        try:
            result = builtin.body(self._context, values)
        except Failed as error:
            self._node = place
            raise self._error(f"error calling {node.name}: {error}") from error
        self._spend(len(result) // _STEP_CHARS if isinstance(result, str) else 0)
        return result

    def _lazy(self, name: str, args: Sequence[Operand], dot: object, final: object) -> object:
        value: object = ABSENT
        for arg in args:
            value = self._argument(arg, dot)
            if is_true(value) == (name == "or"):
                return value
        return value if final is _NONE else final

    def _typed_argument(self, arg: Operand, dot: object, builtin: Builtin, at: int) -> object:
        wants_text = _wants_text(builtin, at)
        if wants_text and isinstance(arg, Nil):
            self._node = arg
            raise self._error("cannot assign nil to string")
        if wants_text and isinstance(arg, Constant) and not isinstance(arg.value, str):
            self._node = arg
            raise self._error(f"expected string; found {arg}")
        return self._checked(self._argument(arg, dot), builtin, at)

    def _checked(self, value: object, builtin: Builtin, at: int) -> object:
        if _wants_text(builtin, at) and not isinstance(value, str):
            if value is ABSENT:
                raise self._error("invalid value; expected string")
            raise self._error(f"wrong type for value; expected string; got {type_name(value)}")
        return value

    def _argument(self, arg: Operand, dot: object) -> object:
        self._node = arg
        self._spend(1)
        match arg:
            case Dot():
                return dot
            case Nil():
                return ABSENT
            case Constant():
                return arg.value
            case Field() | Chain() | Variable():
                return self._fields(arg, dot, (arg,))
            case Function():
                return self._function(arg, arg, (arg,), dot, _NONE)
            case Pipeline():
                return self._pipeline(arg, dot)


def _method(value: object, name: str) -> str | None:
    """What a method of a value gives, or None if it has no such method."""
    if name == "String" and isinstance(value, Printing):
        return value.go_text()
    if name == "ToTypeScriptType" and isinstance(value, TypeScripted):
        return value.type_script_type()
    return None


def _wants_text(builtin: Builtin, at: int) -> bool:
    return builtin.texts == "all" or (builtin.texts == "first" and at == 0)


def _wrong_count(name: str, builtin: Builtin, written: int, given: int) -> str:
    if builtin.most is None:
        return f"wrong number of args for {name}: want at least {builtin.least} got {written}"
    return f"wrong number of args for {name}: want {builtin.most} got {given}"
