"""Responses act as mappings and as pydantic models, as those of the `ollama` package do."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic
import pytest

import arriero

Modules = dict[str, ModuleType]

CALL = {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": [1, {"b": None}]}}}

PAYLOADS: dict[str, dict[str, Any]] = {
    "ChatResponse": {
        "model": "m",
        "created_at": "2025-01-02T03:04:05.123456789Z",
        "message": {"role": "assistant", "content": "hi", "thinking": "t", "tool_calls": [CALL]},
        "done": True,
        "done_reason": "stop",
        "total_duration": 5,
        "eval_count": 3,
        "logprobs": [
            {"token": "a", "logprob": -1.5, "top_logprobs": [{"token": "a", "logprob": -1.5}]}
        ],
    },
    "GenerateResponse": {
        "model": "m",
        "created_at": "2025-01-02T03:04:05Z",
        "response": "hi",
        "thinking": "t",
        "context": [1, 2],
        "done": False,
    },
    "EmbedResponse": {"model": "m", "embeddings": [[0.5, 1.0]], "prompt_eval_count": 2},
    "EmbeddingsResponse": {"embedding": [0.5, 1.0]},
    "ListResponse": {
        "models": [
            {
                "model": "m:latest",
                "modified_at": "2025-01-02T03:04:05.5-07:00",
                "digest": "d",
                "size": 123,
                "details": {"family": "llama", "families": ["llama"], "format": "gguf"},
            }
        ]
    },
    "ProcessResponse": {
        "models": [
            {
                "model": "m",
                "name": "m",
                "expires_at": "2025-01-02T03:04:05Z",
                "size": 5,
                "size_vram": 4,
                "context_length": 2048,
            }
        ]
    },
    "ShowResponse": {
        "modified_at": "2025-01-02T03:04:05Z",
        "template": "t",
        "modelfile": "f",
        "license": "l",
        "model_info": {"general.architecture": "llama"},
        "parameters": "p",
        "capabilities": ["completion"],
        "details": {"parent_model": ""},
    },
    "ProgressResponse": {"status": "pulling", "completed": 1, "total": 2, "digest": "d"},
    "StatusResponse": {"status": "success"},
    "WebSearchResponse": {"results": [{"content": "c", "title": "t", "url": "u"}]},
    "WebFetchResponse": {"title": "t", "content": "c", "links": ["l"]},
    "SystemOneResponse": {
        "model": "m",
        "answers": {"q": {"type": "noul", "noul": 0.5}},
        "usage": {"input_tokens": 1, "output_tokens": 2},
    },
}
"""An answer for every response class."""


def within(part: Any, whole: Any) -> bool:
    """Tell whether everything of `part` is in `whole`, which may have further keys."""
    if isinstance(part, dict):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list | tuple):
        return len(part) == len(whole) and all(map(within, part, whole))
    return bool(part == whole)


@pytest.fixture(params=PAYLOADS)
def name(request: pytest.FixtureRequest) -> str:
    """The name of each response class."""
    return str(request.param)


def test_dumps_have_the_official_shape(official: Modules, name: str) -> None:
    """All keys and values of the official dump are in ours, in every mode."""
    theirs = getattr(official["ollama"], name)(**PAYLOADS[name])
    ours = getattr(arriero, name).model_validate(PAYLOADS[name])
    for how in ({}, {"exclude_none": True}, {"by_alias": True}):
        assert within(theirs.model_dump(**how), ours.model_dump(**how))
        assert within(
            json.loads(theirs.model_dump_json(**how)), json.loads(ours.model_dump_json(**how))
        )
        assert within(theirs.model_dump(mode="json", **how), ours.model_dump(mode="json", **how))
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert within(theirs.dict(), ours.dict())
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert within(json.loads(theirs.json()), json.loads(ours.json()))


def test_records_act_as_mappings(official: Modules, name: str) -> None:
    """What was sent is there by key; what was not is a KeyError, as officially."""
    theirs = getattr(official["ollama"], name)(**PAYLOADS[name])
    ours = getattr(arriero, name).model_validate(PAYLOADS[name])
    for key in type(theirs).model_fields:
        assert (key in ours) == (key in theirs), key
        assert (key in dict(ours)) == (key in theirs)
        if key in theirs:
            assert ours.get(key, "other") == getattr(ours, key) == ours[key]
        else:
            with pytest.raises(KeyError, match=key):
                ours[key]
            assert ours.get(key, "other") is None
            assert getattr(ours, key) is None
    assert "nothing" not in ours
    assert ours.get("nothing", 1) == 1
    with pytest.raises(AttributeError):
        ours.nothing  # noqa: B018


def test_records_iterate_over_pairs(name: str) -> None:
    """``dict(r)`` is shallow and has the present fields; ``**r`` works."""
    ours = getattr(arriero, name).model_validate(PAYLOADS[name])
    assert dict(ours) == {key: value for key, value in ours if value is not None}
    assert dict(**ours) == dict(ours)


def test_records_survive_copying_and_pickling(name: str) -> None:
    """Every way gives an equal record of its own, unknown fields included."""
    cls = getattr(arriero, name)
    ours = cls.model_validate({**PAYLOADS[name], "from_the_future": {"a": 1}})
    for made in (
        copy.copy(ours),
        copy.deepcopy(ours),
        pickle.loads(pickle.dumps(ours)),
        ours.model_copy(deep=True),
        cls.model_validate(ours.model_dump(by_alias=True)),
        cls.model_validate_json(ours.model_dump_json(by_alias=True)),
    ):
        assert made is not ours
        assert made == ours
        assert made["from_the_future"] == {"a": 1}


def test_records_live_in_pydantic_models(name: str) -> None:
    """As fields and in a TypeAdapter: validated, dumped, described, by FastAPI's ways."""
    cls = getattr(arriero, name)
    holder = pydantic.create_model("Holder", inner=(cls, ...), many=(list[cls], []))
    made = holder.model_validate({"inner": PAYLOADS[name], "many": [PAYLOADS[name]]})
    assert isinstance(made.inner, cls)  # type: ignore[attr-defined]
    assert json.loads(made.model_dump_json())["inner"] == made.inner.model_dump(mode="json")  # type: ignore[attr-defined]
    assert pydantic.TypeAdapter(cls).validate_python(made.inner) is made.inner  # type: ignore[attr-defined]
    assert holder.model_json_schema()["properties"]["inner"]["type"] == "object"
    with pytest.raises(pydantic.ValidationError):
        holder.model_validate({"inner": 5})


