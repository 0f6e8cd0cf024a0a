"""What the official client loses, changes or refuses on the way out, sent right here."""

from __future__ import annotations

import base64
import enum
import functools
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pydantic
import pytest

import arriero
from arriero import Image, Message, Options, RequestError, Tool

from .conftest import Caller
from .scripted import Serve, answer, part

WHOLE = answer(part("hi", done=True))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
ENCODED = base64.b64encode(PNG).decode()


@pytest.fixture
def sent(scripted: Serve, call: Caller) -> Callable[..., Any]:
    """Make a call and give the JSON that was sent."""

    def make(method: str, *args: Any, reply: bytes = WHOLE, **how: Any) -> Any:
        there = scripted(reply)
        call(there.url, method, *args, **how)
        return there.last.json

    return make


# Function -> tool


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Place(pydantic.BaseModel):
    """A place."""

    city: str
    zip: int = 0


def search(
    query: str,
    kind: Literal["web", "news"],
    pages: list[int],
    key: int | str,
    colour: Colour,
    place: Place,
    limit: int = 10,
) -> str:
    """Search for something.

    Args:
        query: What to look for.
        kind: Where.
        pages: Which pages.
        key: A number
            or a name.
        colour: Of the cover.
        place: Near which place.
        limit: How many.
    """
    return query


@pytest.fixture
def properties(sent: Callable[..., Any]) -> dict[str, Any]:
    """The parameters of `search` as they are sent."""
    parameters: dict[str, Any] = sent("chat", "m", tools=[search])["tools"][0]["function"][
        "parameters"
    ]
    return parameters


def test_parameters_with_defaults_are_not_required(properties: dict[str, Any]) -> None:
    """Officially every one is."""
    assert "limit" not in properties["required"]
    assert set(properties["required"]) == set(properties["properties"]) - {"limit"}


def test_types_of_parameters_are_kept(properties: dict[str, Any]) -> None:
    """Choices, items, unions, enums and models; officially all become text or are lost."""
    made = properties["properties"]
    assert made["kind"]["enum"] == ["web", "news"]
    assert made["pages"]["items"]["type"] == "integer"
    assert made["colour"]["enum"] == ["red", "blue"]
    assert made["place"]["properties"]["city"]["type"] == "string"
    key = made["key"]
    types = {*key["type"]} if "type" in key else {option["type"] for option in key["anyOf"]}
    assert types == {"integer", "string"}
    assert "integer, string" not in str(key)


def test_descriptions_of_parameters_are_kept(properties: dict[str, Any]) -> None:
    """Over several lines too, and none is made up."""
    made = properties["properties"]
    assert made["query"]["description"] == "What to look for."
    assert made["key"]["description"] == "A number or a name."


def test_partials_become_tools(sent: Callable[..., Any]) -> None:
    """What is bound is hidden; officially an AttributeError."""
    tool = sent("chat", "m", tools=[functools.partial(search, limit=3)])["tools"][0]
    assert tool["function"]["name"] == "search"
    assert "query" in tool["function"]["parameters"]["properties"]


def test_variable_arguments_are_refused() -> None:
    """Officially they become required texts."""

    def many(*args: int, **more: int) -> int:
        """Add."""
        return 0

    with pytest.raises(RequestError, match="args"):
        arriero.Client().chat("m", tools=[many])


def test_dict_tools_are_sent_untouched(sent: Callable[..., Any]) -> None:
    """Nested objects, unions, limits and defaults; officially dropped."""
    tool = {
        "type": "function",
        "function": {
            "name": "f",
            "strict": True,
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "$defs": {"a": {"type": "string"}},
                "properties": {
                    "a": {"type": "object", "properties": {"b": {"type": "string"}}},
                    "c": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}]},
                    "d": {"type": "integer", "default": None, "minimum": 1},
                },
            },
        },
    }
    assert sent("chat", "m", tools=[tool])["tools"] == [tool]
    assert sent("chat", "m", tools=[Tool.model_validate(tool)])["tools"] == [tool]


