"""Tokens of an OAuth server, in both colours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arriero._core.http import Fault
from arriero.errors import CredentialError
from arriero.identity import OAuth2ClientCredentials
from arriero.settings import Timeouts

from .scripted import DENIED, HANG, VERSION, Colour, reply, tokens_of


def oauth(**more: Any) -> OAuth2ClientCredentials:
    """Credentials at a server of the script."""
    return OAuth2ClientCredentials("https://idp/token", "me", "s3cret", **more)


def issued(token: str) -> Any:
    """The answer of an OAuth server."""
    return reply(json.dumps({"access_token": token, "expires_in": 3600}).encode())


def test_an_oauth_token_is_fetched_and_kept(colour: Colour) -> None:
    """With the secret sent to its own server only."""
    client = colour.client(issued("t1"), VERSION, VERSION, auth=oauth())
    colour.do(client.version())
    colour.do(client.version())
    assert [sent.line for sent in colour.script.sent] == [
        "POST https://idp:443/token",
        "GET http://server:80/api/version",
        "GET http://server:80/api/version",
    ]
    assert tokens_of(colour) == ["Basic bWU6czNjcmV0", "Bearer t1", "Bearer t1"]


def test_an_oauth_token_is_fetched_anew_after_a_401(colour: Colour) -> None:
    """Once, and the call is repeated with it."""
    client = colour.client(issued("t1"), DENIED, issued("t2"), VERSION, auth=oauth())
    assert colour.do(client.version()).version == "1"
    assert tokens_of(colour)[1::2] == ["Bearer t1", "Bearer t2"]


def test_a_redirect_of_an_oauth_server_is_not_followed(colour: Colour) -> None:
    """The secret in the request would go wherever it says."""
    client = colour.client(reply(status=307, location="https://evil/"), auth=oauth())
    with pytest.raises(CredentialError, match="a redirect, which is not followed"):
        colour.do(client.version())
    assert len(colour.script.sent) == 1


@pytest.mark.parametrize(
    ("answer", "reason", "is_passing"),
    [
        (Fault("connect", "connect", "connection refused"), "connection refused", True),
        (reply(b'{"error":"invalid_client"}', status=401), "invalid_client (status 401)", False),
        (reply(b"{", status=503), "refused (status 503)", True),
    ],
)
def test_an_oauth_server_that_fails_is_named(
    colour: Colour, answer: Any, reason: str, is_passing: bool
) -> None:
    """By its URL, with what it said, and whether that may pass."""
    client = colour.client(answer, answer, answer, auth=oauth())
    with pytest.raises(CredentialError) as caught:
        colour.do(client.version())
    assert (caught.value.provider, caught.value.reason) == ("https://idp/token", reason)
    assert caught.value.retryable is is_passing
    assert "s3cret" not in str(caught.value)


def test_an_oauth_server_that_hangs_is_given_up(colour: Colour) -> None:
    """By its own budgets, if they are the shorter ones."""
    client = colour.client(HANG, auth=oauth(timeouts=Timeouts(total_s=0.05)))
    with pytest.raises(CredentialError, match="no answer in time"):
        colour.do(client.version())
