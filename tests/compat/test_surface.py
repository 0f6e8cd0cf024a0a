"""Names, signatures and fields of the `ollama` package are all here."""

from __future__ import annotations

import asyncio
import inspect
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import arriero
from arriero.compat import client as shim_client

Modules = dict[str, ModuleType]

METHODS = (
    "chat",
    "close",
    "copy",
    "create",
    "create_blob",
    "delete",
    "embed",
    "embeddings",
    "generate",
    "list",
    "ps",
    "pull",
    "push",
    "show",
    "systemone",
    "web_fetch",
    "web_search",
)

OTHER_DEFAULTS = {"insecure": (False, None)}
"""Official and own default, where they differ: None is not sent, which means the same."""


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("cls", ["Client", "AsyncClient"])
@pytest.mark.parametrize("place", [arriero, shim_client], ids=["arriero", "shim"])
def test_methods_take_the_same_arguments(
    official: Modules, place: ModuleType, cls: str, name: str
) -> None:
    """Same names, order, kinds and defaults; what is ours alone is keyword-only."""
    theirs = _parameters(getattr(getattr(official["ollama"], cls), name))
    ours = _parameters(getattr(getattr(place, cls), name))
    shared = [parameter for key, parameter in ours.items() if key in theirs]
    assert [p.name for p in shared] == list(theirs)
    for parameter in shared:
        other = theirs[parameter.name]
        assert parameter.kind == other.kind
        expected = OTHER_DEFAULTS.get(parameter.name, (other.default, other.default))
        assert (other.default, parameter.default) == expected
    for key in ours.keys() - theirs.keys():
        assert ours[key].kind is inspect.Parameter.KEYWORD_ONLY


def test_the_list_of_methods_is_whole(official: Modules) -> None:
    """The official clients have no further public methods."""
    public = {name for name in dir(official["ollama"].Client) if not name.startswith("_")}
    assert public == set(METHODS)


@pytest.mark.parametrize("cls", ["Client", "AsyncClient"])
def test_clients_take_the_host_first(cls: str) -> None:
    """Then everything by name, httpx's arguments included."""
    host, *rest = _parameters(getattr(arriero, cls)).values()
    assert (host.name, host.kind.name, host.default) == ("host", "POSITIONAL_OR_KEYWORD", None)
    assert {p.kind.name for p in rest} == {"KEYWORD_ONLY", "VAR_KEYWORD"}


def test_every_public_name_is_here(official: Modules, shim: ModuleType) -> None:
    """On arriero itself, and on the shim."""
    public = {name for name in vars(official["ollama"]) if not name.startswith("_")}
    assert {name for name in public if not hasattr(arriero, name)} == set()
    assert {name for name in public if not hasattr(shim, name)} == set()
    assert set(official["ollama"].__all__) == set(shim.__all__)


def test_every_type_is_here_with_its_fields(official: Modules, shim: ModuleType) -> None:
    """`model_fields` of every class has the official names; ours may have more."""
    base = official["ollama._types"].SubscriptableBaseModel
    seen = 0
    for name, theirs in vars(official["ollama._types"]).items():
        if isinstance(theirs, type) and issubclass(theirs, base):
            ours = getattr(shim._types, name)
            assert set(theirs.model_fields) <= set(ours.model_fields) or theirs is base, name
            seen += 1
    assert seen > 40


def test_nested_types_are_here(shim: ModuleType) -> None:
    """Code builds and checks them by these paths."""
    assert shim.Message.ToolCall.Function is not None
    assert shim.Tool.Function.Parameters.Property is not None
    assert shim.ListResponse.Model is not shim.ProcessResponse.Model


def test_every_helper_is_here(official: Modules, shim: ModuleType) -> None:
    """Functions that others import from the private modules."""
    import sys

    for module in ("ollama._client", "ollama._utils"):
        functions = {
            name
            for name, value in vars(official[module]).items()
            if inspect.isfunction(value)
            and value.__module__.startswith("ollama")
            and name not in ("_parse_docstring",)
        }
        assert functions <= set(vars(sys.modules[module]))


def test_names_that_are_imported_from_the_client_module(shim: ModuleType) -> None:
    """Errors and types are reachable there too."""
    namespace: dict[str, Any] = {}
    exec(
        "from ollama._client import (AsyncClient, BaseClient, Client, ChatRequest, ChatResponse,"
        " CONNECTION_ERROR_MESSAGE, ConnectionError, Message, ResponseError, Tool, __version__)",
        namespace,
    )
    assert namespace["ResponseError"] is arriero.ResponseError
    assert namespace["ConnectionError"] is ConnectionError


def test_keyword_names_are_computed_from_the_request(shim: ModuleType) -> None:
    """As autogen does, from ``ChatRequest.model_fields``."""
    names = set(shim._types.ChatRequest.model_fields)
    assert {"model", "messages", "tools", "stream", "format", "options", "keep_alive"} <= names


def test_helpers_copy_messages_images_and_tools(shim: ModuleType, tmp_path: Any) -> None:
    """They give records, and lose nothing."""
    import sys

    from ollama import _client as instance  # noqa: F401  # the instance; the module is below

    module = sys.modules["ollama._client"]
    (message,) = module._copy_messages(
        [{"role": "tool", "content": "", "tool_call_id": "x", "images": [b"abc"]}]
    )
    assert (message.role, message.content, message["tool_call_id"]) == ("tool", "", "x")
    assert isinstance(message.images[0], shim.Image)
    image = shim.Image(value="abc")
    assert next(iter(module._copy_images([image, b"x"]))) is image
    assert list(module._copy_messages(None)) == list(module._copy_images(None)) == []

    def add(a: int) -> int:
        """Add."""
        return a

    schema = {"type": "function", "function": {"name": "f", "parameters": {"minimum": 1}}}
    tools = list(module._copy_tools([add, schema, shim.Tool()]))
    assert [tool.function.name if tool.function else None for tool in tools] == ["add", "f", None]
    assert tools[1].function.parameters["minimum"] == 1
    assert module._as_path(tmp_path) == module._as_path(str(tmp_path)) == tmp_path
    assert module._as_path(tmp_path / "no") is module._as_path(b"no") is module._as_path("\0")