def test_no_tools_are_no_key(sent: Callable[..., Any]) -> None:
    """Neither is ``messages``; officially both are sent as empty lists."""
    assert sent("chat", "m") == {"model": "m", "stream": False}


# Messages


def test_messages_are_sent_whole(sent: Callable[..., Any]) -> None:
    """Ids, names, indexes, empty texts, and keys nobody knows yet."""
    messages = [
        {
            "role": "assistant",
            "content": "",
            "thinking": "",
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}
            ],
        },
        {"role": "tool", "content": "4", "tool_call_id": "c1", "name": "f", "tool_name": "f"},
        {"role": "user", "content": "x", "brand_new": {"a": None}},
    ]
    assert sent("chat", "m", messages)["messages"] == messages
    records = [Message.model_validate(message) for message in messages]
    assert sent("chat", "m", records)["messages"] == messages


def test_an_answer_can_be_replayed(sent: Callable[..., Any], scripted: Serve, call: Caller) -> None:
    """What the server sent comes back to it, ids of calls and unknown fields included."""
    message = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "function": {"index": 1, "name": "f", "arguments": {}}}],
        "brand_new": 1,
    }
    there = scripted(answer({"message": message, "done": True}))
    response = call(there.url, "chat", "m")
    assert response.message.tool_calls[0].id == "c1"
    assert sent("chat", "m", [response.message])["messages"] == [message]


# Options, format, think, keep_alive


def test_options_are_sent_whole(sent: Callable[..., Any]) -> None:
    """``min_p`` is officially dropped from the class, and a lone stop text refused later."""
    options = Options(min_p=0.1, draft_num_predict=4, brand_new=True)
    expected = {"min_p": 0.1, "draft_num_predict": 4, "brand_new": True}
    assert sent("chat", "m", options=options)["options"] == expected
    assert sent("chat", "m", options={"stop": "x", "seed": None})["options"] == {"stop": ["x"]}


class Pet(pydantic.BaseModel):
    """A pet."""

    name: str


def test_format_takes_a_class(scripted: Serve, call: Caller) -> None:
    """Its schema is sent and its object comes back; officially a pydantic error."""
    there = scripted(answer(part('{"name": "Paco"}', done=True)))
    response = call(there.url, "chat", "m", format=Pet)
    assert there.last.json["format"]["properties"]["name"]["type"] == "string"
    assert response.parsed == Pet(name="Paco")


def test_format_takes_what_it_always_took(sent: Callable[..., Any]) -> None:
    """``"json"``, a schema, and the empty text of older code."""
    assert sent("chat", "m", format="json")["format"] == "json"
    assert sent("chat", "m", format=Pet.model_json_schema())["format"] == Pet.model_json_schema()
    assert sent("chat", "m", format="").get("format", "") == ""


def test_think_levels_are_not_checked(sent: Callable[..., Any]) -> None:
    """Servers learn new ones."""
    assert sent("chat", "m", think="max")["think"] == "max"


def test_keep_alive_takes_a_timedelta(sent: Callable[..., Any]) -> None:
    """And what the server would refuse is refused at once."""
    assert sent("chat", "m", keep_alive=timedelta(minutes=5))["keep_alive"] == 300
    assert sent("chat", "m", keep_alive="1h30m")["keep_alive"] == "1h30m"
    assert sent("chat", "m", keep_alive=-1)["keep_alive"] == -1
    with pytest.raises(RequestError, match="keep_alive"):
        arriero.Client().chat("m", keep_alive="5")


def test_a_number_that_json_has_no_words_for_is_refused() -> None:
    """Officially the server gets NaN, or a ValueError comes out of json."""
    with pytest.raises(RequestError), arriero.Client("http://127.0.0.1:1") as client:
        client.chat("m", options={"temperature": object()})


