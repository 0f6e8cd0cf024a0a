"""Choice of the adapter. The library below it is imported here, when it is first needed."""

from __future__ import annotations

from arriero._transport.interface import AsyncTransport, Transport, TransportSettings
from arriero.errors import RequestError

_WANTED = "pass an httpx.Client or httpx2.Client, or None for the built-in transport"
_WANTED_ASYNC = (
    "pass an httpx.AsyncClient or httpx2.AsyncClient, or None for the built-in transport"
)


def transport_for(
    http_client: object | None, settings: TransportSettings, *, owned: bool = False
) -> Transport:
    """Give the transport of a sync client.

    Args:
        http_client: A client of httpx or httpx2 that the user made, and will close; None
            uses sockets of our own.
        settings: For the latter. A client given brings its own TLS, pool and proxy.
        owned: True if `http_client` is ours to close.

    Raises:
        RequestError: `http_client` is something else, or a file of `settings` is unusable.
    """
    if http_client is None:
        from arriero._transport.over_sockets import SocketTransport

        return SocketTransport(settings)
    if _is_httpx(http_client, "Client"):
        from arriero._transport.over_httpx import HttpxTransport

        return HttpxTransport(http_client, owned=owned)
    raise RequestError(f"http_client={_kind(http_client)}: {_WANTED}")


def async_transport_for(
    http_client: object | None, settings: TransportSettings, *, owned: bool = False
) -> AsyncTransport:
    """Give the transport of an async client, for one event loop.

    Args:
        http_client: As for `transport_for`, but an async client; None uses
            connections of asyncio's own.
        settings: As for `transport_for`.
        owned: As for `transport_for`.

    Raises:
        RequestError: as `transport_for`.
    """
    if http_client is None:
        from arriero._transport.over_asyncio import AsyncioTransport

        return AsyncioTransport(settings)
    if _is_httpx(http_client, "AsyncClient"):
        from arriero._transport.over_httpx import AsyncHttpxTransport

        return AsyncHttpxTransport(http_client, owned=owned)
    raise RequestError(f"http_client={_kind(http_client)}: {_WANTED_ASYNC}")


def _is_httpx(candidate: object, name: str) -> bool:
    """Recognise the class without importing its library."""
    return any(
        base.__name__ == name and base.__module__.partition(".")[0] in ("httpx", "httpx2")
        for base in type(candidate).__mro__
    )


def _kind(thing: object) -> str:
    cls = thing if isinstance(thing, type) else type(thing)
    kind = f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}"
    return f"the class {kind}" if isinstance(thing, type) else kind