def test_requests_dump_to_what_is_sent(official: Modules, shim: ModuleType) -> None:
    """``from`` and ``$defs`` have their wire names, images are base64."""
    theirs, ours = official["ollama._types"], shim._types
    for name, arguments in (
        ("CreateRequest", {"model": "m", "from_": "b", "stream": True}),
        ("GenerateRequest", {"model": "m", "prompt": "p", "images": [{"value": b"abc"}]}),
        ("ShowRequest", {"model": "m"}),
        ("CopyRequest", {"source": "a", "destination": "b"}),
        ("EmbedRequest", {"model": "m", "input": ["a"], "dimensions": 3}),
        (
            "ChatRequest",
            {
                "model": "m",
                "messages": [{"role": "user", "content": "x"}],
                "tools": [
                    {"function": {"name": "f", "parameters": {"$defs": {"a": {"type": "object"}}}}}
                ],
                "options": {"seed": 1},
                "keep_alive": "5m",
            },
        ),
    ):
        expected = getattr(theirs, name)(**arguments).model_dump(exclude_none=True)
        made = getattr(ours, name)(**arguments).model_dump(exclude_none=True)
        if name == "ChatRequest":
            # The official class fills in ``type``s that a dict did not have.
            expected["tools"][0].pop("type")
            expected["tools"][0]["function"]["parameters"].pop("type")
        assert made == expected, name


def test_mappings_in_requests_stay_what_they_are(shim: ModuleType) -> None:
    """Options and parameters dump without the names that were not given."""
    made = shim._types.CreateRequest(model="m", parameters={"a": 1}).model_dump()
    assert made["parameters"] == {"a": 1}
    assert shim._types.ChatRequest(options={"seed": 1}).model_dump()["options"] == {"seed": 1}


def test_the_message_of_a_failed_connection_is_known(shim: ModuleType) -> None:
    """`CONNECTION_ERROR_MESSAGE` is part of the error's text, and so is what happened."""
    from ollama._client import CONNECTION_ERROR_MESSAGE

    assert CONNECTION_ERROR_MESSAGE.startswith("Failed to connect to Ollama.")

    async def same(*, stream: bool) -> None:
        async with shim.AsyncClient("127.0.0.1:1") as client:
            answer = client.chat("m", stream=stream)
            if stream:
                answer = anext(await answer)
            with pytest.raises(ConnectionError) as caught:
                await answer
        assert_known(caught.value)

    def assert_known(error: ConnectionError) -> None:
        assert str(error).count(CONNECTION_ERROR_MESSAGE) == 1
        assert "POST /api/chat (http://127.0.0.1:1)" in str(error)
        assert "Connection refused" in str(error)

    with shim.Client("http://127.0.0.1:1") as client:
        with pytest.raises(ConnectionError) as caught:
            client.chat("m")
        assert_known(caught.value)
        with pytest.raises(ConnectionError) as caught:
            list(client.chat("m", stream=True))
        assert_known(caught.value)
    asyncio.run(same(stream=False))
    asyncio.run(same(stream=True))


def test_images_dump_as_the_text_that_is_sent(shim: ModuleType, tmp_path: Path) -> None:
    """The shim's read files, as the official class does; arriero's own never do."""
    (tmp_path / "a.png").write_bytes(b"abc")
    for value in (b"abc", "YWJj", tmp_path / "a.png", str(tmp_path / "a.png")):
        image = shim.Image(value=value)
        assert image.model_dump() == "YWJj"
        assert image.model_dump_json() == '"YWJj"'
        message = shim.Message(role="user", images=[image])
        assert message.model_dump()["images"] == ["YWJj"]
        request = shim._types.GenerateRequest(model="m", images=[value])
        assert request.model_dump()["images"] == ["YWJj"]
    assert arriero.Image(value=tmp_path / "a.png").model_dump() == str(tmp_path / "a.png")
    assert arriero.Image(value=b"abc").model_dump() == "YWJj"


@pytest.mark.parametrize(
    ("value", "reason"),
    [("gone.png", "does not exist"), ("/", "is a directory"), ("http://x/y", "URLs")],
)
def test_what_is_no_image_does_not_dump(shim: ModuleType, value: str, reason: str) -> None:
    """As officially, it is a ValueError."""
    with pytest.raises(ValueError, match=f"(?i){reason}"):
        shim.Image(value=value).model_dump()


def test_an_open_file_is_kept_for_sending(shim: ModuleType) -> None:
    """Dumping it would use it up."""
    file = io.BytesIO(b"abc")
    assert shim.Image(value=file).model_dump() is file
    assert file.tell() == 0


def test_a_web_search_without_a_key_says_so_in_known_words(shim: ModuleType) -> None:
    """Programs look for them."""
    text = "Authorization header with Bearer token is required for web"
    with shim.Client() as client:
        with pytest.raises(ValueError, match=f"{text} search"):
            client.web_search("x")
        with pytest.raises(ValueError, match=f"{text} fetch"):
            client.web_fetch("http://x")
