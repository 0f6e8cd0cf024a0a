"""What a 401 asks for, and how it is met.

Source: RFC 9110, 11.6.1; Docker Registry v2 token authentication; Ollama v0.33.0-rc2,
server/auth.go.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from .. import gojson
from .messages import TransferFailed

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_WORD})(?:\s+|\Z|(?=,))(?!\s*=)")
_PAIR = re.compile(rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))')
_BETWEEN = re.compile(r"[\s,]*")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password for one registry."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """Value of the header `Authorization`."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to get in.

    Attributes:
        scheme: In lower case, such as ``bearer``.
        values: Its parameters, names in lower case.
    """

    scheme: str
    values: Mapping[str, str]


def read_challenges(header: str) -> list[Challenge]:
    """Read a `WWW-Authenticate` header; what is none of that ends it."""
    found: list[Challenge] = []
    at = _after(header, 0)
    while match := _SCHEME.match(header, at):
        at = _after(header, match.end())
        values: dict[str, str] = {}
        while pair := _PAIR.match(header, at):
            quoted, plain = pair[2], pair[3]
            values[pair[1].lower()] = plain if quoted is None else _ESCAPE.sub(r"\1", quoted)
            at = _after(header, pair.end())
        found.append(Challenge(match[1].lower(), values))
    return found


def _after(header: str, at: int) -> int:
    match = _BETWEEN.match(header, at)
    return at if match is None else match.end()


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Where a token is to be had, and whether the credentials go there."""

    url: str
    with_credentials: bool


def token_request(challenge: Challenge, registry: str, *, has_credentials: bool) -> TokenRequest:
    """Tell where to get a token.

    Credentials only go to the host they are for. Another host may give a token to anybody.

    Args:
        challenge: A Bearer challenge.
        registry: URL of the registry that sent it.
        has_credentials: Whether there are credentials for that registry.

    Raises:
        TransferFailed: the challenge names no such place, or one that must not be asked.
    """
    try:
        realm = urlsplit(challenge.values.get("realm", ""))
    except ValueError:
        realm = urlsplit("")
    there, here = realm.netloc.rpartition("@")[2], urlsplit(registry).netloc
    if realm.scheme not in ("http", "https") or not there:
        raise TransferFailed("unauthorized: the registry names no place that gives tokens")
    if has_credentials and there != here:
        raise TransferFailed(f'realm host "{there}" does not match original host "{here}"')
    if realm.scheme == "http" and registry.startswith("https:"):
        raise TransferFailed(f'realm "{realm.geturl()}" is not encrypted')
    query = [("scope", scope) for scope in challenge.values.get("scope", "").split()]
    if service := challenge.values.get("service"):
        query.append(("service", service))
    text = "&".join(part for part in (realm.query, urlencode(query)) if part)
    return TokenRequest(realm._replace(query=text, fragment="").geturl(), has_credentials)


def token_in(body: bytes) -> str:
    """Read the token out of an answer. Raises `TransferFailed`."""
    try:
        raw = gojson.decode(body)
    except gojson.JsonError as error:
        raise TransferFailed(f"token: {error}") from error
    found = (raw.get("token") or raw.get("access_token")) if gojson.is_object(raw) else None
    if not isinstance(found, str) or not found.isascii() or not found.isprintable():
        raise TransferFailed("token: there is none in the answer")
    return found
