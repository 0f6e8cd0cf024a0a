"""Tokens of an OAuth 2.0 server: the request, its answer, its errors.

Source: RFC 6749, sections 2.3.1 (who asks), 4.4 (client credentials), 5.1 and 5.2 (answers).
"""

from __future__ import annotations

import base64
import math
from typing import Any, cast
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from arriero._core.calls import Call
from arriero._core.host import parse_host
from arriero._core.http import Head
from arriero._core.policy.credentials import Failure
from arriero._core.secrecy import redacted
from arriero.identity import OAuth2ClientCredentials, Token

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which trying again may help."""
_MAX_TEXT = 300


def token_call(credentials: OAuth2ClientCredentials) -> Call[Token | Failure]:
    """Build the question for a token; its path is all of `token_url` behind the host."""
    form = {"grant_type": "client_credentials", **credentials.parameters}
    headers = {
        "accept": "application/json",
        "content-type": "application/x-www-form-urlencoded",
    }
    if credentials.scope is not None:
        form["scope"] = credentials.scope
    if credentials.audience is not None:
        form["audience"] = credentials.audience
    if credentials.client_auth == "basic":
        headers["authorization"] = _basic(credentials.client_id, credentials.client_secret)
    else:
        form["client_id"] = credentials.client_id
        form["client_secret"] = credentials.client_secret
    parts = urlsplit(credentials.token_url)
    return Call(
        "POST",
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        content=urlencode(form).encode(),
        whole=lambda head, body: _token(credentials, head, body),
        base=parse_host(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"),
        headers=headers,
        secrets=(credentials.client_secret,),
        any_status=True,
    )


def _basic(client_id: str, client_secret: str) -> str:
    # Unlike elsewhere, both are quoted as in a form first.
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _token(credentials: OAuth2ClientCredentials, head: Head, body: bytes) -> Token | Failure:
    try:
        given = msgspec.json.decode(body)
    except msgspec.DecodeError:
        given = None
    fields = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if not 200 <= head.status < 300:
        return _refusal(credentials, head.status, fields)
    token = fields.get("access_token")
    if not isinstance(token, str) or not token:
        return Failure(f"status {head.status} without an access_token in JSON", may_pass=False)
    kind = fields.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return Failure("its token is of a type other than Bearer", may_pass=False)
    return Token(token, _life_s(fields.get("expires_in")), credentials.refresh_before_s)


def _life_s(given: object) -> float | None:
    """Give the token's life; some servers write the number as text."""
    try:
        life_s = float(cast("Any", given))
    except (TypeError, ValueError):
        return None
    return life_s if 0 <= life_s < math.inf else None


def _refusal(credentials: OAuth2ClientCredentials, status: int, fields: dict[str, Any]) -> Failure:
    said = (fields.get("error"), fields.get("error_description"))
    text = ": ".join(part for part in said if isinstance(part, str) and part)
    if 300 <= status < 400:
        text = "a redirect, which is not followed with a secret"
    secret, basic = (
        credentials.client_secret,
        _basic(credentials.client_id, credentials.client_secret),
    )
    # Taken out before it is cut: a part of a secret would not be found.
    text = redacted(" ".join(text.split()), [secret, quote_plus(secret), basic.split()[1]])[
        :_MAX_TEXT
    ]
    return Failure(f"{text or 'refused'} (status {status})", may_pass=status in _PASSING)
