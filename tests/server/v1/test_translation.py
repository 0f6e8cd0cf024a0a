"""What the engine is asked when a route under /v1 is asked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from arriero.server import Application, Server
from arriero.server.catalogue import FixedCatalogue, shipped_models
from arriero.server.engines.engine import Conversation, Emit, Finish, Sampling
from arriero.server.settings import Scheduling

from ..conftest import FakeEngine, ask_server

PICTURE = "iVBORw0KGgo="
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


@dataclass
class Asked:
    """What reached the engine."""

    server: Server
    prompts: list[Conversation] = field(default_factory=list)
    samplings: list[Sampling] = field(default_factory=list)

    def ask(self, path: str, body: dict[str, Any]) -> tuple[Conversation, Sampling]:
        """Ask the server, and give what the engine was asked."""
        answer = ask_server(self.server, "POST", path, {"model": "mini", **body})
        assert answer.status == 200, answer.body
        return self.prompts[-1], self.samplings[-1]


@pytest.fixture
def asked() -> Iterator[Asked]:
    """A server whose engines write down what they are asked."""
    seen: list[Asked] = []

    class Writing(FakeEngine):
        def chat(self, conversation: Conversation, sampling: Sampling, emit: Emit) -> Finish:
            seen[0].prompts.append(conversation)
            seen[0].samplings.append(sampling)
            return super().chat(conversation, sampling, emit)

        def complete(self, prompt: Any, sampling: Sampling, emit: Emit) -> Finish:
            return self.chat(Conversation([{"prompt": prompt}]), sampling, emit)

    catalogue = FixedCatalogue(list(shipped_models().values()))
    app = Application(catalogue, Scheduling(), lambda model, plan: Writing(plan))
    with Server(app, socket.create_server(("127.0.0.1", 0))) as server:
        seen.append(Asked(server))
        yield seen[0]


def user(text: str) -> list[dict[str, Any]]:
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("path", "body", "temperature", "top_p"),
    [
        ("/v1/chat/completions", {"messages": user("hi")}, 1.0, 1.0),
        ("/v1/completions", {"prompt": "hi"}, 1.0, 1.0),
        ("/v1/completions", {"prompt": "hi", "top_p": 0}, 1.0, 1.0),
        ("/v1/responses", {"input": "hi"}, 1.0, 0.9),
        ("/v1/messages", {"messages": user("hi"), "max_tokens": 5}, 0.8, 0.9),
        ("/v1/chat/completions", {"messages": user("hi"), "temperature": 0, "top_p": 0}, 0, 0),
    ],
)
def test_each_route_has_its_defaults(
    asked: Asked, path: str, body: dict[str, Any], temperature: float, top_p: float
) -> None:
    """OpenAI's where the real server sets them, Ollama's elsewhere."""
    options = asked.ask(path, body)[1].options
    assert (options["temperature"], options["top_p"]) == (temperature, top_p)


def test_parameters_become_options(asked: Asked) -> None:
    """Under Ollama's names."""
    body = {"seed": 7, "stop": ["x", 5], "max_tokens": 9, "frequency_penalty": 0.5}
    body |= {"presence_penalty": 0.25, "messages": user("hi")}
    sampling = asked.ask("/v1/chat/completions", body)[1]
    wanted = {"seed": 7, "stop": ["x"], "frequency_penalty": 0.5, "presence_penalty": 0.25}
    assert wanted.items() <= sampling.options.items()
    assert sampling.max_tokens == 9
    body = {"messages": user("hi"), "max_tokens": 9, "top_k": 3, "stop_sequences": ["y"]}
    sampling = asked.ask("/v1/messages", body)[1]
    assert (sampling.options["top_k"], sampling.options["stop"]) == (3, ["y"])
    assert sampling.max_tokens == 9
    sampling = asked.ask("/v1/responses", {"input": "hi", "max_output_tokens": 3})[1]
    assert sampling.max_tokens == 3


def test_every_part_of_a_message_is_a_message(asked: Asked) -> None:
    """As in Ollama; a picture becomes an image of its message."""
    url = {"url": f"data:image/jpeg;base64,{PICTURE}"}
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": url}]
    messages = [{"role": "user", "content": parts}]
    first, second = asked.ask("/v1/chat/completions", {"messages": messages})[0].messages
    assert first == {"role": "user", "content": "a"}
    assert second["content"][1]["image_url"]["url"].endswith(PICTURE)


def test_calls_and_results_of_openai(asked: Asked) -> None:
    """Arguments are decoded, the function of a result is found by the id of its call."""
    messages = [
        *user("hi"),
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "2"}]},
    ]
    _, call, result = asked.ask("/v1/chat/completions", {"messages": messages})[0].messages
    function = {"name": "f", "arguments": '{"a":1}'}
    assert call["tool_calls"] == [{"id": "c1", "type": "function", "function": function}]
    assert result == {"role": "tool", "content": "2", "name": "f", "tool_call_id": "c1"}


