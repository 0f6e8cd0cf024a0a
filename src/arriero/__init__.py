"""The Ollama client for production, and a drop-in for the `ollama` package.

Importing this builds no client, reads no environment and opens no file: every name is
fetched when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from arriero._async.client import AsyncClient
    from arriero._core.http import HttpInfo
    from arriero._drive.tasks import AsyncStream
    from arriero._drive.threads import BlockingCallWarning, Stream
    from arriero._sync.client import Client
    from arriero.errors import (
        AccessDenied,
        ArrieroError,
        BadRequest,
        CallCancelled,
        CapabilityError,
        ClientClosed,
        ConnectFailed,
        ConnectionLost,
        ContextOverflow,
        DeadlineExceeded,
        MissingExtra,
        ModelNotFound,
        NotFound,
        ParseError,
        ProtocolError,
        RateLimited,
        RequestError,
        ResponseError,
        ServerBusy,
        ServerError,
        StatusError,
        StreamFailed,
        StreamIncomplete,
        ToolError,
        TransportError,
    )
    from arriero.server import Server, serve
    from arriero.settings import Pool, Timeouts, Tls
    from arriero.tools import arun_tools, run_tools, tool_message
    from arriero.types.chat import ChatResponse, GenerateResponse, Logprob, Message, TokenLogprob
    from arriero.types.embed import EmbeddingsResponse, EmbedResponse
    from arriero.types.image import Image
    from arriero.types.models import (
        ListResponse,
        ModelDetails,
        ProcessResponse,
        ProgressResponse,
        ShowResponse,
        StatusResponse,
    )
    from arriero.types.options import Options
    from arriero.types.raw import RawRecord, RawResponse
    from arriero.types.service import (
        MeResponse,
        ServerStatusResponse,
        SystemOneAnswer,
        SystemOneChoiceAnswer,
        SystemOneChoiceQuestion,
        SystemOneContent,
        SystemOneNoulAnswer,
        SystemOneNoulQuestion,
        SystemOneQuestion,
        SystemOneRequest,
        SystemOneResponse,
        SystemOneScoreAnswer,
        SystemOneScoreQuestion,
        SystemOneUsage,
        VersionResponse,
        WebFetchResponse,
        WebSearchResponse,
        WebSearchResult,
    )
    from arriero.types.tool import Tool

    _client: Client
    blob_exists = _client.blob_exists
    chat = _client.chat
    copy = _client.copy
    create = _client.create
    create_blob = _client.create_blob
    delete = _client.delete
    embed = _client.embed
    embed_array = _client.embed_array
    embeddings = _client.embeddings
    generate = _client.generate
    list = _client.list
    load = _client.load
    me = _client.me
    ps = _client.ps
    pull = _client.pull
    push = _client.push
    request = _client.request
    show = _client.show
    status = _client.status
    systemone = _client.systemone
    unload = _client.unload
    version = _client.version
    web_fetch = _client.web_fetch
    web_search = _client.web_search

_FUNCTIONS = (
    "blob_exists",
    "chat",
    "copy",
    "create",
    "create_blob",
    "delete",
    "embed",
    "embed_array",
    "embeddings",
    "generate",
    "list",
    "load",
    "me",
    "ps",
    "pull",
    "push",
    "request",
    "show",
    "status",
    "systemone",
    "unload",
    "version",
    "web_fetch",
    "web_search",
)
"""Methods of one default client."""

_PLACES = {
    "arriero._async.client": ("AsyncClient",),
    "arriero._core.http": ("HttpInfo",),
    "arriero._drive.tasks": ("AsyncStream",),
    "arriero._drive.threads": ("BlockingCallWarning", "Stream"),
    "arriero._sync.client": ("Client",),
    "arriero.errors": (
        "AccessDenied",
        "ArrieroError",
        "BadRequest",
        "CallCancelled",
        "CapabilityError",
        "ClientClosed",
        "ConnectFailed",
        "ConnectionLost",
        "ContextOverflow",
        "DeadlineExceeded",
        "MissingExtra",
        "ModelNotFound",
        "NotFound",
        "ParseError",
        "ProtocolError",
        "RateLimited",
        "RequestError",
        "ResponseError",
        "ServerBusy",
        "ServerError",
        "StatusError",
        "StreamFailed",
        "StreamIncomplete",
        "ToolError",
        "TransportError",
    ),
    "arriero.server": ("Server", "serve"),
    "arriero.settings": ("Pool", "Timeouts", "Tls"),
    "arriero.tools": ("arun_tools", "run_tools", "tool_message"),
    "arriero.types.chat": (
        "ChatResponse",
        "GenerateResponse",
        "Logprob",
        "Message",
        "TokenLogprob",
    ),
    "arriero.types.embed": ("EmbedResponse", "EmbeddingsResponse"),
    "arriero.types.image": ("Image",),
    "arriero.types.models": (
        "ListResponse",
        "ModelDetails",
        "ProcessResponse",
        "ProgressResponse",
        "ShowResponse",
        "StatusResponse",
    ),
    "arriero.types.options": ("Options",),
    "arriero.types.raw": ("RawRecord", "RawResponse"),
    "arriero.types.service": (
        "MeResponse",
        "ServerStatusResponse",
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
        "VersionResponse",
        "WebFetchResponse",
        "WebSearchResponse",
        "WebSearchResult",
    ),
    "arriero.types.tool": ("Tool",),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]  # built from the tables above
    "__version__",
    *sorted(_PLACE_OF),
    *_FUNCTIONS,
]


def __getattr__(name: str) -> Any:
    import importlib

    if name in _PLACE_OF:
        value = getattr(importlib.import_module(_PLACE_OF[name]), name)
    elif name in _FUNCTIONS:
        from arriero._default import default_client

        value = getattr(default_client, name)
    else:
        raise AttributeError(f"module 'arriero' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> Any:
    return sorted({*globals(), *__all__})
