"""`Record`: attributes, a mapping, pydantic's names, and nothing lost."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from arriero._core.ndjson import RecordDecoder
from arriero.types.chat import ChatResponse, GenerateResponse, Logprob, Message
from arriero.types.embed import EmbeddingsResponse, EmbedResponse
from arriero.types.models import (
    ByteSize,
    ListResponse,
    ModelDetails,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
)
from arriero.types.options import Options
from arriero.types.raw import RawRecord
from arriero.types.record import Record, from_wire, to_wire
from arriero.types.service import MeResponse, ServerStatusResponse, WebSearchResponse
from arriero.types.tool import Tool

CALL = {"function": {"name": "f", "arguments": {"a": 1}}}


# Building


def test_nested_mappings_become_records() -> None:
    """A constructor takes what JSON gives."""
    made = ChatResponse(message={"role": "assistant", "tool_calls": [CALL]})

    assert isinstance(made.message, Message)
    assert made.message.tool_calls is not None
    assert isinstance(made.message.tool_calls[0], Message.ToolCall)
    assert made.message.tool_calls[0].function.arguments == {"a": 1}


def test_records_inside_mappings_are_found() -> None:
    """Values of a mapping are records too, where the type says so."""
    made = Tool.Function.Parameters(
        properties={"a": {"type": "string"}, "b": Tool.Function.Parameters.Property(type="integer")}
    )

    assert made.properties is not None
    assert {name: type(found).__name__ for name, found in made.properties.items()} == {
        "a": "Property",
        "b": "Property",
    }


def test_what_is_no_mapping_is_left_as_it_is() -> None:
    """A constructor checks nothing; that is what the server is for."""
    assert Message(tool_calls="x").tool_calls == "x"  # type: ignore[arg-type]  # wrong on purpose
    assert Tool.Function.Parameters(properties=5).properties == 5  # type: ignore[arg-type]  # likewise


def test_wire_names_are_taken_too() -> None:
    """A field may be named as on the wire."""
    assert ShowResponse(model_info={"a": 1}).modelinfo == {"a": 1}
    assert ShowResponse(modelinfo={"a": 1}).model_info == {"a": 1}
    assert Tool.Function.Parameters(**{"$defs": {}}).defs == {}


def test_unknown_arguments_are_kept() -> None:
    """What this version has no name for is there all the same."""
    made = Message(role="user", signature="x")

    assert (made.signature, made["signature"], made.get("signature")) == ("x", "x", "x")
    assert made.model_extra == {"signature": "x"}


def test_a_required_field_is_required() -> None:
    """A response without a message is none."""
    with pytest.raises(TypeError, match="message"):
        ChatResponse()  # type: ignore[call-arg]  # wrong on purpose


def test_fields_go_by_name_only() -> None:
    """Positions mean nothing on the wire."""
    with pytest.raises(TypeError):
        Message("user")  # type: ignore[misc]  # wrong on purpose


def test_defaults_are_not_shared() -> None:
    """Each response has lists of its own."""
    one, two = EmbedResponse(), EmbedResponse()
    one.embeddings.append([1.0])

    assert two.embeddings == []


# Mapping


def test_a_present_field_is_one_that_is_not_none() -> None:
    """Presence, keys, values and items agree; absent fields raise or give None."""
    made = Message(role="user", content="", extra=1, nothing=None)

    assert "role" in made
    assert "content" in made
    assert "extra" in made
    assert "thinking" not in made
    assert "nothing" not in made
    assert "unheard" not in made
    assert 5 not in made
    assert made.keys() == ["role", "content", "extra"]
    assert made.values() == ["user", "", 1]
    assert made.items() == [("role", "user"), ("content", ""), ("extra", 1)]
    assert dict(made) == {"role": "user", "content": "", "extra": 1}
    assert {**made} == {"role": "user", "content": "", "extra": 1}
    assert made.model_fields_set == {"role", "content", "extra"}
    for absent in ("thinking", "unheard"):
        with pytest.raises(KeyError, match=absent):
            made[absent]


def test_get_gives_none_for_an_absent_field_and_the_default_for_no_field() -> None:
    """As the `ollama` package does."""
    made = Message(role="user")

    assert made.get("role") == "user"
    assert made.get("thinking", "default") is None
    assert made.get("unheard", "default") == "default"
    assert made.get("unheard") is None


def test_get_never_gives_a_method() -> None:
    """Names of methods are no fields."""
    made = Message()

    assert made.get("model_dump_json") is None
    assert "copy" not in made


def test_an_unknown_field_cannot_hide_a_method() -> None:
    """A server may name a field as it likes; it is there by its key."""
    made = from_wire(RawRecord, {"get": 1, "keys": 2, "http": 3, "model_extra": 4})

    assert made["get"] == 1
    assert made.get("keys") == 2
    assert made.http is None
    assert dict(made) == {"get": 1, "keys": 2, "http": 3, "model_extra": 4}


def test_fields_are_set_by_key() -> None:
    """Known ones by either name, unknown ones too."""
    made = ShowResponse()
    made["model_info"] = {"a": 1}
    made["system"] = "s"
    made["unheard"] = 5

    assert (made.modelinfo, made.system, made.unheard) == ({"a": 1}, "s", 5)


def test_iterating_gives_every_field() -> None:
    """Pairs, as pydantic does, absent ones included."""
    assert list(RawRecord(a=1)) == [("a", 1)]
    assert ("thinking", None) in list(Message(role="user"))


def test_no_field_is_an_attribute_error() -> None:
    """The message names type and field."""
    with pytest.raises(AttributeError, match="'Message' has no field 'unheard'"):
        Message().unheard  # noqa: B018  # the access is the test


# Comparing and showing


def test_records_compare_by_all_their_fields() -> None:
    """Unknown fields count too."""
    assert Message(role="user") == Message(role="user")
    assert Message(role="user") != Message(role="tool")
    assert Message(role="user", x=1) == Message(role="user", x=1)
    assert Message(role="user", x=1) != Message(role="user", x=2)
    assert Message(role="user", x=1) != Message(role="user")
    assert Message() != {}
    assert Logprob() != Message()


def test_a_repr_shows_what_is_there() -> None:
    """Defaults are left out, unknown fields are not."""
    assert repr(Message(role="user", content="hi")) == "Message(role='user', content='hi')"
    assert repr(Message(role="user", x=1)) == "Message(role='user', x=1)"
    assert repr(RawRecord(x=1)) == "RawRecord(x=1)"


# Copies


COPIES: list[Any] = [
    copy.copy,
    copy.deepcopy,
    lambda made: pickle.loads(pickle.dumps(made)),
    lambda made: made.model_copy(),
    lambda made: made.model_copy(deep=True),
    lambda made: made.copy(),
    lambda made: type(made).model_validate(made.model_dump()),
    lambda made: type(made).model_validate_json(made.model_dump_json()),
    lambda made: type(made)(**made),
]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_keeps_unknown_fields_at_every_level(copied: Any) -> None:
    """No way of copying loses anything."""
    made = ChatResponse(
        model="m",
        message={"role": "a", "x": {"deep": 1}, "tool_calls": [{"y": 2, **CALL}]},
        z=[1],
    )
    again = copied(made)

    assert again == made
    assert to_wire(again) == to_wire(made)
    assert again is not made


def test_a_deep_copy_shares_nothing() -> None:
    """Known and unknown values are copied."""
    made = ChatResponse(message={"role": "a", "x": [1]}, z=[1])
    again = copy.deepcopy(made)
    again.z.append(2)
    again.message.x.append(2)

    assert (made.z, made.message.x) == ([1], [1])


def test_a_copy_may_differ() -> None:
    """Named fields are replaced, whether known or not."""
    made = Message(role="user", content="a", x=1)
    again = made.model_copy(update={"content": "b", "x": 2, "y": 3})

    assert to_wire(again) == {"role": "user", "content": "b", "x": 2, "y": 3}
    assert to_wire(made) == {"role": "user", "content": "a", "x": 1}


# Validating


def test_validation_names_the_place() -> None:
    """A wrong value is a ValueError that says where."""
    with pytest.raises(ValueError, match=r"GenerateResponse\.eval_count"):
        GenerateResponse.model_validate({"eval_count": "many"})
    with pytest.raises(ValueError, match="takes a mapping, not list"):
        GenerateResponse.model_validate([])
    with pytest.raises(ValueError):
        GenerateResponse.model_validate_json("{")


def test_a_record_is_valid_already() -> None:
    """Validating twice changes nothing."""
    made = Message(role="user")

    assert Message.model_validate(made) is made
    assert Message.parse_obj({"role": "user"}) == made
    assert Message.model_construct(role="user") == made


def test_null_is_absent() -> None:
    """A null of the server is a field's default, never a wrong type."""
    made = from_wire(ListResponse, {"models": None})
    details = from_wire(ModelDetails, {"families": None, "family": "llama"})

    assert made.models == []
    assert details.families is None
    assert "families" not in details


