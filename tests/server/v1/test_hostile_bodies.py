"""Bodies nobody should send: the answer is a 4xx that says what is wrong, in Ollama's words."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from arriero.server import Server

from ..conftest import Ask

CHAT, COMPLETE, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
RESPOND, MESSAGES = "/v1/responses", "/v1/messages"
HI = [{"role": "user", "content": "hi"}]
_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
_FUNCTION = {"name": "f", "description": "d", "parameters": _SCHEMA}
_PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
_IMAGE = {"type": "input_image", "image_url": "data:;base64,AA=="}
_SOURCE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}

GOOD: dict[str, dict[str, Any]] = {
    CHAT: {
        "model": "nope",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}, _PICTURE]},
            {"role": "assistant", "content": None, "reasoning": "r", "tool_calls": [_CALL]},
            {"role": "tool", "content": "1", "name": "f", "tool_call_id": "c"},
        ],
        "stream": False,
        "stream_options": {"include_usage": True},
        "max_tokens": 1,
        "seed": 1,
        "stop": ["x"],
        "temperature": 0.5,
        "top_p": 0.5,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.5,
        "response_format": {"type": "json_schema", "json_schema": {"schema": _SCHEMA}},
        "tools": [{"type": "function", "function": _FUNCTION}],
        "reasoning": {"effort": "low"},
        "reasoning_effort": "low",
        "logprobs": True,
        "top_logprobs": 1,
    },
    COMPLETE: {
        "model": "nope",
        "prompt": "hi",
        "suffix": "",
        "stream": False,
        "stream_options": {"include_usage": True},
        "stop": ["x"],
        "logprobs": 1,
        "max_tokens": 1,
        "temperature": 0.5,
        "top_p": 0,
    },
    EMBED: {"model": "nope", "input": ["a"], "dimensions": 2, "encoding_format": "float"},
    RESPOND: {
        "model": "nope",
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "e"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "1"},
            {"role": "user", "content": [_IMAGE]},
        ],
        "instructions": "i",
        "max_output_tokens": 1,
        "reasoning": {"effort": "none", "summary": "auto"},
        "temperature": 0.5,
        "top_p": 0.5,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}},
        "truncation": "disabled",
        "tools": [{"type": "function", **_FUNCTION, "strict": True}],
        "stream": False,
        "include": ["x"],
        "background": False,
    },
    MESSAGES: {
        "model": "nope",
        "max_tokens": 1,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "text", "text": "a", "citations": []},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"a": "b"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c", "is_error": False, "content": [
                    {"type": "text", "text": "1"},
                    {"type": "image", "source": _SOURCE},
                ]},
                {"type": "image", "source": _SOURCE},
            ]},
        ],
        "system": [{"type": "text", "text": "s"}],
        "stream": False,
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "stop_sequences": ["x"],
        "tools": [{"name": "f", "description": "d", "input_schema": _SCHEMA}],
        "tool_choice": {"type": "auto", "name": "f"},
        "thinking": {"type": "enabled", "budget_tokens": 5},
        "metadata": {"user_id": "u"},
        "output_config": {"effort": "low"},
    },
}  # fmt: skip
"""Every key the routes read, well formed; the model is unknown, so the answer is a 404."""

BAD: tuple[Any, ...] = (
    5, 1.5, -1, 10**30, 1e300, "text", "", "\ud800", True, None, [], {}, [5], [None], [[]],
    ["text"], [{}], {"type": 5}, [{"type": "text"}], [{"role": 5}], [{"function": 5}],
)  # fmt: skip


def _spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a body a value stands."""
    if path:
        yield path
    items = enumerate(value) if isinstance(value, list) else ()
    for key, item in value.items() if isinstance(value, dict) else items:
        yield from _spots(item, (*path, key))


def _with(value: Any, path: tuple[Any, ...], bad: Any) -> Any:
    """The body with another value in one place."""
    if not path:
        return bad
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], bad)
    return copy


