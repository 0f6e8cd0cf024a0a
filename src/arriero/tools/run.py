"""Tool calls: look the function up, read its arguments, run it, answer the model.

Source: Ollama v0.33.0-rc2, `api/types.go` ToolCall and Message: an answer is one message of
role ``tool`` a call; ``tool_name`` is what Go templates read, ``tool_call_id`` what those of
GGUF files read, so both are set.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias, cast

import msgspec

from arriero.errors import RequestError, ToolError
from arriero.schema.fault import Misfit
from arriero.schema.function import name_of
from arriero.schema.tool import read_signature
from arriero.types.chat import ChatResponse, Message
from arriero.types.record import to_wire

Functions: TypeAlias = Mapping[str, Callable[..., Any]] | Iterable[Any]
"""The functions a model may call: by name, or a list that goes by their own names."""

Call: TypeAlias = Message.ToolCall | Mapping[str, Any]

Answer: TypeAlias = ChatResponse | Message | Mapping[str, Any]

OnError: TypeAlias = Literal["tell", "raise"]
"""What a failed call does: its text answers the model, or it is raised."""


def call_tool(call: Call, functions: Functions) -> Any:
    """Run one call and give what the function returned.

    Arguments are read by the function's annotations. Text is taken for a number or a
    boolean, JSON text for a list or an object, and null for leaving an optional argument
    out, since weak models give them so; nothing else is guessed.

    Args:
        call: As it came in ``message.tool_calls``.
        functions: Only these can be called.

    Raises:
        ToolError: there is no such function, an argument is missing, unknown or does not
            fit, or the function raised an exception, which is the `__cause__`.
        RequestError: two functions have the same name, one cannot be described to a model,
            or is a coroutine function.
    """
    name, function, arguments = _prepared(call, functions)
    if _is_async(function):
        raise RequestError(f"tools: {name} is a coroutine function; use call_tool_async")
    try:
        result = function(**arguments)
    except Exception as error:
        raise _failed(name, error) from _cause(error)
    if inspect.iscoroutine(result):
        result.close()
        raise RequestError(f"tools: {name} gave a coroutine; use call_tool_async")
    return result


async def call_tool_async(call: Call, functions: Functions) -> Any:
    """As `call_tool`; coroutine functions are awaited, others run in a thread.

    Cancelling it cancels a coroutine; a thread runs on to its end.
    """
    name, function, arguments = _prepared(call, functions)
    try:
        if _is_async(function):
            return await function(**arguments)
        result = await asyncio.to_thread(function, **arguments)
        return await result if inspect.isawaitable(result) else result
    except Exception as error:
        raise _failed(name, error) from _cause(error)


def run_tools(
    message: Answer, functions: Functions, *, on_error: OnError = "tell"
) -> list[Message]:
    """Run every call of an answer, in order, and give the messages to send next.

    Append the model's own message to the conversation first, then these.

    Args:
        message: The model's, or the response it came in; without calls, there are no
            messages.
        functions: Only these can be called.
        on_error: ``"tell"`` answers a failed call with its error, so that the model can
            mend it; ``"raise"`` raises `ToolError`, and later calls do not run.
    """
    known = _by_name(functions)
    made: list[Message] = []
    for call in _calls(message):
        try:
            made.append(tool_message(call, call_tool(call, known)))
        except ToolError as error:
            if on_error == "raise":
                raise
            made.append(tool_message(call, error))
    return made


async def run_tools_async(
    message: Answer, functions: Functions, *, on_error: OnError = "tell"
) -> list[Message]:
    """As `run_tools`, with `call_tool_async`: one call after the other."""
    known = _by_name(functions)
    made: list[Message] = []
    for call in _calls(message):
        try:
            made.append(tool_message(call, await call_tool_async(call, known)))
        except ToolError as error:
            if on_error == "raise":
                raise
            made.append(tool_message(call, error))
    return made


def tool_message(call: Call, result: Any) -> Message:
    """Make the message that answers a call.

    Args:
        call: The call it answers.
        result: Text is sent as it is, an exception as its text, anything else as JSON.

    Raises:
        ToolError: JSON cannot say the result.
    """
    made = _call_of(call)
    name = made.function.name
    return Message(
        role="tool", content=_content(name, result), tool_name=name, tool_call_id=made.id
    )


def _prepared(call: Call, functions: Functions) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    asked = _call_of(call).function
    known = _by_name(functions)
    function = known.get(asked.name)
    if function is None:
        names = ", ".join(known) or "none"
        raise ToolError(asked.name, f"there is no such tool, only: {names}")
    try:
        return asked.name, function, read_signature(function).bind(asked.arguments)
    except Misfit as misfit:
        raise ToolError(asked.name, str(misfit)) from misfit


def _by_name(functions: Functions) -> Mapping[str, Callable[..., Any]]:
    if isinstance(functions, Mapping):
        return cast("Mapping[str, Callable[..., Any]]", functions)
    known: dict[str, Callable[..., Any]] = {}
    for function in cast("Iterable[Callable[..., Any]]", functions):
        name = name_of(function)
        if name in known:
            raise RequestError(f"tools: two functions are called {name}; give a dict by name")
        known[name] = function
    return known


def _calls(answer: Answer) -> list[Call]:
    message = answer.message if isinstance(answer, ChatResponse) else answer
    return list(message.get("tool_calls") or ())


def _call_of(call: Call) -> Message.ToolCall:
    return Message.ToolCall.model_validate(call)


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        type(function).__call__
    )


def _failed(name: str, error: Exception) -> ToolError:
    if isinstance(error, ToolError):  # the function chose its words itself
        return error
    return ToolError(name, f"{type(error).__name__}: {error}" if str(error) else repr(error))


def _cause(error: Exception) -> BaseException | None:
    return error.__cause__ if isinstance(error, ToolError) else error


def _content(name: str, result: Any) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, Exception):
        return f"Error: {result}"
    try:
        return msgspec.json.encode(to_wire(result), enc_hook=_plain).decode()
    except (TypeError, ValueError) as error:
        raise ToolError(
            name, f"it returned a {type(result).__name__}, which is not JSON; return text"
        ) from error


def _plain(value: Any) -> Any:
    """Turn what msgspec does not know into what it does: pydantic models, NumPy values."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
