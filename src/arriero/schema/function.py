"""Callables: their parameters as nodes, their words from the docstring.

An unannotated parameter takes the type its docstring names in one plain word, else that of
its default, else anything: a model that is told "string", as the `ollama` package tells it,
calls ``add(a, b)`` with ``"3"`` and ``"4"``.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from arriero.schema.describe import Hidden, default_keyword, describe, is_described
from arriero.schema.docstring import Docs, docs_of
from arriero.schema.document import Definitions, Schema, for_tools
from arriero.schema.fault import Misfit, NoSchema
from arriero.schema.foreign import first_line
from arriero.schema.hints import resolved
from arriero.schema.node import Anything, Node

_EMPTY = inspect.Parameter.empty


class Parameter(msgspec.Struct, frozen=True):
    """A parameter a model may give."""

    name: str
    node: Node
    is_required: bool
    keywords: Schema
    """Description and default, as far as there are any."""


class Signature(msgspec.Struct, frozen=True):
    """A callable as a model sees it."""

    name: str
    description: str
    parameters: dict[str, Parameter]

    def schema(self) -> Schema:
        """Give the JSON Schema of its arguments, in the keywords Ollama keeps."""
        defs = Definitions()
        parts = {
            name: {**part.node.schema(defs), **part.keywords}
            for name, part in self.parameters.items()
        }
        made: Schema = {"type": "object", "properties": parts}
        required = [name for name, part in self.parameters.items() if part.is_required]
        if required:
            made["required"] = required
        return for_tools(made, defs.schemas)

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Turn arguments a model gave into those to call with.

        Read leniently; null for an optional argument that cannot be null is as if it had
        not been given.

        Raises:
            Misfit: naming every missing, unknown and unfit argument, for the model to read.
        """
        faults: list[str] = []
        bound: dict[str, Any] = {}
        for name, value in arguments.items():
            part = self.parameters.get(name)
            if part is None:
                known = ", ".join(self.parameters) or "none"
                faults.append(f"there is no argument {name!r}, only: {known}")
                continue
            try:
                bound[name] = part.node.read(value, f".{name}", lenient=True)
            except Misfit as misfit:
                if value is not None or part.is_required:
                    faults.append(str(misfit))
        for name, part in self.parameters.items():
            if part.is_required and name not in arguments:
                faults.append(f"the argument {name!r} is missing")
        if faults:
            raise Misfit("", "; ".join(faults))
        return bound


def signature_of(function: Callable[..., Any]) -> Signature:
    """Read a callable.

    Raises:
        NoSchema: a parameter cannot be said in JSON Schema.
    """
    bound, inner = _without_partials(function)
    code = _code_of(inner)
    docs = _docs(inner)
    try:
        found = inspect.signature(function)
    except (ValueError, TypeError) as error:
        raise NoSchema(first_line(error), "wrap it in a function of your own") from error
    parameters: dict[str, Parameter] = {}
    for name, part in found.parameters.items():
        if name in bound:
            continue
        try:
            read = _parameter(part, code, docs)
        except NoSchema as error:
            raise NoSchema(f"parameter {name!r}: {error.reason}", error.advice) from error
        if read is not None:
            parameters[name] = read
    return Signature(name_of(inner), docs.description, parameters)


def name_of(function: Callable[..., Any]) -> str:
    """Give the name a model calls it by; of an object with ``__call__``, its class's."""
    _, inner = _without_partials(function)
    return str(getattr(inner, "__name__", None) or type(inner).__name__)


def _without_partials(function: Any) -> tuple[set[str], Any]:
    """Give what is bound by name, and what is inside."""
    bound: set[str] = set()
    while isinstance(function, functools.partial):
        partial = cast("functools.partial[Any]", function)
        bound.update(partial.keywords)
        function = partial.func
    return bound, function


def _code_of(function: Any) -> Any:
    """Give the function or class whose surroundings the annotations were written in."""
    if isinstance(function, types.MethodType):
        function = function.__func__
    elif isinstance(function, type):
        init = cast("Any", function).__init__
        function = init if hasattr(init, "__globals__") else function
    elif not hasattr(function, "__globals__"):
        function = type(function).__call__
    return inspect.unwrap(function)


def _docs(function: Any) -> Docs:
    own = docs_of(inspect.getdoc(function))
    if inspect.isroutine(function) or isinstance(function, type):
        return own
    # An object with __call__: either docstring may say what it does.
    call = docs_of(type(function).__call__.__doc__)
    return Docs(call.description or own.description, own.arguments | call.arguments)


def _parameter(part: inspect.Parameter, code: Any, docs: Docs) -> Parameter | None:
    """Read one parameter; None if it is hidden from the model."""
    annotation = part.annotation
    if annotation is not _EMPTY:
        annotation = resolved(annotation, code)
    has_default = part.default is not _EMPTY
    if _is_hidden(annotation):
        if has_default or part.kind in (part.VAR_POSITIONAL, part.VAR_KEYWORD):
            return None
        raise NoSchema(
            "it is hidden from the model but has no default",
            "give it one, or bind it with functools.partial",
        )
    _refuse_kind(part)
    said = docs.arguments.get(part.name)
    node = (
        _unannotated(part, said.type if said else None)
        if annotation is _EMPTY
        else describe(annotation)
    )
    keywords: Schema = {}
    if said and said.description and not is_described(node):
        keywords["description"] = said.description
    if has_default:
        keywords.update(default_keyword(part.default))
    return Parameter(part.name, node, not has_default, keywords)


def _unannotated(part: inspect.Parameter, said: type | None) -> Node:
    if said is not None:
        return describe(said)
    if type(part.default) in (int, float, str, bool):
        return describe(type(part.default))
    return Anything()


def _is_hidden(annotation: Any) -> bool:
    """Whether it is marked, or one of our own settings, as ``timeouts`` of `web_search` is."""
    parts = (annotation, *typing.get_args(annotation))
    if any(getattr(part, "__module__", "") == "arriero.settings" for part in parts):
        return True
    return typing.get_origin(annotation) is typing.Annotated and any(
        part is Hidden or isinstance(part, Hidden) for part in typing.get_args(annotation)[1:]
    )


def _refuse_kind(part: inspect.Parameter) -> None:
    if part.kind is part.POSITIONAL_ONLY:
        raise NoSchema(
            "it is positional-only, and a model gives arguments by name",
            "remove the `/` from the signature",
        )
    if part.kind is part.VAR_POSITIONAL:
        raise NoSchema(f"a model cannot give *{part.name}", f"use a list: {part.name}: list[...]")
    if part.kind is part.VAR_KEYWORD:
        raise NoSchema(
            f"a model cannot give **{part.name}", f"use a dict: {part.name}: dict[str, ...]"
        )
    if type(part.default).__name__ == "FieldInfo":
        raise NoSchema(
            "its default is a pydantic Field, which Python would pass on as the value",
            "write Annotated[T, Field(...)] = default",
        )