# Dumping


def test_a_dump_is_plain() -> None:
    """Nested records become dicts; absent fields are None unless left out."""
    made = Message(role="user", tool_calls=[CALL], x=None)

    assert made.model_dump() == {
        "role": "user",
        "content": None,
        "thinking": None,
        "images": None,
        "tool_calls": [
            {
                "id": None,
                "type": None,
                "function": {"index": None, "name": "f", "arguments": {"a": 1}},
            }
        ],
        "tool_name": None,
        "tool_call_id": None,
        "x": None,
    }
    expected = {"role": "user", "tool_calls": [CALL]}
    assert made.model_dump(exclude_none=True) == expected
    assert made.model_dump(exclude_unset=True) == expected
    assert made.dict(exclude_none=True) == expected
    assert json.loads(made.json(exclude_none=True)) == expected


def test_a_dump_may_be_narrowed() -> None:
    """Fields are kept or left out by name, by default, and under either name."""
    made = ShowResponse(system="s", template="t", modelinfo={"a": 1})

    assert made.model_dump(include={"system"}) == {"system": "s"}
    assert "system" not in made.model_dump(exclude={"system"})
    assert made.model_dump(include={"modelinfo"}, by_alias=True) == {"model_info": {"a": 1}}
    assert Message(role="", content="x").model_dump(exclude_defaults=True) == {"content": "x"}
    assert Tool().model_dump(exclude_defaults=True) == {}
    assert Tool().model_dump(exclude_none=True) == {"type": "function"}