@pytest.mark.parametrize("route", GOOD)
def test_a_well_formed_body_reaches_the_model(ask: Ask, route: str) -> None:
    """What the hostile bodies are made from is fine itself."""
    answer = ask("POST", route, GOOD[route])
    assert (answer.status, answer.json["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("bad", BAD, ids=lambda value: json.dumps(value)[:20])
@pytest.mark.parametrize("route", GOOD)
def test_a_wrong_type_anywhere_is_a_refusal(server: Server, route: str, bad: Any) -> None:
    """Never a fault of ours, and always the façade's own error object."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    refused = 0
    for path in _spots(GOOD[route]):
        connection.request("POST", route, json.dumps(_with(GOOD[route], path, bad)))
        response = connection.getresponse()
        error = json.loads(response.read())["error"]
        assert response.status in (400, 404), (path, error)
        assert error["message"], path
        refused += response.status == 400
    connection.close()
    assert refused or bad is None or bad == {}


@pytest.mark.parametrize("route", GOOD)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "EOF"),
        (b"  \n", "EOF"),
        (b"{", "unexpected EOF"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
        (b"\xff\xfe", "invalid character 'ï' looking for beginning of value"),
    ],
    ids=["empty", "blank", "open", "key", "word", "deep", "binary"],
)
def test_what_is_no_json_is_a_400(ask: Ask, route: str, body: bytes, text: str) -> None:
    """With the decoder's words and the façade's shape."""
    answer = ask("POST", route, body)
    assert (answer.status, answer.json["error"]["message"]) == (400, text)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert not answer.body.endswith(b"\n")


STRUCT = "json: cannot unmarshal {} into Go struct field {} of type {}"


_BAD_PICTURE = [{"content": [{"type": "image_url", "image_url": "data:x"}]}]
_BAD_CALL = [{"content": "a", "tool_calls": [{"function": {"arguments": "x"}}]}]
_BAD_ITEM = [{"role": "user", "content": [{"type": "x"}]}]
_FILE = [{"role": "user", "content": [{"type": "input_file"}]}]
_LINK = [{"content": [{"type": "image", "source": {"type": "url"}}]}]
_NO_LIST = "json: cannot unmarshal number into Go value of type []json.RawMessage"

WRONG: list[tuple[str, dict[str, Any], str | tuple[str, str, str]]] = [
    (CHAT, {"model": 5}, ("number", "ChatCompletionRequest.model", "string")),
    (CHAT, {"messages": "x"}, ("string", "ChatCompletionRequest.messages", "[]openai.Message")),
    (CHAT, {"max_tokens": 1.5}, ("number 1.5", "ChatCompletionRequest.max_tokens", "int")),
    (CHAT, {"temperature": "1"}, ("string", "ChatCompletionRequest.temperature", "float64")),
    (CHAT, {"stream": "no"}, ("string", "ChatCompletionRequest.stream", "bool")),
    (CHAT, {"tools": {}}, ("object", "ChatCompletionRequest.tools", "[]api.Tool")),
    (
        CHAT,
        {"messages": [{"role": 5}]},
        ("number", "ChatCompletionRequest.messages.role", "string"),
    ),
    (CHAT, {"messages": [{"role": "user"}]}, "invalid message content type: <nil>"),
    (CHAT, {"messages": [{"content": 5}]}, "invalid message content type: float64"),
    (CHAT, {"messages": [{"content": [5]}]}, "invalid message format"),
    (CHAT, {"messages": _BAD_PICTURE}, "invalid image input"),
    (CHAT, {"messages": _BAD_CALL}, "invalid tool call arguments"),
    (CHAT, {"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
    (COMPLETE, {"prompt": ["a"]}, ("array", "CompletionRequest.prompt", "string")),
    (COMPLETE, {"stop": [5]}, "invalid type for 'stop' field: float64"),
    (EMBED, {"input": 5}, "invalid input type"),
    (EMBED, {"dimensions": "x"}, ("string", "EmbedRequest.dimensions", "int")),
    (RESPOND, {"input": 5}, f"input must be a string or array: {_NO_LIST}"),
    (RESPOND, {"input": [{"type": "x"}]}, 'input[0]: unknown input item type: "x"'),
    (RESPOND, {"input": [{}]}, "input[0]: input item missing required 'type' field"),
    (RESPOND, {"input": _BAD_ITEM}, "input[0]: content[0]: unknown content type: x"),
    (RESPOND, {"input": _FILE}, "file inputs are not currently supported"),
    (MESSAGES, {"model": ""}, "model is required"),
    (MESSAGES, {"messages": []}, "messages is required"),
    (MESSAGES, {"max_tokens": -1}, "max_tokens is required and must be positive"),
    (MESSAGES, {"max_tokens": "9"}, ("string", "MessagesRequest.max_tokens", "int")),
    (MESSAGES, {"messages": [{"role": "user"}]}, "unexpected end of JSON input"),
    (MESSAGES, {"messages": [{"content": [{"type": "image"}]}]}, "invalid image source"),
    (
        MESSAGES,
        {"messages": _LINK},
        "invalid image source type: url. Only base64 images are supported.",
    ),
    (
        MESSAGES,
        {"messages": [{"content": [{"type": "tool_use"}]}]},
        "tool_use block missing required 'id' field",
    ),
]


@pytest.mark.parametrize(("route", "change", "text"), WRONG)
def test_what_is_wrong_is_said_in_ollamas_words(
    ask: Ask, route: str, change: dict[str, Any], text: str | tuple[str, str, str]
) -> None:
    """Texts that people look up."""
    answer = ask("POST", route, {"model": "mini", "max_tokens": 1, "messages": HI, **change})
    wanted = text if isinstance(text, str) else STRUCT.format(*text)
    assert (answer.status, answer.json["error"]["message"]) == (400, wanted)


@pytest.mark.parametrize("route", [RESPOND, MESSAGES])
def test_searching_the_web_is_refused(ask: Ask, route: str) -> None:
    """There is no cloud that could."""
    tool = {"type": "web_search_20250305", "name": "web_search"}
    answer = ask("POST", route, GOOD[route] | {"model": "mini", "tools": [tool]})
    assert answer.status == 403
    assert "web search is unavailable" in answer.json["error"]["message"]


def test_a_compressed_body_is_refused_by_name(ask: Ask) -> None:
    """Instead of a riddle about its first byte."""
    answer = ask("POST", CHAT, b"(\xb5/\xfd", headers={"Content-Encoding": "zstd"})
    assert answer.status == 400
    assert "zstd" in answer.json["error"]["message"]
