"""A credential that would go to another machine without TLS is told, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from arriero.errors import RequestError
from arriero.identity import OAuth2ClientCredentials, SecurityWarning

from .scripted import Colour, reply
from .test_credentials import VERSION


@pytest.fixture(autouse=True)
def nothing_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins a process, as far as warnings go."""
    monkeypatch.setattr("arriero._transport.notice._told", set())


EXPOSED: list[tuple[dict[str, Any], str]] = [
    ({"auth": "s3cret"}, "http://far:80"),
    ({"auth": ("me", "s3cret")}, "http://far:80"),
    ({"auth": lambda: "s3cret"}, "http://far:80"),
    ({"host": "http://me:s3cret@far"}, "http://far:80"),
    ({"host": "http://10.0.0.1:11434", "auth": "s3cret"}, "http://10.0.0.1:11434"),
    ({"host": "https://far", "auth": {"http://b:1": "s3cret"}}, "http://b:1"),
    ({"headers": {"Authorization": "s3cret"}}, "http://far:80"),
    ({"headers": {"X-API-Key": "s3cret"}}, "http://far:80"),
    ({"cookies": {"session": "s3cret"}}, "http://far:80"),
    ({"host": "https://far", "proxy": "http://me:s3cret@proxy:3128"}, "http://proxy:3128"),
    (
        {"host": "https://far", "auth": OAuth2ClientCredentials("http://idp/t", "me", "s3cret")},
        "http://idp:80",
    ),
]


@pytest.mark.parametrize(("arguments", "place"), EXPOSED)
def test_a_credential_in_clear_text_is_told(
    colour: Colour, arguments: dict[str, Any], place: str
) -> None:
    """When the client is made, once in a process, at the user's line."""
    arguments = {"host": "http://far", "cleartext_credentials": "warn", **arguments}
    with pytest.warns(SecurityWarning, match=f"would go to {place} in clear text") as caught:
        colour.client(**arguments)
    assert len(caught) == 1
    assert caught[0].filename.endswith("scripted.py")
    assert "s3cret" not in str(caught[0].message)
    colour.client(**arguments)  # another warning would be an error


@pytest.mark.parametrize(("arguments", "place"), EXPOSED)
def test_a_credential_in_clear_text_may_be_refused(
    colour: Colour, arguments: dict[str, Any], place: str
) -> None:
    """Before anything is sent."""
    arguments = {"host": "http://far", "cleartext_credentials": "error", **arguments}
    with pytest.raises(RequestError, match=f"would go to {place} in clear text") as caught:
        colour.client(**arguments)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("mode", ["warn", "error"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"host": "http://far"},
        {"host": "http://far", "headers": {"x-max-tokens": "5"}},
        {"host": "https://far", "auth": "s3cret"},
        {"host": "http://127.0.0.1:1", "auth": "s3cret"},
        {"host": "http://localhost", "auth": "s3cret"},
        {"host": "http://[::1]", "headers": {"cookie": "s3cret"}},
        {"host": "https://far", "proxy": "http://proxy:3128"},
    ],
)
def test_what_gives_nothing_away_is_not_told(
    colour: Colour, arguments: dict[str, Any], mode: str
) -> None:
    """TLS, this machine, or no secret."""
    client = colour.client(VERSION, cleartext_credentials=mode, **arguments)
    assert colour.do(client.version()).version == "1"


def test_a_secret_of_one_call_is_told_too(colour: Colour) -> None:
    """It is known only then."""
    client = colour.client(VERSION, cleartext_credentials="warn", host="http://far")
    with pytest.warns(SecurityWarning, match="http://far:80"):
        colour.do(client.request("GET", "/api/version", headers={"authorization": "s3cret"}))


def test_a_secret_of_one_call_may_be_refused(colour: Colour) -> None:
    """And is not sent then."""
    client = colour.client(VERSION, cleartext_credentials="error", host="http://far")
    with pytest.raises(RequestError, match="http://far:80") as caught:
        colour.do(client.request("GET", "/api/version", headers={"x-api-key": "s3cret"}))
    assert caught.value.call == "GET /api/version"
    assert colour.script.sent == []


def test_a_redirect_that_loses_tls_loses_the_credential(colour: Colour) -> None:
    """It belongs to the https origin, so there is nothing to tell."""
    away = reply(status=307, location="http://far/x")
    client = colour.client(
        away, VERSION, host="https://far", auth="s3cret", cleartext_credentials="error"
    )
    colour.do(client.version())
    assert "authorization" not in colour.script.sent[1].headers


def test_a_setting_that_is_none_is_refused(colour: Colour) -> None:
    """A typing error must not switch the warning off."""
    with pytest.raises(RequestError, match="'warn', 'error' or 'allow', not 'off'"):
        colour.client(cleartext_credentials="off")
