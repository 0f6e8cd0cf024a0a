"""Types that other libraries describe and read themselves: msgspec's, attrs' and pydantic's.

pydantic is never imported here unless the user's own code has imported it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import msgspec

from arriero.schema.document import REF, Definitions, Schema
from arriero.schema.fault import Misfit, NoSchema
from arriero.schema.node import Node, convert, opened

Describe: TypeAlias = Callable[[Any], Node]
"""Turns an annotation into a node."""

_MAX_PROBLEMS = 5
"""How many of pydantic's complaints one message names: enough for a model to mend its
answer, not so many that they fill its context."""


class Struct(msgspec.Struct, frozen=True):
    """A `msgspec.Struct` or an attrs class; its fields may hold pydantic models."""

    type: Any
    title: str
    describe: Describe

    def schema(self, defs: Definitions) -> Schema:
        """Give msgspec's schema."""
        try:
            (made,), components = msgspec.json.schema_components(
                (self.type,),
                schema_hook=lambda inner: self.describe(inner).schema(defs),
                ref_template=REF + "{name}",
            )
        except TypeError as error:
            raise NoSchema(
                f"{self.title}: {first_line(error)}", "change that field's type"
            ) from error
        return defs.adopt(made, components)

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Convert by msgspec."""

        def hook(inner: Any, part: Any) -> Any:
            return self.describe(inner).read(part, "", lenient=lenient)

        return convert(
            opened(value) if lenient else value,
            self.type,
            path,
            strict=not lenient,
            dec_hook=hook,
        )


class Pydantic(msgspec.Struct, frozen=True):
    """Whatever pydantic knows: its models, dataclasses and annotated types."""

    adapter: Any
    title: str

    def schema(self, defs: Definitions) -> Schema:
        """Give pydantic's schema."""
        made: dict[str, Any] = dict(self.document())
        components = cast("dict[str, Schema]", made.pop("$defs", {}))
        return defs.adopt(made, components)

    def document(self) -> Schema:
        """Give pydantic's schema as it makes it.

        Raises:
            NoSchema: the type has none.
        """
        import pydantic

        try:
            return cast("Schema", self.adapter.json_schema())
        except pydantic.PydanticUserError as error:
            raise NoSchema(f"{self.title}: {first_line(error)}", "change its type") from error

    def read(self, value: Any, path: str, *, lenient: bool) -> Any:
        """Validate by pydantic's own rules for JSON, which decide on leniency themselves."""
        return self.read_json(msgspec.json.encode(opened(value) if lenient else value), path)

    def read_json(self, text: str | bytes, path: str) -> Any:
        """Validate JSON text.

        Raises:
            Misfit: no JSON, or it does not fit.
        """
        import pydantic

        try:
            return self.adapter.validate_json(text)
        except pydantic.ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            raise _misfit_of(cast("list[Mapping[str, Any]]", problems), path) from error


def is_pydantic(annotation: Any) -> bool:
    """Whether pydantic has to describe this type. False as long as nobody imported it."""
    if "pydantic" not in sys.modules:
        return False
    return hasattr(annotation, "__pydantic_core_schema__") or hasattr(
        annotation, "__get_pydantic_core_schema__"
    )


def is_pydantic_metadata(part: Any) -> bool:
    """Whether this part of an `Annotated` means something to pydantic only."""
    if "pydantic" not in sys.modules:
        return False
    is_its_own = type(part).__module__.partition(".")[0] == "pydantic" or is_pydantic(part)
    # A Field(...) that has nothing but a description needs nothing of pydantic.
    said = cast("dict[str, Any]", getattr(part, "_attributes_set", None) or {})
    only_describes = said and set(said) <= {"description", "annotation"} and not part.metadata
    return is_its_own and not only_describes


def pydantic_of(annotation: Any, title: str) -> Pydantic:
    """Let pydantic describe a type.

    Raises:
        NoSchema: it cannot.
    """
    import pydantic

    try:
        return Pydantic(pydantic.TypeAdapter(annotation), title)
    except (pydantic.PydanticUserError, TypeError, NameError) as error:
        raise NoSchema(
            f"pydantic cannot read it: {first_line(error)}", "change its type"
        ) from error


def is_struct(annotation: Any) -> bool:
    """Whether msgspec has to describe this class."""
    if not inspect.isclass(annotation):
        return False
    return issubclass(annotation, msgspec.Struct) or hasattr(annotation, "__attrs_attrs__")


def first_line(error: BaseException) -> str:
    """Give the first line of an error's text, without its final stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def _misfit_of(problems: list[Mapping[str, Any]], path: str) -> Misfit:
    first, *rest = problems
    reason = _lower(str(first["msg"]))
    if rest:
        named = [
            f"{_lower(str(p['msg']))} at `${path}{_place(p)}`" for p in rest[: _MAX_PROBLEMS - 1]
        ]
        left = len(rest) - len(named)
        named += [f"{left} more"] if left else []
        reason = f"{reason} at `${path}{_place(first)}`; " + "; ".join(named)
        return Misfit("", reason)
    return Misfit(path + _place(first), reason)


def _place(problem: Mapping[str, Any]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"])


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
