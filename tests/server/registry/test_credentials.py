"""Names and passwords for registries."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.server.registry.challenge import Credentials
from arriero.server.registry.credentials import credentials_by_host, credentials_in


def packed(text: str) -> str:
    """As Docker keeps a name and a password."""
    return base64.b64encode(text.encode()).decode()


def test_dockers_file_is_read() -> None:
    """In each of its forms; what a helper program keeps is left out."""
    file = {
        "auths": {
            "reg.example:5000": {"auth": packed("llama:wool: and grass")},
            "https://Hub.example/v1/": {"auth": packed("a:b")},
            "plain.example": {"username": "c", "password": "d"},
            "helped.example": {},
        },
        "credsStore": "desktop",
    }
    assert credentials_in(json.dumps(file).encode()) == {
        "reg.example:5000": Credentials("llama", "wool: and grass"),
        "hub.example": Credentials("a", "b"),
        "plain.example": Credentials("c", "d"),
    }
    assert credentials_in(b"{}") == {}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "missing request body"),
        (b"[]", 'there is no object "auths"'),
        (b'{"auths": 1}', 'there is no object "auths"'),
        (b'{"auths": {"x": {"auth": "%"}}}', "an entry is not in Base64"),
        (b'{"auths": {"x": {"auth": "OmI="}}}', "x: the user name is empty"),
    ],
)
def test_what_is_no_such_file_is_told(data: bytes, text: str) -> None:
    """Without quoting what may be a secret."""
    with pytest.raises(ValueError, match=text):
        credentials_in(data)


@pytest.mark.parametrize(
    ("host", "user"),
    [("https://reg.example", "a"), ("", "a"), ("reg/x", "a"), ("reg", ""), ("reg", "a:b")],
)
def test_what_fits_no_registry_is_told(host: str, user: str) -> None:
    """A host is what stands before the first slash of a model's name."""
    with pytest.raises(ValueError, match=r"is no host|user name"):
        credentials_by_host({host: (user, "secret")})


@given(st.binary(max_size=60) | st.text('{}":,[]auths', max_size=40).map(str.encode))
def test_any_file_can_be_read(data: bytes) -> None:
    """It is read, or told as a ValueError."""
    with contextlib.suppress(ValueError):
        credentials_in(data)
