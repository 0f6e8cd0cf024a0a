"""Tokens of an OAuth server: what is sent, and what its answers mean."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import pytest

from arriero._core.api.oauth import token_call
from arriero._core.http import Head
from arriero._core.policy.credentials import Failure
from arriero.identity import OAuth2ClientCredentials, Token


def credentials(**more: Any) -> OAuth2ClientCredentials:
    """Credentials of a client whose secret needs quoting."""
    return OAuth2ClientCredentials("https://idp/token", "me", "s3cret+ /ß", **more)


def answered(status: int, body: bytes, **more: Any) -> Token | Failure:
    """Give what an answer means."""
    whole = token_call(credentials(**more)).whole
    assert whole is not None
    return whole(Head(status, {}), body)


def form(call: Any) -> dict[str, str]:
    """Give the fields of the form that is sent."""
    return {name: value for name, (value,) in parse_qs(call.content.decode()).items()}


def test_the_secret_goes_into_the_header() -> None:
    """Quoted as in a form first, which is unlike basic auth elsewhere (RFC 6749, 2.3.1)."""
    call = token_call(credentials(scope="a b", audience="llm", parameters={"resource": "r"}))
    kind, _, coded = call.headers["authorization"].partition(" ")
    assert (kind, base64.b64decode(coded)) == ("Basic", b"me:s3cret%2B+%2F%C3%9F")
    assert form(call) == {
        "grant_type": "client_credentials",
        "resource": "r",
        "scope": "a b",
        "audience": "llm",
    }
    assert (call.method, call.path) == ("POST", "/token")


def test_the_secret_may_go_into_the_form() -> None:
    """For servers that do not read the header."""
    call = token_call(credentials(client_auth="body"))
    assert "authorization" not in call.headers
    assert form(call) == {
        "grant_type": "client_credentials",
        "client_id": "me",
        "client_secret": "s3cret+ /ß",
    }


def test_the_query_of_the_url_is_kept() -> None:
    """Some servers select the tenant there."""
    made = OAuth2ClientCredentials("https://idp?tenant=1", "me", "s")
    assert token_call(made).path == "/?tenant=1"


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'{"access_token":"t","token_type":"Bearer","expires_in":300}', Token("t", 300)),
        (b'{"access_token":"t","token_type":"bearer","expires_in":"300"}', Token("t", 300)),
        (b'{"access_token":"t","expires_in":null}', Token("t")),
        (b'{"access_token":"t","expires_in":"soon"}', Token("t")),
        (b'{"access_token":"t","expires_in":-1}', Token("t")),
    ],
)
def test_a_good_answer_is_a_token(body: bytes, token: Token) -> None:
    """With its life, if that is a number."""
    assert answered(200, body) == token
    assert answered(200, body, refresh_before_s=7) == Token("t", token.expires_in_s, 7)


@pytest.mark.parametrize(
    ("status", "body", "reason", "may_pass"),
    [
        (
            401,
            b'{"error":"invalid_client","error_description":"no  such\\nclient"}',
            "invalid_client: no such client (status 401)",
            False,
        ),
        (400, b'{"error":"invalid_scope"}', "invalid_scope (status 400)", False),
        (503, b"<html>", "refused (status 503)", True),
        (429, b"", "refused (status 429)", True),
        (500, b"[1]", "refused (status 500)", True),
        (400, b'{"error":5}', "refused (status 400)", False),
        (
            302,
            b"",
            "a redirect, which is not followed with a secret (status 302)",
            False,
        ),
        (200, b"<html>", "status 200 without an access_token in JSON", False),
        (200, b'{"access_token":""}', "status 200 without an access_token in JSON", False),
        (
            200,
            b'{"access_token":"t","token_type":"mac"}',
            "its token is of a type other than Bearer",
            False,
        ),
    ],
)
def test_a_bad_answer_says_why(status: int, body: bytes, reason: str, may_pass: bool) -> None:
    """In the server's words, on one line; and whether trying again may help."""
    assert answered(status, body) == Failure(reason, may_pass)


def test_a_server_that_repeats_the_secret_does_not_make_us_show_it() -> None:
    """Errors are logged, and servers do quote what they were sent."""
    said = '{"error":"invalid_client","error_description":"wrong: s3cret+ /ß"}'.encode()
    assert answered(401, said) == Failure("invalid_client: wrong: [secret] (status 401)", False)
