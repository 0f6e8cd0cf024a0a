"""Tool calls are run by the functions' own types, and answered."""

from __future__ import annotations

import asyncio
import datetime
import enum
import functools
import pathlib
import threading
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import pydantic
import pytest

from arriero.errors import RequestError, ToolError
from arriero.tools import (
    Hidden,
    call_tool,
    call_tool_async,
    run_tools,
    run_tools_async,
    tool_message,
)
from arriero.types.chat import ChatResponse, Message
from arriero.types.record import to_wire


class Unit(enum.Enum):
    CELSIUS = "celsius"


@dataclass
class Point:
    x: int
    y: int = 0


class City(pydantic.BaseModel):
    name: str


def show(
    a: int = 0,
    b: float = 0.0,
    c: bool = False,
    d: list[int] = [],  # noqa: B006  # never changed
    e: Point | None = None,
    f: str = "",
    g: int | str = 0,
    h: Unit = Unit.CELSIUS,
    i: City | None = None,
    j: dict[str, int] | None = None,
    secret: Annotated[str, Hidden] = "kept",
) -> dict[str, Any]:
    return {name: value for name, value in locals().items() if value != DEFAULTS.get(name)}


DEFAULTS: dict[str, Any] = {}
DEFAULTS = show()


def add(a: int, b: int) -> int:
    return a + b


async def fetch(url: str) -> str:
    await asyncio.sleep(0)
    return f"page {url}"


def fail(text: str) -> None:
    raise KeyError(text)


def asked(name: str, /, **arguments: Any) -> Message.ToolCall:
    return Message.ToolCall(
        id=f"call_{name}", function=Message.ToolCall.Function(name=name, arguments=arguments)
    )


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("a", 3, 3),
        ("a", 3.0, 3),
        ("a", "3", 3),
        ("b", 3, 3.0),
        ("b", "3.5", 3.5),
        ("c", "true", True),
        ("c", 1, True),
        ("d", [1, "2"], [1, 2]),
        ("d", "[1, 2]", [1, 2]),
        ("e", {"x": "1"}, Point(1)),
        ("e", '{"x": 1}', Point(1)),
        ("f", "3", "3"),
        ("f", "[1]", "[1]"),
        ("g", "3", "3"),
        ("h", None, None),
        ("i", {"name": "Lima"}, City(name="Lima")),
        ("i", '{"name": "Lima"}', City(name="Lima")),
        ("j", '{"n": "1"}', {"n": 1}),
    ],
    ids=str,
)
def test_arguments_become_what_the_function_takes(name: str, given: Any, meant: Any) -> None:
    """Also as weak models give them: numbers and JSON as text, null for nothing."""
    seen = call_tool(asked("show", **{name: given}), [show])

    assert seen.get(name) == meant
    assert type(seen.get(name)) is type(meant)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (asked("subtract", a=1), "there is no such tool, only: add, fail"),
        (asked("add", a=1), "the argument 'b' is missing"),
        (asked("add"), "the argument 'a' is missing; the argument 'b' is missing"),
        (asked("add", a=1, b=2, c=3), "there is no argument 'c', only: a, b"),
        (asked("add", a=1, b="two"), "expected `int`, got `str` at `$.b`"),
        (asked("add", a=1, b=1.5), "expected `int`, got `float` at `$.b`"),
        (asked("add", a=1, b=None), "expected `int`, got `null` at `$.b`"),
        (asked("fail", text=2139), "expected `str`, got `int` at `$.text`"),
        (asked("fail", text="ouch"), "KeyError: 'ouch'"),
    ],
    ids=str,
)
def test_a_bad_call_is_told_to_the_model(call: Message.ToolCall, reason: str) -> None:
    """Every fault at once, in words it can act on."""
    with pytest.raises(ToolError) as caught:
        call_tool(call, [add, fail])

    assert caught.value.tool == call.function.name
    assert caught.value.reason == reason
    (answer,) = run_tools(Message(role="assistant", tool_calls=[call]), [add, fail])
    assert answer.content == f"Error: {call.function.name}: {reason}"


def test_what_a_function_raised_is_the_cause() -> None:
    """So that whoever debugs it sees where."""
    with pytest.raises(ToolError) as caught:
        call_tool(asked("fail", text="ouch"), [fail])

    assert isinstance(caught.value.__cause__, KeyError)


def test_a_function_may_choose_the_words_for_the_model() -> None:
    """By raising a ToolError itself."""

    def book(day: datetime.date) -> None:
        raise ToolError("book", f"{day} is taken, try the next day")

    (answer,) = run_tools({"tool_calls": [asked("book", day="2024-02-29")]}, [book])
    assert answer.content == "Error: book: 2024-02-29 is taken, try the next day"


def test_a_hidden_argument_cannot_be_given() -> None:
    """Nor one that a partial binds."""
    with pytest.raises(ToolError, match="there is no argument 'secret'"):
        call_tool(asked("show", secret="stolen"), [show])
    with pytest.raises(ToolError, match="there is no argument 'b'"):
        call_tool(asked("add", a=1, b=2), [functools.partial(add, b=40)])
    assert call_tool(asked("add", a=2), [functools.partial(add, b=40)]) == 42


def test_functions_may_go_by_other_names() -> None:
    """In a dict."""
    assert call_tool(asked("plus", a=1, b=2), {"plus": add}) == 3


