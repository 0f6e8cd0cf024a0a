"""Request bodies: types, defaults, refusals in Ollama's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arriero.server.bodies import RequestRefused
from arriero.server.requests import (
    ChatRequest,
    GenerateRequest,
    ShowRequest,
    read_chat,
    read_embed,
    read_embeddings,
    read_generate,
    read_show,
)

PNG = "iVBORw0KGgo="


def chat(**fields: Any) -> ChatRequest:
    """Read a chat body."""
    return read_chat(json.dumps(fields).encode())


def test_absent_and_null_fields_have_their_defaults() -> None:
    """Null is as good as absent, at every level."""
    empty = ChatRequest()

    assert read_chat(b"{}") == read_chat(b"null") == empty
    assert chat(stream=None, truncate=None, keep_alive=None, think=None, messages=None) == empty
    assert read_generate(b"{}") == GenerateRequest()
    assert empty.stream is True


def test_keys_match_in_any_case_and_unknown_ones_are_ignored() -> None:
    """Go's decoder minds no case."""
    request = chat(MODEL="mini", Stream=False, bogus={"a": 1})

    assert (request.model, request.stream) == ("mini", False)


def test_the_last_of_two_equal_keys_wins() -> None:
    """Duplicate keys are legal."""
    assert read_chat(b'{"model":"a","model":"b"}').model == "b"


def test_roles_are_lower_case_and_reasoning_is_kept() -> None:
    """Go templates get earlier reasoning."""
    request = chat(messages=[{"role": "USER", "content": "hi", "thinking": "hm"}, None])

    assert [message.role for message in request.messages] == ["user", ""]
    assert request.messages[0].thinking == "hm"


def test_image_line_breaks_are_skipped() -> None:
    """CR and LF inside base64 do not count."""
    request = chat(messages=[{"role": "user", "images": [PNG[:4] + "\r\n" + PNG[4:]]}])

    assert request.messages[0].images == [PNG]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": 5}, "json: cannot unmarshal number into Go struct field "
         "ChatRequest.model of type string"),
        ({"messages": "hi"}, "json: cannot unmarshal string into Go struct field "
         "ChatRequest.messages of type []api.Message"),
        ({"messages": [{"content": []}]}, "json: cannot unmarshal array into Go struct field "
         "ChatRequest.messages.content of type string"),
        ({"messages": [{"role": 1}]}, "json: cannot unmarshal number into Go struct field "
         "ChatRequest.messages.role of type string"),
        ({"messages": [{"images": "x"}]}, "json: cannot unmarshal string into Go struct field "
         "ChatRequest.messages.images of type []api.ImageData"),
        ({"options": []}, "json: cannot unmarshal array into Go struct field "
         "ChatRequest.options of type map[string]interface {}"),
        ({"stream": "no"}, "json: cannot unmarshal string into Go struct field "
         "ChatRequest.stream of type bool"),
        ({"tools": {}}, "json: cannot unmarshal object into Go struct field "
         "ChatRequest.tools of type api.Tools"),
        ({"tools": [{"function": {"parameters": {"type": []}}}]},
         "json: cannot unmarshal array into Go struct field "
         "ToolFunctionParameters.tools.function.parameters.type of type string"),
        ({"messages": [{"tool_calls": [{"id": 1}]}]},
         "json: cannot unmarshal number into Go struct field "
         "ChatRequest.messages.tool_calls.id of type string"),
        ({"messages": [{"tool_calls": [{"function": {"arguments": "{}"}}]}]},
         "Value looks like object, but can't find closing '}' symbol"),
        ({"top_logprobs": 1.5}, "json: cannot unmarshal number 1.5 into Go struct field "
         "ChatRequest.top_logprobs of type int"),
        ({"think": "huge"}, 'invalid think value: "huge" '
         '(must be "high", "medium", "low", "max", true, or false)'),
        ({"think": 1}, "think must be a boolean or string "
         '("high", "medium", "low", "max", true, or false)'),
        ({"keep_alive": "5"}, 'time: missing unit in duration "5"'),
        ({"messages": [{"images": ["data:image/png;base64,x"]}]},
         "illegal base64 data at input byte 4"),
        ({"messages": [{"images": ["abc"]}]}, "illegal base64 data at input byte 0"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_refused_in_gos_words(fields: dict[str, Any], message: str) -> None:
    """The text names struct, field and type."""
    with pytest.raises(RequestRefused) as caught:
        chat(**fields)
    assert str(caught.value) == message


def test_the_first_fault_of_the_body_wins() -> None:
    """Keys are read in their order."""
    with pytest.raises(RequestRefused, match=r"ChatRequest\.stream"):
        chat(stream=1, model=2)


@pytest.mark.parametrize(
    ("body", "kind"), [(b'"str"', "string"), (b"[]", "array"), (b"5", "number"), (b"true", "bool")]
)
def test_a_body_that_is_no_object_is_refused(body: bytes, kind: str) -> None:
    """The text names the request's type."""
    with pytest.raises(RequestRefused) as caught:
        read_chat(body)
    expected = f"json: cannot unmarshal {kind} into Go value of type api.ChatRequest"
    assert str(caught.value) == expected


def test_each_route_names_its_own_struct() -> None:
    """The struct is the one of the route."""
    for read, struct in (
        (read_generate, "GenerateRequest"),
        (read_embed, "EmbedRequest"),
        (read_embeddings, "EmbeddingRequest"),
        (read_show, "ShowRequest"),
    ):
        with pytest.raises(RequestRefused, match=f"field {struct}.model of type string"):
            read(b'{"model":1}')


def test_show_takes_the_old_key() -> None:
    """`name` counts where `model` is empty."""
    assert read_show(b'{"name":"a"}').model == "a"
    assert read_show(b'{"name":"a","model":"b"}').model == "b"


def test_show_takes_and_ignores_a_template() -> None:
    """Ollama's request has the key; found as a 500 of ours."""
    assert read_show(b'{"model": "x", "template": "t"}') == ShowRequest(model="x")
