"""`chat` and `generate`: arguments into requests."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import ollama
import pytest

from arriero._core.api.inference import chat, generate
from arriero._core.completion import ChatTally, GenerateTally
from arriero._core.images import ImagePath
from arriero.errors import RequestError
from arriero.settings import Timeouts
from arriero.types.chat import Message
from arriero.types.image import Image


def f(x: int) -> str:
    """Do it."""
    return str(x)


def test_a_chat_sends_what_was_given_and_the_stream() -> None:
    """``stream`` is always said: the server's default is the opposite of ours."""
    call = chat("m", [{"role": "user", "content": "hi"}])

    assert call.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
    }
    assert (call.name, call.stream, call.repeat, call.tally) == (
        "POST /api/chat",
        False,
        "always",
        ChatTally,
    )


ALL_OF_CHAT: dict[str, Any] = {
    "tools": [{"type": "function"}],
    "stream": True,
    "think": "high",
    "logprobs": True,
    "top_logprobs": 2,
    "format": "json",
    "options": {"seed": 1},
    "keep_alive": "5m",
    "truncate": False,
    "shift": False,
}

ALL_OF_GENERATE: dict[str, Any] = {
    "suffix": "s",
    "system": "y",
    "template": "t",
    "context": (1, 2),
    "stream": True,
    "think": False,
    "logprobs": False,
    "top_logprobs": 0,
    "raw": True,
    "format": {"type": "object"},
    "images": [b"hi"],
    "options": {},
    "keep_alive": 0,
    "width": 1,
    "height": 2,
    "steps": 3,
    "truncate": True,
    "shift": True,
}


def test_every_argument_of_chat_is_sent() -> None:
    """Each under its own name; the debug switch under the server's."""
    call = chat("m", [], **ALL_OF_CHAT, debug_render_only=True, timeouts=Timeouts(idle_s=1))

    assert call.body == {"model": "m", "messages": [], **ALL_OF_CHAT, "_debug_render_only": True}
    assert call.stream
    assert call.timeouts == Timeouts(idle_s=1)


def test_every_argument_of_generate_is_sent() -> None:
    """Each under its own name."""
    call = generate("m", "p", **ALL_OF_GENERATE, debug_render_only=False)

    assert call.body == {
        "model": "m",
        "prompt": "p",
        **ALL_OF_GENERATE,
        "context": [1, 2],
        "images": ["aGk="],
        "_debug_render_only": False,
    }
    assert (call.name, call.stream, call.tally) == ("POST /api/generate", True, GenerateTally)


@pytest.mark.parametrize(("build", "all_of"), [(chat, ALL_OF_CHAT), (generate, ALL_OF_GENERATE)])
def test_no_argument_is_forgotten_here(build: Any, all_of: dict[str, Any]) -> None:
    """The tables above name every argument there is."""
    rest = {"model", "messages", "prompt", "debug_render_only", "timeouts"}

    assert set(inspect.signature(build).parameters) - rest == set(all_of)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "", "new": {"a": None}},
        Message(role="assistant", content="", new={"a": None}),
    ],
)
def test_a_message_is_sent_whole(message: Any) -> None:
    """Empty content and fields not known here are the user's own."""
    call = chat("m", [message])

    assert call.body is not None
    assert call.body["messages"] == [{"role": "assistant", "content": "", "new": {"a": None}}]


def test_a_history_is_sent_back_as_it_came() -> None:
    """Tool calls with ids, thinking and unknown fields survive the replay."""
    wire = {
        "role": "assistant",
        "content": "",
        "thinking": "t",
        "tool_calls": [{"id": "1", "function": {"index": 0, "name": "f", "arguments": {}, "n": 1}}],
        "signature": "x",
    }
    call = chat("m", [Message.model_validate(wire), {"role": "tool", "tool_call_id": "1"}])

    assert call.body is not None
    assert call.body["messages"] == [wire, {"role": "tool", "tool_call_id": "1"}]


def test_messages_of_the_ollama_package_are_taken() -> None:
    """Code that builds them by hand keeps working."""
    call = chat("m", [ollama.Message(role="user", content="x", images=[ollama.Image(value=b"hi")])])

    assert call.body is not None
    assert call.body["messages"] == [{"role": "user", "content": "x", "images": ["aGk="]}]
    call = chat("m", [ollama.Message(role="user", content="x")])
    assert call.body is not None
    assert call.body["messages"] == [{"role": "user", "content": "x"}]


@pytest.mark.parametrize("images", [["a.png"], [Path("a.png")], "a.png"])
@pytest.mark.parametrize("kind", [dict, Message])
def test_images_of_a_message_are_read_later(kind: Any, images: Any) -> None:
    """The message is copied: the caller's keeps its images."""
    if kind is Message and images == "a.png":
        images = [Image(value="a.png")]
    message = kind(role="user", content="x", images=images)
    call = chat("m", [message])

    assert call.body is not None
    assert call.body["messages"] == [{"role": "user", "content": "x", "images": [""]}]
    assert call.slots[0].source in (ImagePath("a.png"), ImagePath("a.png", None))
    assert call.slots[0].images is call.body["messages"][0]["images"]
    assert message["images"] == images


def test_a_function_becomes_a_tool() -> None:
    """A schema is sent untouched, a function is described."""
    call = chat("m", None, tools=[f, {"own": "schema"}])

    assert call.body is not None
    assert call.body["tools"][0]["function"]["name"] == "f"
    assert call.body["tools"][1] == {"own": "schema"}
    assert "messages" not in call.body


def test_a_class_as_format_makes_objects() -> None:
    """Its schema is sent, and the answer parsed."""
    call = generate("m", "p", format=list[int])

    assert call.body is not None
    assert call.body["format"]["type"] == "array"
    assert call.parse is not None


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ("hi", "not str"),
        (b"hi", "not bytes"),
        ({"role": "user"}, "not dict"),
        (Message(role="user"), "not Message"),
        (5, "not int"),
        ([{"role": "user"}, "hi"], r"messages\[1\] is a dict or a Message, not str"),
        ([None], r"messages\[0\]"),
        ([{"role": "user", "images": [5]}], r"messages\[0\].images\[0\]"),
    ],
)
def test_what_is_no_conversation_is_refused(messages: Any, message: str) -> None:
    """The place and the type are named."""
    with pytest.raises(RequestError, match=message):
        chat("m", messages)


@pytest.mark.parametrize("build", [lambda: chat("", []), lambda: generate("", "p")])
def test_a_model_is_required(build: Any) -> None:
    """The server's own answer to that is a puzzle."""
    with pytest.raises(RequestError, match="model is required"):
        build()
