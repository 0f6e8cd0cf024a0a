"""The Ollama client for production, and a drop-in for the `ollama` package.

Importing this builds no client, reads no environment and opens no file: every name is
fetched when it is first used. Type checkers read `__init__.pyi`, which is generated from
the tables here.
"""

from __future__ import annotations

from typing import Any

from arriero._version import __version__

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
    "ensure",
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
    "arriero._core.events": (
        "BreakerChanged",
        "CallAdmitted",
        "CallEnded",
        "CallStarted",
        "ContentJudged",
        "FirstRecord",
        "Instrument",
        "RecordsArrived",
        "StreamOpened",
        "TryEnded",
    ),
    "arriero._core.http": ("HttpInfo",),
    "arriero._core.sketch": ("Spread",),
    "arriero._core.statistics": ("CacheStatistics", "Connections", "Statistics"),
    "arriero._doctor.examine": ("doctor",),
    "arriero._doctor.rules.findings": ("Diagnosis", "Finding"),
    "arriero._drive.async_stream": ("AsyncStream",),
    "arriero._drive.blocking": ("BlockingCallWarning",),
    "arriero._drive.stream": ("Stream",),
    "arriero._sync.client": ("Client",),
    "arriero._transport.pins": ("spki_pin",),
    "arriero.content": ("Content", "ContentAnswer", "ContentRequest", "Refuse"),
    "arriero.egress": ("Egress", "EgressDecision"),
    "arriero.errors": (
        "AccessDenied",
        "ApplyFailed",
        "ArrieroError",
        "AuditFailed",
        "BadRequest",
        "CallCancelled",
        "CapabilityError",
        "CertificateNotPinned",
        "CircuitOpen",
        "ClientClosed",
        "ConnectFailed",
        "ConnectionLost",
        "ContentRefused",
        "ContextOverflow",
        "CredentialError",
        "DeadlineExceeded",
        "DiskFull",
        "EgressDenied",
        "LimitReached",
        "MissingExtra",
        "ModelNotFound",
        "NotFound",
        "ParseError",
        "PolicyError",
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
        "VerificationFailed",
    ),
    "arriero.identity": ("OAuth2ClientCredentials", "SecurityWarning", "Token", "TokenFile"),
    "arriero.observe.audit": ("AuditLog",),
    "arriero.observe.logs": ("EventLog", "log_events"),
    "arriero.observe.telemetry": ("Telemetry",),
    "arriero.observe.verify": ("AuditReport", "verify_audit"),
    "arriero.server": ("Server", "serve"),
    "arriero.settings": (
        "Breaker",
        "Cache",
        "CallPolicy",
        "Limits",
        "Pool",
        "RedisRates",
        "Retry",
        "Timeouts",
        "Tls",
    ),
    "arriero.tools": ("run_tools", "run_tools_async", "tool_message"),
    "arriero.types.chat": (
        "ChatResponse",
        "GenerateResponse",
        "Logprob",
        "Message",
        "TokenLogprob",
    ),
    "arriero.types.embed": ("EmbedResponse", "EmbeddingsResponse"),
    "arriero.types.ensured": ("EnsureResponse", "PullPolicy", "SmokeTest"),
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

# No functions: `from arriero import *` would put ours over the builtin `list`. The `ollama`
# package leaves them out as well.
__all__ = ["__version__", *sorted(_PLACE_OF)]  # pyright: ignore[reportUnsupportedDunderAll]  # the stub names them


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
    return sorted({*globals(), *__all__, *_FUNCTIONS})
