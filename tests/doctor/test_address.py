"""Findings before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero import Finding, RequestError
from arriero._core.host import parse_host
from arriero._doctor.rules.address import (
    credential_findings,
    guess_of,
    host_findings,
    proxy_findings,
    unreadable_host,
)
from arriero._doctor.rules.seen import Subject

NO_VARIABLES: Mapping[str, str] = {}


def subject(given: str = "", environ: Mapping[str, str] = NO_VARIABLES, **more: object) -> Subject:
    """Give what an examination of `given` is about."""
    source = "OLLAMA_HOST" if given else ""
    return Subject(given, source, parse_host(given), environ, **more)  # type: ignore[arg-type]  # as fields


def odd(given: str, environ: Mapping[str, str] = NO_VARIABLES) -> list[Finding]:
    """Give what is found besides where calls go."""
    first, *rest = host_findings(subject(given, environ))
    assert (first.check, first.severity) == ("host", "ok")
    return rest


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http:/localhost:11434", "http://localhost:11434"),
        ("http//localhost:11434", "http://localhost:11434"),
        ("http:localhost:11434", "http://localhost:11434"),
        ("http:///localhost", "http://localhost:80"),
        ("htpp://localhost:11434", "http://localhost:11434"),
        ("htps://gpu.example", "https://gpu.example:443"),
        ("https;//gpu.example:1", ""),
        ("http:\\\\localhost:11434", "http://localhost:11434"),
        ("localhost;11434", "http://localhost:11434"),
        ("localhost,11434", "http://localhost:11434"),
        ("localhost 11434", "http://localhost:11434"),
        ("localhost: 11434", "http://localhost:11434"),
        ("local host", "http://localhost:11434"),
        ("localhost:99999", ""),
        ("localhost", ""),
        ("127.0.0.1:11434", ""),
        ("[::1]:11434", ""),
        ("::1", ""),
        ("https://user:pw@gpu.example:8443/prefix", ""),
        (" 'localhost' ", ""),
        ("", ""),
    ],
)
def test_slips_of_the_pen_are_guessed(written: str, meant: str) -> None:
    """Only what is not right already gets a guess."""
    assert guess_of(written) == meant


@given(
    st.sampled_from(["", "http://", "https://", "HTTP://"]),
    st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5})?", fullmatch=True),
    st.sampled_from(["", ":1", ":11434", ":65535"]),
    st.sampled_from(["", "/", "/prefix"]),
)
def test_what_is_right_gets_no_guess(scheme: str, host: str, port: str, path: str) -> None:
    """No host that can be meant is called a typo, save one named like a scheme."""
    text = scheme + host + port + path
    assert guess_of(text) == "" or host.startswith("h")


def test_a_host_that_cannot_be_read_is_an_error_with_a_guess() -> None:
    """The error says what is wrong, the remedy what may have been meant."""
    found = unreadable_host("htpp://localhost", RequestError("the scheme must be http or https"))
    assert found == Finding(
        "host",
        "error",
        "the scheme must be http or https",
        "did you mean http://localhost:80?",
    )
    assert unreadable_host("a:b:c:", RequestError("x")).remedy.startswith("write host, host:port")


@pytest.mark.parametrize(
    ("given", "severity", "text", "remedy"),
    [
        ("localhost;1", "warning", "looks mistyped", "http://localhost:1?"),
        ('"localhost"', "note", "blanks or quotes", "write http://localhost:11434"),
        (" localhost", "note", "blanks or quotes", "write http://localhost:11434"),
        ("localhost/api", "warning", "/api/api/chat", "write http://localhost:11434"),
        ("localhost/v1", "warning", "/v1/api/chat", "write http://localhost:11434"),
        ("gpu/x/v1/chat/completions", "warning", "is put before", "write http://gpu:11434/x"),
        ("0.0.0.0", "note", "0.0.0.0 is an address to listen on", "of their own"),
        ("0.0.0.0:1", "note", "calls go to http://127.0.0.1:1", "of their own"),
        ("[::]:1", "note", "calls go to http://[::1]:1", "of their own"),
        ("http://localhost", "note", "port 80", "write http://localhost:11434"),
        ("fe80::1:8080", "warning", "without a port", "[fe80::1]:8080"),
    ],
)
def test_what_is_odd_about_a_host_is_told(
    given: str, severity: str, text: str, remedy: str
) -> None:
    """Each with what to write instead."""
    (found,) = odd(given)
    assert found.severity == severity
    assert text in found.text
    assert remedy in found.remedy


@pytest.mark.parametrize(
    "given",
    ["localhost", "localhost:11434", "https://gpu.example", "http://gpu:80", "[::1]:1", "gpu/apis"],
)
def test_a_plain_host_is_not_odd(given: str) -> None:
    """Nothing but where calls go."""
    assert odd(given) == []


def test_variables_nobody_reads_are_told() -> None:
    """Somebody meant OLLAMA_HOST; an empty one, and one beside it, is nothing."""
    environ = {"OLLAMA_BASE_URL": "x", "OLAMA_HOST": "x", "OLLAMA_URL": "", "PATH": "/bin"}
    assert [one.text.split()[0] for one in odd("", environ)] == ["OLAMA_HOST", "OLLAMA_BASE_URL"]
    assert odd("localhost", environ) == []


@pytest.mark.parametrize(
    ("given", "environ", "severity", "text", "remedy"),
    [
        ("", {}, "ok", "none is used", ""),
        ("", {"HTTP_PROXY": "http://p:1"}, "note", "does not cover 127.0.0.1", "add 127.0.0.1 to"),
        ("[::1]:5", {"ALL_PROXY": "http://p:1"}, "note", "does not cover ::1", "add ::1 to"),
        ("gpu", {"ALL_PROXY": "socks5://p:1"}, "note", "does not cover gpu", "add gpu to"),
        ("", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1"}, "ok", "none is used", ""),
        ("", {"HTTPS_PROXY": "http://p:1"}, "ok", "none is used", ""),
    ],
)
def test_a_proxy_trap_is_told(
    given: str, environ: dict[str, str], severity: str, text: str, remedy: str
) -> None:
    """arriero goes directly to what is near; other programs do not."""
    (found,) = proxy_findings(subject(given, environ))
    assert (found.check, found.severity) == ("proxy", severity)
    assert text in found.text
    assert remedy in found.remedy


def test_a_proxy_in_use_is_shown_without_its_password() -> None:
    """Who reads the finding learns the proxy, and nothing secret."""
    (found,) = proxy_findings(subject("http://gpu.example", proxy="http://me:secret@proxy:3128"))
    assert found.text == "calls go through the proxy http://proxy:3128"


@pytest.mark.parametrize(
    ("given", "environ", "has_credentials", "severities"),
    [
        ("http://gpu.example", {}, True, ["error"]),
        ("http://10.1.2.3", {}, True, ["warning"]),
        ("http://127.0.0.1", {}, True, []),
        ("https://gpu.example", {}, True, []),
        ("http://gpu.example", {}, False, []),
        ("gpu", {"OLLAMA_API_KEY": "k"}, False, ["note"]),
        ("ollama.com", {}, False, ["warning"]),
        ("ollama.com", {"OLLAMA_API_KEY": "k"}, True, []),
    ],
)
def test_credentials_on_the_way_are_told(
    given: str, environ: dict[str, str], has_credentials: bool, severities: list[str]
) -> None:
    """In clear text over the internet is an error, in the house a warning."""
    found = credential_findings(subject(given, environ, has_credentials=has_credentials))
    assert [one.severity for one in found] == severities