def test_messages_are_changed_in_place() -> None:
    """By item and by attribute."""
    message = arriero.Message(role="user")
    message["content"] = "x"
    message.images = ["a"]
    assert (message.content, message["images"], message.role) == ("x", ["a"], "user")
    message["tool_calls"] = [CALL]
    assert message["tool_calls"][0]["function"]["name"] == "f"


def test_false_and_empty_values_are_present() -> None:
    """Present means not None: zero, False, "" and [] count."""
    record = arriero.ChatResponse(
        message={"role": "assistant", "content": "", "tool_calls": []}, done=False, eval_count=0
    )
    assert "done" in record
    assert record["eval_count"] == 0
    assert record["message"]["content"] == ""
    assert "tool_calls" in record.message


def test_tool_arguments_are_plain_dicts() -> None:
    """Downstream code checks with isinstance."""
    call = arriero.Message.ToolCall.model_validate(CALL)
    assert type(call.function.arguments) is dict
    assert dict(call)["function"] is call.function


def test_times_and_sizes_have_the_official_types(official: Modules) -> None:
    """``created_at`` is text, other times are datetimes, sizes can be read aloud."""
    ours = arriero.ListResponse.model_validate(PAYLOADS["ListResponse"]).models[0]
    theirs = official["ollama"].ListResponse(**PAYLOADS["ListResponse"]).models[0]
    assert isinstance(ours.modified_at, datetime)
    assert ours.modified_at == theirs.modified_at
    assert ours.size is not None
    for size in (ours.size, type(ours.size)(5_000_000_000)):
        other = type(theirs.size)(size)
        assert size.human_readable() == other.human_readable()  # type: ignore[attr-defined]
        assert size.human_readable(decimal=True) == other.human_readable(decimal=True)  # type: ignore[attr-defined]
    chat = arriero.ChatResponse.model_validate(PAYLOADS["ChatResponse"])
    assert isinstance(chat.created_at, str)


