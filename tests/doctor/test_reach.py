"""Findings on the way to a server."""

from __future__ import annotations

import pytest

from arriero import ConnectFailed, DeadlineExceeded, ProtocolError
from arriero._core.host import parse_host
from arriero._core.replies import error_of_reply
from arriero._doctor.rules.reach import (
    answer_findings,
    connection_findings,
    name_findings,
    tls_findings,
)
from arriero._doctor.rules.seen import Handshake, Knock, Names, Reply, Subject
from arriero.errors import ArrieroError

DAY_S = 86400.0
REFUSED = ("refused", "Connection refused")
TIMEOUT = ("timeout", "timed out")


def subject(host: str = "gpu.example", **more: bool | str) -> Subject:
    """Give what an examination of `host` is about."""
    return Subject(host, "OLLAMA_HOST", parse_host(host), {}, **more)  # type: ignore[arg-type]  # as fields


def knocks(*failures: tuple[str, str]) -> list[Knock]:
    """Give an attempt for each failure; an empty one succeeds."""
    addresses = ("::1", "127.0.0.1")
    return [
        Knock(address, kind, reason)  # type: ignore[arg-type]  # kinds of a test
        for address, (kind, reason) in zip(addresses, failures, strict=False)
    ]


def test_a_name_is_told_with_its_addresses() -> None:
    """An address needs no finding."""
    (found,) = name_findings("localhost", Names(("::1", "127.0.0.1")))
    assert (found.severity, found.text) == ("ok", "localhost is ::1, 127.0.0.1")
    assert list(name_findings("127.0.0.1", Names(("127.0.0.1",)))) == []
    assert list(name_findings("fe80::1%eth0", Names(("fe80::1",)))) == []


@pytest.mark.parametrize(
    ("host", "remedy"),
    [
        ("localhsot", "did you mean localhost?"),
        ("host.docker.internal", "--add-host=host.docker.internal:host-gateway"),
        ("ollama", "Docker Compose"),
        ("gpu.example", "check the spelling"),
    ],
)
def test_a_name_that_is_not_found_has_a_remedy(host: str, remedy: str) -> None:
    """By what kind of name it is."""
    (found,) = name_findings(host, Names(error="name not found"))
    assert found.severity == "error"
    assert remedy in found.remedy


def test_a_slow_name_is_a_warning() -> None:
    """Every new connection waits as long."""
    first, _ = name_findings("gpu.example", Names(("10.0.0.1",), spent_s=2.5))
    assert (first.severity, "took 2.5 s" in first.text) == ("warning", True)


def test_an_open_port_is_fine() -> None:
    """With the address that answered."""
    (found,) = connection_findings(
        subject("localhost"), "localhost", 11434, knocks(("", ""), REFUSED), is_elsewhere=False
    )
    assert (found.severity, found.text) == ("ok", "[::1]:11434 accepts, after 0.0 ms")


def test_localhost_that_is_tried_twice_is_a_warning() -> None:
    """`localhost` means ::1 first, and Ollama listens on 127.0.0.1."""
    first, second = connection_findings(
        subject("localhost"), "localhost", 11434, knocks(REFUSED, ("", "")), is_elsewhere=False
    )
    assert (first.severity, first.remedy) == ("warning", "write 127.0.0.1 instead of localhost")
    assert second.text.startswith("127.0.0.1:11434 accepts")


