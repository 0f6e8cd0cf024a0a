"""What a 401 asks for."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server.registry.challenge import (
    Challenge,
    Credentials,
    read_challenges,
    token_in,
    token_request,
)
from arriero.server.registry.messages import TransferFailed

BEARER = 'Bearer realm="https://reg.example/token",service="reg",scope="repository:a/b:pull"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Basic", [("basic", {})]),
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        ("Basic realm=x", [("basic", {"realm": "x"})]),
        ('basic Realm = "a, b" , a="b"', [("basic", {"realm": "a, b", "a": "b"})]),
        (r'Basic realm="a\"b"', [("basic", {"realm": 'a"b'})]),
        ('A realm="x", B realm="y"', [("a", {"realm": "x"}), ("b", {"realm": "y"})]),
        ('Negotiate, Basic realm="x"', [("negotiate", {}), ("basic", {"realm": "x"})]),
        (
            BEARER,
            [
                (
                    "bearer",
                    {
                        "realm": "https://reg.example/token",
                        "service": "reg",
                        "scope": "repository:a/b:pull",
                    },
                )
            ],
        ),
        ("=== nonsense ===", []),
    ],
)  # fmt: skip
def test_a_header_is_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    """Schemes and parameters, quoted or not, several in one header."""
    assert [(one.scheme, one.values) for one in read_challenges(header)] == expected


@given(st.text(max_size=200))
def test_any_header_can_be_read(header: str) -> None:
    """What makes no sense is left out; it never fails and never hangs."""
    for one in read_challenges(header):
        assert one.scheme == one.scheme.lower()


@given(st.text(alphabet=' ",=\\aB', max_size=60))
def test_any_punctuation_can_be_read(header: str) -> None:
    """The signs a header is made of, in any order."""
    read_challenges(header)


def bearer(**values: str) -> Challenge:
    """A challenge with a realm unless there is another."""
    return Challenge("bearer", {"realm": "https://reg.example/token", **values})


def test_a_token_is_asked_for_with_service_and_scopes() -> None:
    """One parameter for each scope; what the realm has of its own stays."""
    wanted = token_request(
        bearer(realm="https://reg.example/token?a=1", service="reg", scope="repository:x:pull y"),
        "https://reg.example",
        has_credentials=True,
    )

    assert wanted.with_credentials
    assert parse_qsl(urlsplit(wanted.url).query) == [
        ("a", "1"),
        ("scope", "repository:x:pull"),
        ("scope", "y"),
        ("service", "reg"),
    ]


def test_credentials_go_to_no_other_host() -> None:
    """Whoever holds the registry's answer cannot have the password sent elsewhere."""
    for realm in ("https://evil.example/token", "https://reg.example:444/token"):
        with pytest.raises(TransferFailed, match=r"realm host .* does not match original host"):
            token_request(bearer(realm=realm), "https://reg.example", has_credentials=True)


def test_userinfo_in_a_realm_fools_nobody() -> None:
    """The host is what follows the last @."""
    with pytest.raises(TransferFailed, match=r'"evil\.example"'):
        token_request(
            bearer(realm="https://reg.example@evil.example/token"),
            "https://reg.example",
            has_credentials=True,
        )


def test_anybody_may_get_a_token_elsewhere() -> None:
    """Without credentials there is nothing to lose."""
    wanted = token_request(
        bearer(realm="https://auth.example/token"), "https://reg.example", has_credentials=False
    )
    assert wanted.url.startswith("https://auth.example/token")
    assert not wanted.with_credentials


@pytest.mark.parametrize(
    "realm", ["", "token", "https://[", "file:///etc/passwd", "ftp://reg.example/", "//x"]
)
def test_a_realm_must_be_an_http_url(realm: str) -> None:
    """What is none is told."""
    with pytest.raises(TransferFailed, match="names no place that gives tokens"):
        token_request(bearer(realm=realm), "https://reg.example", has_credentials=False)


def test_a_token_does_not_leave_tls() -> None:
    """A registry behind TLS cannot send us to plain HTTP for it."""
    with pytest.raises(TransferFailed, match="not encrypted"):
        token_request(
            bearer(realm="http://reg.example/token"), "https://reg.example", has_credentials=False
        )


@pytest.mark.parametrize("body", [b'{"token": "abc"}', b'{"access_token": "abc", "token": ""}'])
def test_a_token_is_read(body: bytes) -> None:
    """Under either of its names."""
    assert token_in(body) == "abc"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nHost: evil"}']
)
def test_what_is_no_token_is_told(body: bytes) -> None:
    """Also one that would end the header it is meant for."""
    with pytest.raises(TransferFailed, match="token: "):
        token_in(body)


def test_a_password_is_not_shown() -> None:
    """Nowhere an object may be printed."""
    assert "wool" not in repr(Credentials("llama", "wool"))
