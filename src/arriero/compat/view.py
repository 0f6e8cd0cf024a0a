"""``client._client``: the httpx client that code for the `ollama` package looks into.

arriero sends over its own transport. The view is a real httpx client of the same address,
headers and time limits, made when it is first asked for. What is changed on it afterwards
counts for the calls that follow.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import Any

from arriero._core.host import parse_host
from arriero._core.progress import Target
from arriero._drive.setup import Setup, timeouts_of
from arriero._transport.tls import context_from
from arriero.errors import MissingExtra

_SHARED = ("transport", "mounts", "event_hooks", "http2", "limits", "cookies", "params")
"""Arguments of the client that the view gets as they are."""


class View:
    """An httpx client beside the transport.

    Attributes:
        client: The httpx client.
    """

    def __init__(self, class_name: str, arguments: dict[str, Any], setup: Setup) -> None:
        self.client: Any = _made(class_name, arguments, setup)
        self._seen = self._state()

    def _state(self) -> tuple[str, dict[str, str], Any]:
        client = self.client
        return str(client.base_url), dict(client.headers), client.timeout

    def close_unused(self) -> None:
        """Close the client, which has sent nothing: for a view of a closed client."""
        closing = self.client.aclose() if hasattr(self.client, "aclose") else self.client.close()
        if closing is None:
            return
        # Without a connection nothing is waited for; without an event loop, httpx complains
        # after it has marked the client as closed.
        with suppress(StopIteration, RuntimeError):
            closing.send(None)
        closing.close()

    def applied(self, target: Target) -> Target:
        """Give `target` with what was changed on the client since the last time."""
        state = self._state()
        if state == self._seen:
            return target
        (url, headers, timeout), (old_url, old_headers, old_timeout) = state, self._seen
        self._seen = state
        if url != old_url:
            target = dataclasses.replace(target, base=parse_host(url))
        if timeout != old_timeout:
            target = dataclasses.replace(target, timeouts=timeouts_of(timeout))
        if headers != old_headers:
            target = _with_headers(target, headers, old_headers)
        return target


def _with_headers(target: Target, headers: dict[str, str], old: dict[str, str]) -> Target:
    kept = {name: value for name, value in target.headers if name in headers or name not in old}
    kept.update({name: value for name, value in headers.items() if old.get(name) != value})
    authorization = target.authorization if "authorization" in headers else None
    return dataclasses.replace(target, headers=tuple(kept.items()), authorization=authorization)


def _made(class_name: str, arguments: dict[str, Any], setup: Setup) -> Any:
    try:
        import httpx

        return getattr(httpx, class_name)(**_options(httpx, arguments, setup))
    except ImportError as cause:  # httpx itself, or what it needs for a socks proxy or HTTP/2
        raise MissingExtra(
            f"_client is an httpx client ({cause}): pip install 'arriero[httpx]'"
        ) from cause


def _options(httpx: Any, arguments: dict[str, Any], setup: Setup) -> dict[str, Any]:
    target = setup.target
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": target.user_agent,
    }
    if target.authorization is not None:
        headers["authorization"] = target.authorization
    headers.update(target.headers)
    limits = target.timeouts
    options = {name: arguments[name] for name in _SHARED if name in arguments}
    options.pop("cookies", None)  # they are among the headers
    auth = arguments.get("auth")
    if hasattr(auth, "auth_flow"):
        options["auth"] = auth
    tls = setup.transport.tls
    return dict(
        base_url=target.base.url,
        headers=headers,
        follow_redirects=target.follow_redirects,
        timeout=httpx.Timeout(limits.first_token_s, connect=limits.connect_s),
        # Proxies of the environment are chosen by arriero, which spares near hosts.
        trust_env=False,
        proxy=setup.transport.proxy,
        verify=True if tls is None else tls.context or context_from(tls),
        **options,
    )