def test_newer_request_fields_can_be_sent(sent: Callable[..., Any]) -> None:
    """The official client has no arguments for them."""
    made = sent("chat", "m", truncate=False, shift=False, debug_render_only=True)
    assert (made["truncate"], made["shift"], made["_debug_render_only"]) == (False, False, True)
    create = sent(
        "create",
        "m",
        from_="b",
        renderer="r",
        parser="p",
        requires="1",
        draft_files={"a": "sha256:b"},
        info={"x": 1},
        reply=answer({"status": "success"}),
    )
    assert create.keys() >= {"from", "renderer", "parser", "requires", "draft_files", "info"}
    show = sent("show", "m", verbose=True, system="s", reply=answer({}))
    assert show == {"model": "m", "verbose": True, "system": "s"}


@pytest.mark.parametrize("model", ["", None, 5])
@pytest.mark.parametrize("method", ["chat", "generate", "embed", "show", "pull", "delete"])
def test_a_missing_model_is_a_request_error(method: str, model: Any) -> None:
    """The class the official documentation names and its code never raises."""
    with pytest.raises(RequestError, match="model is required"):
        getattr(arriero.Client("http://127.0.0.1:1"), method)(model)


# Images


@pytest.mark.parametrize("shape", ["alone", "in a list"])
@pytest.mark.parametrize(
    "image",
    [
        PNG,
        bytearray(PNG),
        ENCODED,
        f"data:image/png;base64,{ENCODED}",
        io.BytesIO(PNG),
        Image(value=PNG),
        {"value": PNG},
    ],
    ids=["bytes", "bytearray", "base64", "data URI", "file", "Image", "dict"],
)
def test_images_are_taken_in_every_form(scripted: Serve, image: Any, shape: str) -> None:
    """One alone too: officially a text alone is split into its characters."""
    there = scripted(answer({"done": True}))
    with arriero.Client(there.url) as client:
        if isinstance(image, io.BytesIO):
            image = io.BytesIO(PNG)
        client.generate("m", "x", images=image if shape == "alone" else [image])
    assert there.last.json["images"] == [ENCODED]


def test_images_are_taken_by_path(sent: Callable[..., Any], tmp_path: Path) -> None:
    """A `Path` or a text that names a file."""
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    done = answer({"done": True})
    assert sent("generate", "m", "x", images=[file, str(file)], reply=done)["images"] == [
        ENCODED,
        ENCODED,
    ]


def test_images_of_pil_are_taken(sent: Callable[..., Any]) -> None:
    """They are sent as PNG."""
    pil = pytest.importorskip("PIL.Image")
    made = sent("generate", "m", "x", images=[pil.new("CMYK", (2, 2))], reply=answer({}))
    assert base64.b64decode(made["images"][0]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("https://example.com/a.png", "not fetched from URLs"),
        ("http://example.com/a.png", "not fetched from URLs"),
        ("data:image/png,abc", "data: URI"),
        ("gone.png", "cannot be read"),
        ("no such/file.bin", "cannot be read"),
        (5, "an image is a path"),
        ("", "empty"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(image: Any, words: str) -> None:
    """A `RequestError` that says where; officially a missing file, or a pydantic error."""
    with arriero.Client("http://127.0.0.1:1") as client:
        with pytest.raises(RequestError, match=words) as caught:
            client.chat("m", [{"role": "user", "content": "x", "images": [image]}])
    assert "images" in str(caught.value) or "image" in str(caught.value)


# Blobs


def test_a_blob_is_sent_once_and_with_its_length(
    scripted: Serve, call: Caller, tmp_path: Path
) -> None:
    """Asked for first; officially always uploaded, by async in pieces without a length."""
    file = tmp_path / "model.gguf"
    file.write_bytes(b"x" * 100_000)
    there = scripted(answer(status="404 Not Found"), answer(status="201 Created"))
    digest = call(there.url, "create_blob", file)
    head, post = there.asked
    assert (head.method, head.path) == ("HEAD", f"/api/blobs/{digest}")
    assert (post.method, post.path) == ("POST", f"/api/blobs/{digest}")
    assert post.headers["content-length"] == "100000"
    assert post.body == b"x" * 100_000
    held = scripted(answer())
    assert call(held.url, "create_blob", str(file)) == digest
    assert [asked.method for asked in held.asked] == ["HEAD"]
