"""Who a client is: tokens that expire, and where they come from.

None of these shows its secret in a repr, and none that holds one can be pickled.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, NoReturn, Self, TypeAlias

from arriero.errors import RequestError
from arriero.settings import Timeouts, Tls


class SecurityWarning(UserWarning):
    """Something works, but not as safely as it looks: read it and mend it."""


class _Secret:
    """Not to be pickled: a pickle would carry the secret to wherever it goes."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a secret and cannot be pickled: make it where it is"
            " used, from the environment or a file"
        )

    def __copy__(self) -> Self:
        return self  # frozen

    def __deepcopy__(self, memo: object) -> Self:
        return self


@dataclass(frozen=True, slots=True)
class Token(_Secret):
    """A bearer token, and how long it is good for.

    What an ``auth`` callable gives if its token may be kept: it is then shared by all calls
    of the client, and asked for anew before it expires and after a 401. A callable that
    gives a plain `str` is asked for each request, and what it gives serves that one alone.
    """

    value: str = dataclasses.field(repr=False)
    expires_in_s: float | None = None
    """Seconds from now; None is good until the server refuses it."""
    refresh_before_s: float | None = None
    """How long before its end a new one is fetched, while this one is still used. None: a
    fifth of its life, but 60 s at most."""

    def __post_init__(self) -> None:
        if not isinstance(self.value, str) or not self.value:
            kind = type(self.value).__name__
            raise RequestError(f"Token.value takes a text that is not empty, not {kind}")
        _require_seconds("Token.expires_in_s", self.expires_in_s)
        _require_seconds("Token.refresh_before_s", self.refresh_before_s)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A bearer token in a file that someone else rotates, as Kubernetes does.

    Looked at for each request, read again when it has changed. Blanks and line breaks around
    the token do not count. While the file is missing, empty or unreadable, the last token
    read is used.
    """

    path: str | PathLike[str]


@dataclass(frozen=True, slots=True)
class OAuth2ClientCredentials(_Secret):
    """Tokens from an OAuth 2.0 server, for a program rather than a person.

    One token serves all calls of the client. It is fetched when first needed, again before
    it expires, and after a 401; calls that need it meanwhile wait for the same one.

    Source: RFC 6749, sections 2.3.1, 4.4 and 5; `audience` is not in it, but common.
    """

    token_url: str
    client_id: str
    client_secret: str = dataclasses.field(repr=False)
    scope: str | None = None
    """Scopes, with blanks between them."""
    audience: str | None = None
    """Whom the token is for, where the server wants that said."""
    client_auth: Literal["basic", "body"] = "basic"
    """How the secret is sent: in an ``Authorization`` header, which every server takes, or
    in the form."""
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str], repr=False)
    """Further fields of the form."""
    tls: Tls | None = None
    """Certificates of `token_url`; those of the client are not used for it."""
    timeouts: Timeouts = Timeouts(connect_s=5, first_token_s=15, total_s=30)  # noqa: RUF009  # frozen
    """Budgets of one fetch. A call that waits for it also keeps its own."""
    refresh_before_s: float | None = None
    """As `Token.refresh_before_s`."""

    def __post_init__(self) -> None:
        for name in ("token_url", "client_id", "client_secret"):
            value: Any = getattr(self, name)
            if not isinstance(value, str) or not value:
                kind = type(value).__name__
                raise RequestError(
                    f"OAuth2ClientCredentials.{name} takes a text that is not empty, not {kind}"
                )
        if not self.token_url.lower().startswith(("https://", "http://")):
            raise RequestError("OAuth2ClientCredentials.token_url takes an http or https URL")
        if self.client_auth not in ("basic", "body"):
            raise RequestError(
                "OAuth2ClientCredentials.client_auth takes 'basic' or 'body',"
                f" not {self.client_auth!r}"
            )
        _require_seconds("OAuth2ClientCredentials.refresh_before_s", self.refresh_before_s)


def _require_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise RequestError(f"{name} takes seconds, 0 or more, or None, not {value!r}")


Given: TypeAlias = str | Token
"""What an ``auth`` callable gives."""

Credential: TypeAlias = (
    str
    | tuple[str, str]
    | OAuth2ClientCredentials
    | TokenFile
    | Callable[[], Given]
    | Callable[[], Awaitable[Given]]
)
"""A bearer token; (user, password) for basic auth; where tokens come from: a callable, sync,
or async in `AsyncClient`."""

Auth: TypeAlias = Credential | Mapping[str, Credential]
"""One credential, for the client's host; or one for each origin, such as
``{"https://llm.internal": key}``."""
