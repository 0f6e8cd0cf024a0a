"""From the ``auth`` argument to who a client is at each origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from arriero._core.api.service import CLOUD
from arriero._core.host import Base, basic_auth, origin_named, origin_of
from arriero._core.policy.cleartext import is_secret
from arriero.errors import RequestError
from arriero.identity import OAuth2ClientCredentials, Token, TokenFile

if TYPE_CHECKING:
    from arriero._drive.credentials import Source


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client is, by origin. What is in neither mapping is nobody there."""

    fixed: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values of the ``Authorization`` header."""
    sources: dict[str, Source] = field(default_factory=dict[str, "Source"])
    """Who is asked for tokens."""
    token_servers: set[str] = field(default_factory=set[str])
    """Origins that are sent a secret for a token."""


def identity_of(auth: Any, base: Base, api_key: str | None) -> Identity:
    """Bind each credential to its origin.

    Args:
        auth: What the user gave; wins over what follows.
        base: The client's host, perhaps with credentials in its URL.
        api_key: Key of the environment; goes to ollama.com alone.

    Raises:
        RequestError: `auth` is none, or names something that is no origin.
    """
    identity = Identity()
    given = cast("object", auth)
    if isinstance(given, Mapping):
        for place, credential in cast("Mapping[object, object]", given).items():
            _add(identity, origin_named(place), credential)
    elif given is not None and not is_httpx_auth(given):
        _add(identity, base.origin, given)
    if given is None or isinstance(given, Mapping):
        _add_what_goes_without_saying(identity, base, api_key)
    return identity


def is_httpx_auth(auth: object) -> bool:
    """Tell whether `auth` is for an httpx client to use."""
    return hasattr(auth, "auth_flow")


def _add(identity: Identity, origin: str, credential: object) -> None:
    if isinstance(credential, str):
        if not credential.strip():
            raise RequestError("auth: an empty token; to send none, give None")
        identity.fixed[origin] = f"Bearer {credential}"
        return
    if isinstance(credential, tuple):
        pair = cast("tuple[object, ...]", credential)
        if len(pair) != 2:
            raise _no_credential("tuple")
        identity.fixed[origin] = basic_auth(str(pair[0]), str(pair[1]))
        return
    if not isinstance(credential, OAuth2ClientCredentials | TokenFile) and not callable(credential):
        raise _no_credential(type(credential).__name__)
    if isinstance(credential, OAuth2ClientCredentials):
        identity.token_servers.add(origin_of(credential.token_url))
    # Most clients have none, and this takes threads along.
    from arriero._drive.credentials import Source
    from arriero._drive.token_providers import provider_of

    identity.sources[origin] = Source(provider_of(credential))


def _no_credential(kind: str) -> RequestError:
    instead = "; give a Token by a callable" if kind == Token.__name__ else ""
    return RequestError(
        "auth: a token, a (user, password) pair, a callable that gives a token,"
        f" OAuth2ClientCredentials or TokenFile, not {kind}{instead}"
    )


def _add_what_goes_without_saying(identity: Identity, base: Base, api_key: str | None) -> None:
    if base.origin in identity.fixed or base.origin in identity.sources:
        return
    if base.credentials:
        identity.fixed[base.origin] = base.credentials
    elif api_key is not None and base.origin == CLOUD.origin:
        identity.fixed[base.origin] = f"Bearer {api_key}"


def secret_among(arguments: Mapping[str, Any]) -> str | None:
    """Give the name of an argument of a client that holds a secret, if one does."""
    auth: object = arguments.get("auth")
    credentials: Iterable[object] = (auth,)
    if isinstance(auth, Mapping):
        credentials = cast("Mapping[object, object]", auth).values()
    if any(isinstance(each, str | tuple | OAuth2ClientCredentials) for each in credentials):
        return "auth"
    if any(is_secret(str(name)) for name in arguments.get("headers") or ()):
        return "headers"
    if arguments.get("cookies"):
        return "cookies"
    tls = arguments.get("tls")
    if tls is not None and tls.password is not None:
        return "tls"
    for name in ("host", "proxy"):
        if "@" in str(arguments.get(name, "")):
            return name
    return None
