"""From a client's arguments to the guard of its egress: who else sees its calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from arriero._core.host import Base, parse_host
from arriero._core.policy.egress import Guard, denied_error
from arriero.egress import Egress
from arriero.identity import OAuth2ClientCredentials


def guard_of(
    egress: Egress | None,
    *,
    auth: Any,
    base: Base,
    proxy: str | None,
    httpx_options: Mapping[str, Any] | None,
    outside: Iterable[str],
    environ: Mapping[str, str],
) -> Guard | None:
    """Make the guard of a client.

    Args:
        egress: What the user asked for; None has none.
        auth: As given to the client.
        base: The client's host.
        proxy: The one our own transport uses.
        httpx_options: Arguments of the httpx client that is to be made, which finds
            proxies of its own; None if none is.
        outside: Where the client keeps what it shares with others.
        environ: The environment.

    Raises:
        EgressDenied: something would be kept where it may not.
    """
    if egress is None:
        return None
    proxies = [proxy] if proxy else []
    if httpx_options is not None:
        proxies += _proxies_of(httpx_options, environ)
    guard = Guard(
        egress, proxies=tuple(dict.fromkeys(proxies)), token_urls=dict(_token_urls(auth, base))
    )
    for place in outside:
        decision = guard.decide_keeping(place)
        if not decision.allowed:
            raise denied_error(decision)
    return guard


def _token_urls(auth: Any, base: Base) -> Iterator[tuple[str, str]]:
    given = cast("object", auth)
    if isinstance(given, OAuth2ClientCredentials):
        yield base.origin, given.token_url
    elif isinstance(given, Mapping):
        for place, credential in cast("Mapping[Any, object]", given).items():
            if isinstance(credential, OAuth2ClientCredentials):
                yield parse_host(place).origin, credential.token_url


def _proxies_of(options: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """Give every proxy that httpx may take for some URL."""
    given = options.get("proxy") or options.get("proxies")
    several = cast("Mapping[str, Any]", given).values() if isinstance(given, Mapping) else (given,)
    yield from (str(getattr(proxy, "url", proxy)) for proxy in several if proxy is not None)
    if options.get("trust_env", True):
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            found = environ.get(name) or environ.get(name.upper())
            if found:
                yield found if "://" in found else f"http://{found}"
