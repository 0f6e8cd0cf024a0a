"""Which arguments a client takes, and what it says of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from arriero._checks import check_kind
from arriero.content import Content
from arriero.egress import Egress
from arriero.errors import RequestError
from arriero.settings import Breaker, Cache, Pool, Retry, Timeouts, Tls

TRANSLATED: Final = {
    "verify",
    "cert",
    "limits",
    "trust_env",
    "proxies",
    "cookies",
    "params",
    "http1",
}
"""httpx keyword arguments that every transport honours."""

HTTPX_ONLY: Final = {
    "transport",
    "mounts",
    "event_hooks",
    "http2",
    "default_encoding",
    "max_redirects",
    "app",
}
"""httpx keyword arguments that only an httpx client can honour: one is then made."""

_OWN = (
    "host",
    "headers",
    "timeout",
    "timeouts",
    "auth",
    "tls",
    "proxy",
    "pool",
    "follow_redirects",
    "cleartext_credentials",
    "max_line_bytes",
    "retry",
    "limits",
    "breaker",
    "egress",
    "content",
    "observers",
    "cache",
    "audit",
    "telemetry",
    "log",
    "auto_pull",
    "http_client",
)

_KINDS: Mapping[str, tuple[type, str]] = {
    "headers": (Mapping, "a mapping from names to values"),
    "timeouts": (Timeouts, "a Timeouts, such as Timeouts(total_s=300)"),
    "tls": (Tls, "a Tls, such as Tls(ca='ca.pem')"),
    "pool": (Pool, "a Pool, such as Pool(max_connections=100)"),
    "retry": (Retry, "a Retry, such as Retry(attempts=5)"),
    "breaker": (Breaker, "a Breaker, such as Breaker()"),
    "egress": (Egress, "an Egress, such as Egress(hosts=['llm.internal'])"),
    "content": (Content, "a Content, such as Content(before=function)"),
    "cache": (Cache, "a Cache, such as Cache()"),
}


def refuse_unknown(arguments: Mapping[str, Any]) -> None:
    """Refuse names that are neither a client's own nor httpx's.

    Raises:
        RequestError: with the nearest known name.
    """
    known = TRANSLATED | HTTPX_ONLY
    for name in arguments:
        if name == "base_url":
            raise RequestError("Client takes host=, not base_url=")
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, [*known, *_OWN], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise RequestError(f"Client has no argument {name!r}{hint}")


def refuse_wrong(arguments: Mapping[str, object]) -> None:
    """Refuse values that would fail, or do nothing, in the middle of a call.

    Raises:
        RequestError: with what to write instead.
    """
    for name, value in arguments.items():
        if name in _KINDS:
            check_kind(name, value, *_KINDS[name])
    audit, telemetry = arguments.get("audit"), arguments.get("telemetry")
    if audit is not None and not hasattr(audit, "write"):
        raise RequestError(
            "audit: an AuditLog, such as AuditLog('calls.jsonl'), or None,"
            f" not {type(audit).__name__}"
        )
    if telemetry is not None and not callable(telemetry):
        raise RequestError(
            f"telemetry: a Telemetry, such as Telemetry(), or None, not {type(telemetry).__name__}"
        )
    _refuse_observers(arguments.get("observers", ()))
    longest = arguments.get("max_line_bytes")
    if longest is not None and not (type(longest) is int and longest > 0):
        raise RequestError(f"max_line_bytes takes a whole number from 1 on, not {longest!r}")
    redirects = arguments.get("follow_redirects")
    if not isinstance(redirects, bool | int | None):
        raise RequestError(f"follow_redirects takes True or False, not {redirects!r}")


def _refuse_observers(observers: Any) -> None:
    if not isinstance(observers, Sequence) or isinstance(observers, str | bytes):
        raise RequestError(
            f"observers: a list of functions, not {type(cast('object', observers)).__name__};"
            " write observers=[function]"
        )
    for index, observer in enumerate(cast("Sequence[object]", observers)):
        if not callable(observer):
            raise RequestError(f"observers[{index}] is no function but {type(observer).__name__}")
