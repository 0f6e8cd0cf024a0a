"""Where the server is."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero._core.host import (
    Base,
    is_loopback,
    is_near,
    origin_of,
    parse_host,
    redirected,
)
from arriero.errors import RequestError


@pytest.mark.parametrize(
    ("value", "url"),
    [
        (None, "http://127.0.0.1:11434"),
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":1234", "http://127.0.0.1:1234"),
        (":0", "http://127.0.0.1:0"),
        ("example.com", "http://example.com:11434"),
        ("example.com:", "http://example.com:11434"),
        ("example.com:1234", "http://example.com:1234"),
        ("Example.COM", "http://example.com:11434"),
        ("https://[FE80::AB%Eth0]", "https://[fe80::ab%Eth0]:443"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("[1.2.3.4]:5", "http://1.2.3.4:5"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("[::]:99", "http://[::1]:99"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("HTTPS://1.2.3.4", "https://1.2.3.4:443"),
        ("https://example.com/ollama", "https://example.com:443/ollama"),
        ("https://example.com/ollama/", "https://example.com:443/ollama"),
        ("example.com/a/b#fragment", "http://example.com:11434/a/b"),
        ("ollama.com", "https://ollama.com:443"),
        (" \" '1.2.3.4' \" ", None),
        (" '\"1.2.3.4\"' ", "http://1.2.3.4:11434"),
        ('" 1.2.3.4 "', "http://1.2.3.4:11434"),
        ("user:pw@example.com:1", "http://example.com:1"),
    ],
)
def test_a_host_is_read_as_the_server_reads_it(value: str | None, url: str | None) -> None:
    """`OLLAMA_HOST` means the same here as it does to Ollama, and listening addresses
    become ones that can be called."""
    if url is None:
        with pytest.raises(RequestError):
            parse_host(value)
    else:
        assert parse_host(value).url == url


@pytest.mark.parametrize(
    "value",
    [
        ":66000",
        ":-1",
        "host:port",
        "host:²",
        "ftp://host",
        "http://[::1",
        "[]",
        "[example.com]",
        "two words",
        "a\nb",
        "http://a|b",
        "x:y:80",
        "http:/localhost:11434",
        "http//localhost",
        "HTTPS:/host",
        "https",
    ],
)
def test_what_is_no_host_is_refused(value: str) -> None:
    """A wrong host fails where it is given, with a message that shows it."""
    with pytest.raises(RequestError, match="host"):
        parse_host(value)


@pytest.mark.parametrize(
    "value",
    [
        "http://user:se/cret@host",
        "http://user:se#cret@host:1",
        "user:secret@host:99999",
        "user:secret@ho|st",
        "ftp://user:secret@host",
        "http://user:sec://ret@host:x",
        "http:/user:secret@host",
    ],
)
def test_a_refusal_shows_no_password(value: str) -> None:
    """Whatever is wrong with a host, its credentials stay out of the message."""
    with pytest.raises(RequestError) as caught:
        parse_host(value)

    assert "sec" not in str(caught.value)
    assert "se" not in str(caught.value).replace("//user", "")
    assert "cret" not in str(caught.value)


def test_credentials_become_a_header_and_nothing_else() -> None:
    """User and password are decoded, and shown neither in the URL nor in the repr."""
    base = parse_host("https://us%40er:p%20w@host/x?key=1")

    assert base.credentials == "Basic dXNAZXI6cCB3"
    assert (base.url, base.query) == ("https://host:443/x", "key=1")
    assert "dXNA" not in repr(base)


@pytest.mark.parametrize(
    ("query", "path", "url"),
    [
        ("", "/api/tags", "http://h:1/x/api/tags"),
        ("k=1", "/api/tags", "http://h:1/x/api/tags?k=1"),
        ("k=1", "/api/tags?a=2", "http://h:1/x/api/tags?a=2&k=1"),
    ],
)
def test_a_path_goes_behind_the_prefix(query: str, path: str, url: str) -> None:
    """A host's path and query are part of every URL."""
    assert Base("http://h:1", "/x", query).join(path) == url


@given(st.text(max_size=20) | st.from_regex(r"(http://)?([a-z.\[\]:@%0-9]{0,9})(:[0-9]{0,6})?/?"))
def test_a_host_is_refused_or_makes_a_url(value: str) -> None:
    """Every text either fails with our error or gives an origin that can be taken apart."""
    try:
        base = parse_host(value)
    except RequestError:
        return
    parts = urlsplit(base.url)
    assert parts.hostname
    assert parts.port is not None
    assert origin_of(base.url) == base.origin.lower()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Host/x", "http://host:80"),
        ("https://host", "https://host:443"),
        ("http://[::1]:5/", "http://[::1]:5"),
    ],
)
def test_an_origin_has_a_port_and_no_capitals(url: str, origin: str) -> None:
    """Origins compare as texts."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/api/tags", "http://h:1/api/tags"),
        ("tags", "http://h:1/api/tags"),
        ("https://other/x#part", "https://other/x"),
        ("http://user:pw@other/x", "http://other/x"),
        ("/a b/ü", "http://h:1/a%20b/%C3%BC"),
        ("/a%20b", "http://h:1/a%20b"),
    ],
)
def test_a_redirect_is_resolved(location: str, url: str) -> None:
    """Relative places, strange characters and credentials in a Location are dealt with."""
    assert redirected("http://h:1/api/x", location) == url


@pytest.mark.parametrize(
    "location", ["ftp://x/", "file:///etc/passwd", "http://x:0/", "http://x:99999/", "http://["]
)
def test_a_redirect_leads_to_http_or_nowhere(location: str) -> None:
    """A Location that is no http address is an error, whatever is wrong with it."""
    with pytest.raises(ValueError):
        redirected("http://h:1/", location)


@pytest.mark.parametrize(
    ("host", "near", "loopback"),
    [
        ("localhost", True, True),
        ("a.localhost.", True, True),
        ("127.9.9.9", True, True),
        ("[::1]", True, True),
        ("gpu1", True, False),
        ("gpu1.internal", True, False),
        ("printer.local", True, False),
        ("10.0.0.1", True, False),
        ("192.168.1.1", True, False),
        ("[fe80::1]", True, False),
        ("8.8.8.8", False, False),
        ("ollama.com", False, False),
    ],
)
def test_near_is_what_no_proxy_is_for(host: str, near: bool, loopback: bool) -> None:
    """Private networks are near; only this machine is loopback."""
    assert is_near(f"http://{host}:1/") is near
    assert is_loopback(f"http://{host}:1/") is loopback