def test_json_text_may_be_indented() -> None:
    """Dates, sizes and bytes become text and numbers."""
    made = ListResponse.Model(
        name="m", size=5, modified_at=datetime(2026, 1, 2, tzinfo=UTC), raw=b"hi"
    )
    text = made.model_dump_json(exclude_none=True, indent=2)

    assert text.startswith('{\n  "name"')
    assert json.loads(text) == {
        "name": "m",
        "size": 5,
        "modified_at": "2026-01-02T00:00:00Z",
        "raw": "aGk=",
    }
    assert made.model_dump(mode="json", exclude_none=True) == json.loads(text)
    assert made.model_dump()["modified_at"] == datetime(2026, 1, 2, tzinfo=UTC)


def test_what_is_sent_keeps_a_null_written_on_purpose() -> None:
    """None of a known field is absent; a null in a field not known here was meant."""
    made = Message(role="user", content=None, x=None)

    assert to_wire(made) == {"role": "user", "x": None}
    assert to_wire({"a": (made, None), 1: {"b": None}}) == {
        "a": [{"role": "user", "x": None}, None],
        1: {"b": None},
    }


def test_a_schema_describes_the_type() -> None:
    """JSON Schema, as pydantic's models give it."""
    schema = Message.model_json_schema()

    assert "content" in json.dumps(schema)
    assert set(Message.model_fields) >= {"role", "content", "tool_calls"}


# Every field survives

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
extras = st.dictionaries(
    st.text(max_size=6).filter(lambda name: name != "error").map(lambda name: f"x{name}"),
    json_values,
    max_size=3,
)


