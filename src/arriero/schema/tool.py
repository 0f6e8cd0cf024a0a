"""Tools: what a caller gives as ``tools=`` -> what is sent.

Source: Ollama v0.33.0-rc2, `api/types.go` Tool, ToolFunction, ToolFunctionParameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from arriero.errors import RequestError
from arriero.schema.fault import NoSchema
from arriero.schema.function import Signature, name_of, signature_of
from arriero.types.record import Record, to_wire
from arriero.types.tool import Tool

_NO_LISTS = (str, bytes, Mapping, Record)
"""What can be iterated, and still is no list of tools."""


def tool_from_function(function: Callable[..., Any]) -> dict[str, Any]:
    """Describe a callable as Ollama wants it.

    The parameters' types come from the annotations, the words from the docstring (Google,
    NumPy, Sphinx or Epydoc style) or from ``Annotated[T, "words"]``. A parameter with a
    default is not required. What `functools.partial` binds, what is marked
    ``Annotated[T, Hidden]`` and what is of a class of `arriero.settings`, the model does not
    see. A default that JSON cannot say is left out. References are spelled out, because the
    server drops them.

    Args:
        function: A function, method, coroutine function, partial, class or object with
            ``__call__``.

    Returns:
        ``{"type": "function", "function": {"name", "description", "parameters"}}``, new at
        every call; ``description`` is there if there is one.

    Raises:
        RequestError: a parameter cannot be said in JSON Schema: ``*args``, ``**kwargs``,
            positional-only, or of a type that JSON has no words for.
    """
    signature = read_signature(function)
    if not signature.name.isidentifier():
        raise RequestError(
            f"tools: {signature.name} is no name a model can call; define it with `def`"
        )
    try:
        parameters = signature.schema()
    except NoSchema as error:
        raise _refusal(function, error) from error
    made: dict[str, Any] = {"name": signature.name}
    if signature.description:
        made["description"] = signature.description
    made["parameters"] = parameters
    return {"type": "function", "function": made}


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read a callable's signature.

    Raises:
        RequestError: as `tool_from_function`.
    """
    try:
        return signature_of(function)
    except NoSchema as error:
        raise _refusal(function, error) from error


def tools_to_wire(tools: Iterable[Any] | None) -> list[Any]:
    """Turn what was given as ``tools=`` into what is sent.

    Args:
        tools: Dicts, which are sent as they are, `Tool` records, callables; None is none.

    Raises:
        RequestError: an entry is none of these; the message names its index.
    """
    if tools is None:
        return []
    if not _is_list(tools):
        raise RequestError(f"tools must be a list of tools, not {_kind(tools)}; write tools=[...]")
    return [_entry(index, tool) for index, tool in enumerate(tools)]


def convert_function_to_tool(func: Callable[..., Any]) -> Tool:
    """Describe a callable as a `Tool` record: the name the `ollama` package has for it.

    Nothing is lost against `tool_from_function`; where there is no description it is "",
    as there.

    Raises:
        RequestError: as `tool_from_function`.
    """
    made = tool_from_function(func)
    function = made["function"]
    function.setdefault("description", "")
    for part in function["parameters"]["properties"].values():
        part.setdefault("description", "")
    return Tool.model_validate(made)


def _is_list(tools: object) -> bool:
    return isinstance(tools, Iterable) and not isinstance(tools, _NO_LISTS)


def _entry(index: int, tool: Any) -> Any:
    if isinstance(tool, dict):
        return cast("dict[str, Any]", tool)
    if isinstance(tool, Record | Mapping):
        return to_wire(tool)
    if not isinstance(tool, type) and hasattr(tool, "model_dump"):
        # A pydantic model, such as a Tool of the `ollama` package.
        return tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not callable(tool):
        raise RequestError(
            f"tools[{index}] must be a function, a dict or a Tool, not {_kind(tool)}"
        )
    try:
        return tool_from_function(tool)
    except RequestError as error:
        raise RequestError(f"tools[{index}]: {error.error.removeprefix('tools: ')}") from error


def _refusal(function: Callable[..., Any], error: NoSchema) -> RequestError:
    return RequestError(f"tools: {name_of(function)}: {error}")


def _kind(value: object) -> str:
    if callable(value):
        return "one function"
    return type(value).__name__