@pytest.mark.parametrize(
    ("host", "failures", "is_elsewhere", "in_container", "remedy"),
    [
        ("localhost", [REFUSED], True, False, "port 11434 accepts there"),
        ("localhost", [REFUSED], False, False, "start 'ollama serve' or 'arriero serve'"),
        ("localhost", [REFUSED], False, True, "host.docker.internal"),
        ("gpu.example", [REFUSED], False, False, "OLLAMA_HOST=0.0.0.0"),
        ("gpu.example", [TIMEOUT, REFUSED], False, False, "OLLAMA_HOST=0.0.0.0"),
        ("gpu.example", [TIMEOUT], False, False, "firewalls"),
        ("gpu.example", [("other", "no route")], False, False, "check address and network"),
    ],
)
def test_a_closed_port_has_a_remedy(
    host: str,
    failures: list[tuple[str, str]],
    is_elsewhere: bool,
    in_container: bool,
    remedy: str,
) -> None:
    """By what came back, from where."""
    (found,) = connection_findings(
        subject(host, in_container=in_container),
        host,
        80,
        knocks(*failures),
        is_elsewhere=is_elsewhere,
    )
    assert found.severity == "error"
    assert failures[0][1] in found.text
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("handshake", "severity", "text"),
    [
        (
            Handshake("trusted", version="TLSv1.3", ends_s=40 * DAY_S),
            "ok",
            "valid for 40 more days",
        ),
        (Handshake("trusted", version="TLSv1.3", ends_s=3.5 * DAY_S), "warning", "ends in 3 days"),
        (Handshake("trusted", version="TLSv1.2"), "ok", "TLSv1.2"),
        (Handshake("no-tls"), "error", "speaks no TLS"),
        (Handshake("failed", "reset by peer"), "error", "TLS failed: reset by peer"),
        (Handshake("untrusted", "x", 9), "error", "is not valid yet"),
        (Handshake("untrusted", "x", 10), "error", "has expired"),
        (Handshake("untrusted", "x", 18), "error", "is signed by itself"),
        (Handshake("untrusted", "x", 20), "error", "an authority this machine does not know"),
        (Handshake("untrusted", "x", 62), "error", "is for another name"),
        (Handshake("untrusted", "odd", 99), "error", "is not accepted: odd"),
    ],
)
def test_tls_is_told(handshake: Handshake, severity: str, text: str) -> None:
    """What is wrong with a certificate, and when it ends."""
    (found,) = tls_findings(subject("https://gpu.example"), "gpu.example", handshake, 0.0)
    assert found.severity == severity
    assert text in found.text
    assert bool(found.remedy) == (severity != "ok")


def test_trusting_everybody_is_a_warning() -> None:
    """`verify=False` is for experiments."""
    first, _ = tls_findings(
        subject("https://gpu.example", verifies=False), "gpu.example", Handshake("trusted"), 0.0
    )
    assert (first.severity, first.text.split(":")[0]) == ("warning", "verify=False")


def refused(status: int, body: bytes = b"", **headers: str) -> ArrieroError:
    """Give the error of an answer."""
    return error_of_reply(status, headers, body)


@pytest.mark.parametrize(
    ("host", "error", "text", "remedy"),
    [
        ("gpu", refused(404, b"not found"), "no /api/version", "check host, port and path"),
        ("gpu", refused(401), "401: it wants credentials", "pass auth="),
        ("gpu", refused(403), "refuses the name gpu", "OLLAMA_HOST=0.0.0.0"),
        ("127.0.0.1", refused(403), "403: it wants credentials", "pass auth="),
        ("gpu", refused(502), "a gateway answers 502", "where the gateway looks for it"),
        ("gpu", refused(500, b"oops"), "oops", "log of the server"),
        ("gpu", ProtocolError("no HTTP"), "is no Ollama: no HTTP", "check host, port and path"),
        ("gpu", DeadlineExceeded("total_s", 2), "does not answer", "hangs"),
    ],
)
def test_a_wrong_answer_is_told(host: str, error: ArrieroError, text: str, remedy: str) -> None:
    """Each with what to look at."""
    (found,) = answer_findings(subject(host), Reply(error=error))
    assert found.severity == "error"
    assert text in found.text
    assert remedy in found.remedy


def test_credentials_that_are_not_accepted_are_told() -> None:
    """Other than credentials that are missing."""
    (found,) = answer_findings(subject(has_credentials=True), Reply(error=refused(401)))
    assert (found.text, found.remedy) == ("401: the credentials are not accepted", "renew them")


def test_a_proxy_that_leads_nowhere_is_told() -> None:
    """The failure is the proxy's, not the server's."""
    (found,) = answer_findings(subject(proxy="http://p:1"), Reply(error=ConnectFailed("no route")))
    assert found.text == "no way through the proxy: no route"


def test_the_server_header_helps_to_find_who_answers() -> None:
    """Something else listens on that port."""
    (found,) = answer_findings(subject(), Reply(error=refused(404), headers={"server": "nginx"}))
    assert found.text.endswith("(its Server header: nginx)")


def test_a_redirect_is_a_note() -> None:
    """Every call makes the detour."""
    first, last = answer_findings(
        subject("http://gpu.example:80"), Reply("1.2.3", url="https://gpu.example/api/version")
    )
    assert (first.severity, last.severity) == ("note", "ok")
    assert "https://gpu.example:443" in first.text