def test_two_functions_of_one_name_are_refused() -> None:
    """Which one the model meant cannot be known."""
    with pytest.raises(RequestError, match="two functions are called add"):
        call_tool(asked("add", a=1, b=2), [add, add])


def test_a_call_may_be_a_dict() -> None:
    """As it stands in a recorded answer."""
    call = {"id": "1", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}

    assert call_tool(call, [add]) == 3
    assert tool_message(call, 3).tool_call_id == "1"


@pytest.mark.parametrize("function", [fetch, lambda url: fetch(url)])
def test_a_coroutine_needs_the_async_call(function: Any) -> None:
    """It is said, and nothing is left unawaited."""
    with pytest.raises(RequestError, match="use call_tool_async"):
        call_tool(asked("fetch", url="u"), {"fetch": function})


# Answers


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("text", "text"),
        ("", ""),
        (None, "null"),
        (3, "3"),
        (True, "true"),
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'),
        ([Point(1)], '[{"x":1,"y":0}]'),
        (City(name="Lima"), '{"name":"Lima"}'),
        ([City(name="Lima")], '[{"name":"Lima"}]'),
        (Unit.CELSIUS, '"celsius"'),
        (datetime.date(2024, 2, 29), '"2024-02-29"'),
        (pathlib.PurePosixPath("/a"), '"/a"'),
        (np.array([1, 2]), "[1,2]"),
        (np.int64(3), "3"),
        (Message(role="user", unknown=1), '{"role":"user","unknown":1}'),
        (ValueError("no"), "Error: no"),
    ],
    ids=repr,
)
def test_a_result_is_sent_as_text_or_json(result: Any, content: str) -> None:
    """Text as it is; nothing becomes Python's `repr`."""
    assert tool_message(asked("f"), result).content == content


def test_a_result_json_cannot_say_is_told() -> None:
    """Not sent as `<object object at 0x...>`."""
    with pytest.raises(ToolError, match="it returned a object, which is not JSON; return text"):
        tool_message(asked("f"), object())

    def tool() -> object:
        return object()

    (answer,) = run_tools({"tool_calls": [asked("tool")]}, [tool])
    assert answer.content == "Error: tool: it returned a object, which is not JSON; return text"


def test_an_answer_names_tool_and_call() -> None:
    """Both kinds of template find what they look for."""
    assert to_wire(tool_message(asked("add"), 3)) == {
        "role": "tool",
        "content": "3",
        "tool_name": "add",
        "tool_call_id": "call_add",
    }


def test_an_answer_to_a_call_without_id_has_none() -> None:
    """Older servers give none."""
    call = Message.ToolCall(function=Message.ToolCall.Function(name="add"))

    assert "tool_call_id" not in to_wire(tool_message(call, 3))


# Running all


def test_every_call_is_answered_in_order() -> None:
    """One message a call, failed ones too."""
    calls = [asked("add", a=1, b=2), asked("fail", text="ouch"), asked("add", a=3, b=4)]
    message = Message(role="assistant", content="", tool_calls=calls)

    for answers in (
        run_tools(message, [add, fail]),
        run_tools(ChatResponse(message=message), [add, fail]),
        run_tools(msgspec.to_builtins(message), iter([add, fail])),
    ):
        assert [answer.content for answer in answers] == ["3", "Error: fail: KeyError: 'ouch'", "7"]


def test_a_message_without_calls_has_no_answers() -> None:
    """So that a loop ends."""
    assert run_tools(Message(role="assistant", content="hi"), [add]) == []
    assert asyncio.run(run_tools_async({"role": "assistant"}, [add])) == []


def test_errors_may_be_raised_instead() -> None:
    """Later calls then do not run."""
    ran: list[str] = []

    def note(text: str) -> None:
        ran.append(text)

    calls = [asked("fail", text="ouch"), asked("note", text="late")]
    with pytest.raises(ToolError, match="ouch"):
        run_tools({"tool_calls": calls}, [fail, note], on_error="raise")
    with pytest.raises(ToolError, match="ouch"):
        asyncio.run(run_tools_async({"tool_calls": calls}, [fail, note], on_error="raise"))
    assert ran == []


def test_the_async_twin_runs_both_kinds() -> None:
    """Coroutine functions on the loop, others off it."""
    threads: list[int] = []

    def where() -> str:
        threads.append(threading.get_ident())
        return "here"

    class Fetcher:
        async def __call__(self, url: str) -> str:
            return await fetch(url)

    calls = [
        asked("fetch", url="a"),
        asked("where"),
        asked("Fetcher", url="b"),
        asked("late", url="c"),
        asked("fail", text="ouch"),
    ]
    functions = {
        "fetch": fetch,
        "where": where,
        "Fetcher": Fetcher(),
        "late": lambda url: fetch(url),
        "fail": fail,
    }
    answers = asyncio.run(run_tools_async({"tool_calls": calls}, functions))

    contents = [answer.content for answer in answers]
    assert contents == ["page a", "here", "page b", "page c", "Error: fail: KeyError: 'ouch'"]
    assert threads != [threading.get_ident()]


def test_cancelling_cancels_the_tool() -> None:
    """It is not turned into an answer."""
    seen: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main() -> None:
        task = asyncio.create_task(run_tools_async({"tool_calls": [asked("wait")]}, [wait]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["cancelled"]


def test_the_async_call_gives_the_value() -> None:
    """Not a message."""
    assert asyncio.run(call_tool_async(asked("add", a=1, b="2"), [add])) == 3
