"""What the `ollama` package's modules hold, under the private names others import too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from arriero._core.host import parse_host
from arriero.compat import client, image, requests
from arriero.compat.client import (
    CONNECTION_ERROR_MESSAGE,
    AsyncClient,
    Client,
    DefaultClient,
)
from arriero.compat.image import Image
from arriero.errors import RequestError, ResponseError
from arriero.schema import convert_function_to_tool
from arriero.types import chat, embed, models, options, service, tool
from arriero.types.chat import Message
from arriero.types.record import Record
from arriero.types.tool import Tool

SURFACE = "0.6.3"
"""The release of the `ollama` package whose surface this is."""

_FUNCTIONS = (
    "generate",
    "chat",
    "embed",
    "embeddings",
    "pull",
    "push",
    "create",
    "delete",
    "list",
    "copy",
    "show",
    "ps",
    "web_search",
    "web_fetch",
    "systemone",
)

_PUBLIC = (
    "ChatResponse",
    "EmbedResponse",
    "EmbeddingsResponse",
    "GenerateResponse",
    "Image",
    "ListResponse",
    "Message",
    "Options",
    "ProcessResponse",
    "ProgressResponse",
    "RequestError",
    "ResponseError",
    "ShowResponse",
    "StatusResponse",
    "SystemOneAnswer",
    "SystemOneChoiceAnswer",
    "SystemOneChoiceQuestion",
    "SystemOneContent",
    "SystemOneNoulAnswer",
    "SystemOneNoulQuestion",
    "SystemOneQuestion",
    "SystemOneRequest",
    "SystemOneResponse",
    "SystemOneScoreAnswer",
    "SystemOneScoreQuestion",
    "SystemOneUsage",
    "Tool",
    "WebFetchResponse",
    "WebSearchResponse",
)
"""Types on the package itself, besides the two clients."""

_TYPES = (
    "Logprob",
    "ModelDetails",
    "TokenLogprob",
    "WebSearchResult",
)
"""Further types of ``ollama._types``, apart from the requests."""

_REQUESTS = (
    "BaseRequest",
    "BaseStreamableRequest",
    "BaseGenerateRequest",
    "GenerateRequest",
    "ChatRequest",
    "EmbedRequest",
    "EmbeddingsRequest",
    "PullRequest",
    "PushRequest",
    "CreateRequest",
    "DeleteRequest",
    "CopyRequest",
    "ShowRequest",
    "WebSearchRequest",
    "WebFetchRequest",
)


def _parse_host(host: str | None) -> str:
    """Give the base URL that a host means."""
    return parse_host(host).url


def _as_path(s: Any) -> Path | None:
    """Give the path of an existing file or directory, else None."""
    if not isinstance(s, str) and not hasattr(s, "__fspath__"):
        return None
    path = Path(s)
    try:
        return path if path.exists() else None
    except (OSError, ValueError):
        return None


def _copy_images(images: Sequence[Any] | None) -> Iterator[Image]:
    """Yield each image as an `Image`."""
    for item in images or ():
        yield item if isinstance(item, Image) else Image(value=item)


def _copy_messages(messages: Sequence[Any] | None) -> Iterator[Message]:
    """Yield each message as a `Message` of its own; nothing in it is dropped."""
    for item in messages or ():
        given: Mapping[str, Any] = dict(item)
        made = {name: value for name, value in given.items() if name != "images"}
        message = Message.model_validate(made)
        if given.get("images"):
            message.images = list(_copy_images(given["images"]))
        yield message


def _copy_tools(tools: Sequence[Any] | None = None) -> Iterator[Tool]:
    """Yield each tool as a `Tool`, made from its signature if it is a function."""
    for item in tools or ():
        if callable(item):
            yield convert_function_to_tool(item)
        else:
            yield Tool.model_validate(dict(item) if isinstance(item, Record) else item)


_HELPERS: tuple[Callable[..., Any], ...] = (
    _as_path,
    _copy_images,
    _copy_messages,
    _copy_tools,
    _parse_host,
    convert_function_to_tool,
)


def _found(names: Sequence[str]) -> dict[str, Any]:
    places: tuple[ModuleType, ...] = (
        image,  # first: `chat` has arriero's own
        chat,
        embed,
        models,
        options,
        service,
        tool,
        requests,
    )
    return {
        name: next(vars(place)[name] for place in places if name in vars(place)) for name in names
    }


def fill_types(module: ModuleType) -> None:
    """Make ``ollama._types``."""
    errors = {"RequestError": RequestError, "ResponseError": ResponseError}
    wanted = [name for name in (*_PUBLIC, *_TYPES, *_REQUESTS) if name not in errors]
    vars(module).update(_found(wanted), **errors)
    vars(module)["SubscriptableBaseModel"] = Record
    vars(module)["BaseGenerateResponse"] = chat.InferenceResponse


def fill_utils(module: ModuleType) -> None:
    """Make ``ollama._utils``."""
    vars(module)["convert_function_to_tool"] = convert_function_to_tool
    vars(module)["Tool"] = Tool


def fill_client(module: ModuleType) -> None:
    """Make ``ollama._client``, the module."""
    fill_types(module)
    vars(module).update({helper.__name__: helper for helper in _HELPERS})
    vars(module).update(
        AsyncClient=AsyncClient,
        BaseClient=client.BaseClient,
        Client=Client,
        CONNECTION_ERROR_MESSAGE=CONNECTION_ERROR_MESSAGE,
        ConnectionError=ConnectionError,
        __version__=SURFACE,
    )


def fill_package(module: ModuleType) -> None:
    """Make ``ollama``; its attribute ``_client`` is the default client, not the module."""
    import importlib

    types = importlib.import_module("ollama._types")
    importlib.import_module("ollama._utils")
    importlib.import_module("ollama._client")
    vars(module).update({name: vars(types)[name] for name in _PUBLIC})
    default = DefaultClient()
    vars(module).update({name: getattr(default, name) for name in _FUNCTIONS})
    vars(module).update(
        AsyncClient=AsyncClient,
        Client=Client,
        _client=default,
        __all__=["AsyncClient", "Client", *_PUBLIC],
    )


FILL: Mapping[str, Callable[[ModuleType], None]] = {
    "ollama": fill_package,
    "ollama._client": fill_client,
    "ollama._types": fill_types,
    "ollama._utils": fill_utils,
}
"""The modules, by name, and what makes each."""
