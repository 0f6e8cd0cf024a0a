"""Annotations that are text are turned into the types they name."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, cast

from arriero.schema.fault import NoSchema
from arriero.schema.foreign import first_line


def resolved(annotation: Any, owner: Any) -> Any:
    """Give `annotation` with every text and forward reference in it resolved.

    Names are looked up where `owner` was defined: in its module, its closure, and in the
    function around it as long as that is still running.

    Args:
        annotation: As found on `owner`.
        owner: The function or class that carries it.

    Raises:
        NoSchema: a name is not known there.
    """
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    scope: dict[str, Any] = {}
    for names in _scopes(owner):
        scope = {**names, **scope}
    try:
        return typing.get_type_hints(holder, _globals(owner), scope, include_extras=True)["it"]
    except NameError as error:
        raise NoSchema(
            f"the annotation {annotation!r} names {error.name!r}, which is not defined there",
            "define it in the module, and not under `if TYPE_CHECKING`",
        ) from error
    except (SyntaxError, TypeError, AttributeError) as error:
        raise NoSchema(
            f"the annotation {annotation!r} cannot be evaluated: {first_line(error)}",
            "correct it",
        ) from error


def _globals(owner: Any) -> dict[str, Any]:
    found = getattr(owner, "__globals__", None)
    if found is None:
        module = sys.modules.get(getattr(owner, "__module__", ""))
        found = vars(module) if module else {}
    return cast("dict[str, Any]", found)


def _scopes(owner: Any) -> Iterator[Mapping[str, Any]]:
    """Yield where a name may be defined before the module, the nearest first."""
    parameters = cast("tuple[Any, ...]", getattr(owner, "__type_params__", ()))
    yield {parameter.__name__: parameter for parameter in parameters}
    if isinstance(owner, type):
        yield {owner.__name__: owner}
    code, cells = getattr(owner, "__code__", None), getattr(owner, "__closure__", None)
    if code is not None and cells:
        yield {
            name: cell.cell_contents
            for name, cell in zip(code.co_freevars, cells, strict=True)
            if cell != types.CellType()  # one that is still empty
        }
    yield from _running_scopes(owner)


def _running_scopes(owner: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the variables of the functions around `owner` that are still running."""
    around: set[str] = set()
    outer, _, _ = str(getattr(owner, "__qualname__", "")).rpartition(".<locals>.")
    while outer:
        around.add(outer)
        outer, _, _ = outer.rpartition(".<locals>.")
    module = getattr(owner, "__module__", None)
    frame: types.FrameType | None = sys._getframe() if around else None
    while frame is not None:
        if frame.f_code.co_qualname in around and frame.f_globals.get("__name__") == module:
            yield dict(frame.f_locals)
        frame = frame.f_back