@given(extras, extras, extras, extras, extras)
def test_unknown_fields_survive_at_every_level(
    top: Any, message: Any, call: Any, function: Any, logprob: Any
) -> None:
    """What a newer server sends comes out as it went in, wherever it stood."""
    wire = {
        "model": "m",
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": {}, **function}, **call}
            ],
            **message,
        },
        "logprobs": [
            {
                "token": "t",
                "logprob": -1.0,
                "top_logprobs": [{"token": "u", "logprob": -2.0, **logprob}],
                **logprob,
            }
        ],
        **top,
    }
    made = RecordDecoder(ChatResponse).decode(msgspec.json.encode(wire))

    assert to_wire(made) == wire
    assert to_wire(pickle.loads(pickle.dumps(made))) == wire
    assert made.model_dump(by_alias=True, exclude_none=True) == without_none(wire)


def without_none(value: Any) -> Any:
    """Leave out unknown fields that are null, which `exclude_none` asks for."""
    if isinstance(value, dict):
        known = {"message", "tool_calls", "function", "logprobs", "top_logprobs"}
        return {
            name: without_none(item) if name in known else item
            for name, item in value.items()
            if item is not None
        }
    return [without_none(item) for item in value] if isinstance(value, list) else value


RECORDS: list[type[Record]] = [
    ChatResponse,
    GenerateResponse,
    EmbedResponse,
    EmbeddingsResponse,
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
    Options,
    MeResponse,
    ServerStatusResponse,
    WebSearchResponse,
]


@pytest.mark.parametrize("cls", RECORDS)
def test_a_new_field_reaches_the_user_of_every_record(cls: type[Record]) -> None:
    """No record type drops what it does not know."""
    base: dict[str, Any] = {"message": {"role": "a"}} if cls is ChatResponse else {}
    made = RecordDecoder(cls).decode(msgspec.json.encode({**base, "brand_new": {"a": [None]}}))

    assert made.brand_new == {"a": [None]}
    assert to_wire(made)["brand_new"] == {"a": [None]}


# pydantic


class Holder(BaseModel):
    """A user's model that holds ours."""

    kind: Literal["x"] = "x"
    answer: ChatResponse
    more: list[Message] = []


def test_records_live_inside_pydantic_models() -> None:
    """They are validated from dicts and dumped to them."""
    made = Holder.model_validate({"answer": {"message": {"role": "a", "x": 1}}, "more": [{}]})

    assert isinstance(made.answer, ChatResponse)
    assert made.answer.message.x == 1
    assert made.model_dump(exclude_none=True)["answer"] == {"message": {"role": "a", "x": 1}}
    assert json.loads(made.model_dump_json(exclude_none=True))["more"] == [{"role": ""}]
    assert Holder.model_validate_json(made.model_dump_json()) == made


def test_pydantic_refuses_what_does_not_fit() -> None:
    """Our ValueError becomes a ValidationError with its place."""
    with pytest.raises(ValidationError, match="answer"):
        Holder.model_validate({"answer": {"message": {"role": 5}}})


def test_pydantic_knows_the_schema() -> None:
    """So FastAPI can document an endpoint that returns a record."""
    schema = Holder.model_json_schema()
    answer = schema["properties"]["answer"]

    assert answer["properties"]["message"]["properties"]["content"]
    assert "$ref" not in json.dumps(answer)
    assert TypeAdapter(ListResponse).json_schema()["type"] == "object"
    assert TypeAdapter(ListResponse).json_schema(mode="serialization")["type"] == "object"


def test_pydantic_dumps_sizes_and_dates() -> None:
    """Everything a list of models holds becomes JSON."""
    made = ListResponse(models=[{"size": 5, "modified_at": datetime(1, 1, 1, tzinfo=UTC)}])
    text = TypeAdapter(ListResponse).dump_json(made, exclude_none=True)

    assert json.loads(text) == {"models": [{"size": 5, "modified_at": "0001-01-01T00:00:00Z"}]}
    assert isinstance(made.models[0].size, ByteSize)