@pytest.mark.parametrize(
    ("effort", "think", "level"),
    [
        ("none", False, None), ("minimal", True, "low"), ("low", True, "low"),
        ("high", True, "high"), ("xhigh", True, "max"), ("ultra", True, "max"), (None, True, None),
    ],
)  # fmt: skip
def test_efforts(asked: Asked, effort: str | None, think: bool, level: str | None) -> None:
    """OpenAI has more names than Ollama has levels."""
    asks: dict[str, Any] = {"model": "mini-think", "messages": user("hi")}
    body = asks | {"reasoning_effort": effort}
    conversation = asked.ask("/v1/chat/completions", body)[0]
    assert (conversation.think, conversation.effort) == (think, level)
    body = asks | {"reasoning": {"effort": effort}}
    conversation = asked.ask("/v1/chat/completions", body)[0]
    assert (conversation.think, conversation.effort) == (think, level)


def test_items_of_responses_become_messages(asked: Asked) -> None:
    """Instructions first; calls join the assistant's message, results name their call."""
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "reasoning", "id": "r", "encrypted_content": "hm"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "2"},
    ]
    body = {"input": items, "instructions": "be brief"}
    messages = asked.ask("/v1/responses", body)[0].messages
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert [message["content"] for message in messages] == ["be brief", "a", "b", "2"]
    assert messages[2]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert messages[3]["tool_call_id"] == "c1"


def test_blocks_of_anthropic_become_messages(asked: Asked) -> None:
    """Text blocks are joined, results come before what is said with them."""
    messages = [
        *user("a"),
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "b"}, {"type": "text", "text": "c"},
            {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "d"},
            {"type": "tool_result", "tool_use_id": "c1", "content": [
                {"type": "text", "text": "2"}, {"type": "text", "text": "3"},
            ]},
        ]},
    ]  # fmt: skip
    system = [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]
    body = {"messages": messages, "max_tokens": 5, "system": system}
    found = asked.ask("/v1/messages", body)[0].messages
    assert [one["role"] for one in found] == ["system", "user", "assistant", "tool", "user"]
    assert [one["content"] for one in found] == ["be brief", "a", "bc", "23", "d"]
    assert found[2]["tool_calls"][0]["id"] == found[3]["tool_call_id"] == "c1"


def test_anthropics_thinking(asked: Asked) -> None:
    """Asked of a model that cannot, it is dropped, unlike on Ollama's own routes."""
    enabled = {"type": "enabled", "budget_tokens": 1024}
    body: dict[str, Any] = {"messages": user("hi"), "max_tokens": 5, "thinking": enabled}
    assert asked.ask("/v1/messages", body)[0].think is False
    assert asked.ask("/v1/messages", body | {"model": "mini-think"})[0].think is True
    body |= {"model": "mini-think", "thinking": {"type": "disabled"}}
    assert asked.ask("/v1/messages", body)[0].think is False
    body |= {"thinking": None, "output_config": {"effort": "xhigh"}}
    assert asked.ask("/v1/messages", body)[0].effort == "high"


def test_formats_become_schemas(asked: Asked) -> None:
    """Each route has its own place for them; an unknown kind asks for nothing."""
    schema = {"type": "object", "properties": {"z": {"type": "string"}, "a": {}}}
    form: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    body = {"messages": user("hi"), "response_format": form}
    given = asked.ask("/v1/chat/completions", body)[1].format
    assert given == schema
    assert list(given["properties"]) == ["z", "a"]
    body["response_format"] = {"type": "json_object"}
    assert asked.ask("/v1/chat/completions", body)[1].format == {"type": "object"}
    body["response_format"] = {"type": "text"}
    assert asked.ask("/v1/chat/completions", body)[1].format is None
    text = {"format": {"type": "json_schema", "schema": schema}}
    assert asked.ask("/v1/responses", {"input": "hi", "text": text})[1].format == schema


def test_tools_of_anthropic_and_of_responses(asked: Asked) -> None:
    """Both are flat; the model sees them as functions."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body: dict[str, Any] = {"messages": user("hi"), "max_tokens": 5}
    tools = [{"name": "f", "description": "d", "input_schema": schema}]
    (first,) = asked.ask("/v1/messages", body | {"tools": tools})[0].tools
    tools = [{"type": "function", "name": "f", "description": "d", "parameters": schema}]
    (second,) = asked.ask("/v1/responses", {"input": "hi", "tools": tools})[0].tools
    assert first == second
    assert first["type"] == "function"
    assert first["function"]["parameters"]["properties"] == {"a": {"type": "string"}}
