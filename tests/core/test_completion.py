"""When a stream is complete, and what its records add up to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from arriero._core.completion import (
    ChatTally,
    GenerateTally,
    ProgressTally,
    RawTally,
    Tally,
    is_complete,
)
from arriero.types.chat import ChatResponse, GenerateResponse
from arriero.types.models import ListResponse, ProgressResponse
from arriero.types.raw import RawRecord
from arriero.types.record import to_wire

CALL = {"function": {"name": "f", "arguments": {}}}


def chat(content: str | None = None, done: bool = False, **more: Any) -> ChatResponse:
    """Give a part of a chat."""
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    return ChatResponse(message=message, done=done, **more)


@pytest.mark.parametrize("make", [ChatTally, GenerateTally, ProgressTally, RawTally])
def test_nothing_adds_up_to_nothing(make: Callable[[], Tally[Any]]) -> None:
    """Before the first record there is no total and no text."""
    tally = make()

    assert (tally.total(), tally.text(), tally.complete) == (None, "", False)


def test_a_chat_adds_up_to_a_message() -> None:
    """Text, thinking, calls, images and log probabilities are joined; the rest is the last's."""
    tally = ChatTally()
    tally.add([chat("Hel", message={"thinking": "hm"}, model="m")])
    tally.add([chat("lo", message={"tool_calls": [CALL]}), chat(message={"images": ["aGk="]})])
    assert not tally.complete
    tally.add(
        [
            chat(
                "",
                done=True,
                message={"role": "", "thinking": "!", "tool_calls": [CALL]},
                logprobs=[{"token": "x", "logprob": -1.0}],
                eval_count=3,
                model="m",
            )
        ]
    )

    assert tally.complete
    assert (tally.text(), tally.thinking()) == ("Hello", "hm!")
    assert to_wire(tally.total()) == {
        "model": "m",
        "done": True,
        "eval_count": 3,
        "logprobs": [{"token": "x", "logprob": -1.0}],
        "message": {
            "role": "assistant",
            "content": "Hello",
            "thinking": "hm!",
            "images": ["aGk="],
            "tool_calls": [CALL, CALL],
        },
    }


def test_a_total_is_the_callers_own() -> None:
    """Changing a total changes neither the tally nor the last record."""
    tally, last = ChatTally(), chat("a", message={"tool_calls": [CALL]}, new=1)
    tally.add([last])
    total = tally.total()
    assert total is not None
    assert total["new"] == 1
    total.message.content = "changed"
    total.message.tool_calls.clear()  # type: ignore[union-attr]  # there is one

    again = tally.total()
    assert again is not None
    assert (again.message.content, last.message.content) == ("a", "a")
    assert again.message.tool_calls is not None
    assert len(again.message.tool_calls) == 1


def test_a_chat_without_a_role_is_the_assistants() -> None:
    """A history needs a role, even if the server sent none."""
    tally = ChatTally()
    tally.add([ChatResponse(message={})])

    total = tally.total()
    assert total is not None
    assert total.message.role == "assistant"


def test_the_record_that_is_done_may_come_before_others() -> None:
    """A complete stream stays complete."""
    tally = ChatTally()
    tally.add([chat("a", done=True), chat("b")])

    assert tally.complete
    assert tally.text() == "ab"


def test_a_generation_adds_up_to_a_response() -> None:
    """As a chat, without a message around it."""
    tally = GenerateTally()
    tally.add([GenerateResponse(response="a", thinking="t", tool_calls=[CALL])])
    assert not tally.complete
    tally.add(
        [
            GenerateResponse(
                response="b", done=True, context=[1, 2], logprobs=[{"token": "b", "logprob": -1.0}]
            )
        ]
    )

    assert tally.complete
    assert to_wire(tally.total()) == {
        "response": "ab",
        "thinking": "t",
        "tool_calls": [CALL],
        "done": True,
        "context": [1, 2],
        "logprobs": [{"token": "b", "logprob": -1.0}],
    }


@pytest.mark.parametrize(
    ("make", "record"),
    [
        (ChatTally, ChatResponse(message={"role": ""}, _debug_info={"rendered_template": "x"})),
        (GenerateTally, GenerateResponse(_debug_info={"rendered_template": "x"})),
    ],
)
def test_a_rendered_prompt_is_complete(make: Callable[[], Tally[Any]], record: Any) -> None:
    """The answer to ``_debug_render_only`` is never ``done``, and whole all the same."""
    tally = make()
    tally.add([record])

    assert tally.complete


def test_progress_ends_with_success_only() -> None:
    """The last step is the total; any other last step is no end."""
    tally = ProgressTally()
    tally.add([ProgressResponse(status="pulling"), ProgressResponse(status="verifying")])
    assert (tally.complete, tally.text()) == (False, "verifying")

    tally.add([ProgressResponse(status="success")])
    assert (tally.complete, tally.text()) == (True, "success")
    assert tally.total() == ProgressResponse(status="success")


def test_progress_without_a_status_has_no_text() -> None:
    """A record of a newer server may carry none."""
    tally = ProgressTally()
    tally.add([ProgressResponse(total=1)])

    assert tally.text() == ""


def test_an_unknown_stream_has_no_last_record() -> None:
    """Nothing a raw record says ends its stream; only the clean end does."""
    tally: RawTally[RawRecord] = RawTally()
    tally.add([RawRecord(a=1), RawRecord(b=2)])

    assert (tally.complete, tally.needs_last, tally.text()) == (False, False, "")
    assert tally.total() == RawRecord(b=2)


@pytest.mark.parametrize(
    ("record", "complete"),
    [
        (GenerateResponse(done=True), True),
        (GenerateResponse(done=False), False),
        (GenerateResponse(), True),
        (GenerateResponse(done=False, _debug_info={}), True),
        (ListResponse(), True),
    ],
)
def test_a_whole_answer_may_say_that_it_is_not(record: Any, complete: bool) -> None:
    """``done: false`` in a whole answer means that the engine stopped early."""
    assert is_complete(record) is complete