def test_images_dump_as_what_is_sent(official: Modules) -> None:
    """A message that is stored and sent again holds base64, not a wrapper."""
    theirs, ours = (
        module.Message(role="user", content="x", images=[module.Image(value=b"abc")])
        for module in (official["ollama"], arriero)
    )
    assert theirs.model_dump()["images"] == ours.model_dump()["images"] == ["YWJj"]
    assert json.loads(ours.model_dump_json())["images"] == ["YWJj"]


def test_a_path_is_not_read_when_it_is_dumped(tmp_path: Path) -> None:
    """Files are read when a request is sent, and not before."""
    message = arriero.Message(role="user", images=[arriero.Image(value=tmp_path / "gone.png")])
    assert message.model_dump()["images"] == [str(tmp_path / "gone.png")]


def test_constructors_do_not_convert() -> None:
    """`model_validate` does; nested mappings become records in both."""
    late = "2025-01-02T03:04:05Z"
    assert arriero.ShowResponse(modified_at=late).modified_at == late  # type: ignore[arg-type,comparison-overlap]
    assert isinstance(
        arriero.ShowResponse.model_validate({"modified_at": late}).modified_at, datetime
    )
    assert isinstance(arriero.ShowResponse(details={"family": "x"}).details, arriero.ModelDetails)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="role"):
        arriero.Message.model_validate({"role": 5})


def test_times_are_rounded() -> None:
    """To microseconds; officially they are cut."""
    record = arriero.ShowResponse.model_validate({"modified_at": "2025-01-02T03:04:05.0000019Z"})
    assert record.modified_at is not None
    assert record.modified_at.microsecond == 2


def test_records_are_no_pydantic_models() -> None:
    """They have the methods only."""
    record = arriero.Message(role="user")
    assert not isinstance(record, pydantic.BaseModel)
    assert hasattr(record, "model_dump")
    assert repr(record) == "Message(role='user')"


def test_show_can_be_searched_when_metadata_is_missing() -> None:
    """``modelinfo`` is then empty, not None and no error."""
    assert arriero.ShowResponse.model_validate({}).modelinfo == {}
    assert arriero.ShowResponse(model_info={"a": 1}).modelinfo == {"a": 1}
    assert arriero.ShowResponse(modelinfo={"a": 1})["modelinfo"] == {"a": 1}


def test_options_take_any_name() -> None:
    """Unknown ones too; the official class drops ``min_p`` in silence."""
    options = arriero.Options(min_p=0.1, brand_new=1, stop=["x"])
    assert options.model_dump(exclude_none=True) == {"min_p": 0.1, "brand_new": 1, "stop": ["x"]}


def test_responses_are_recognised_by_class(shim: ModuleType) -> None:
    """One class under every name it can be imported by."""
    response = arriero.ChatResponse.model_validate(PAYLOADS["ChatResponse"])
    from ollama._types import ChatResponse as Private

    assert isinstance(response, shim.ChatResponse)
    assert isinstance(response, Private)
    assert isinstance(response.message, shim.Message)


DIFFERENT = {
    "an explicit null": lambda module: (
        "families"
        in module.ListResponse(models=[{"details": {"families": None}}]).models[0].details
    ),
    "None set by hand": lambda module: "content" in _with_none(module),
    "dict of a record": lambda module: "content" in dict(module.Message(role="user")),
}


def _with_none(module: Any) -> Any:
    message = module.Message(role="user")
    message["content"] = None
    return message


@pytest.mark.parametrize("what", ["an explicit null", "None set by hand", "dict of a record"])
def test_where_none_means_absent(official: Modules, what: str) -> None:
    """The one deliberate difference of the mapping: None is never present."""
    assert DIFFERENT[what](official["ollama"]) is True
    assert DIFFERENT[what](arriero) is False
