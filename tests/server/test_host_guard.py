"""Who may talk to the server."""

from __future__ import annotations

import http.client
import socket

import pytest

from arriero.server import serve
from arriero.server.guard import default_origins, host_of, is_allowed_origin, is_local_host

from .conftest import Ask, ask_server


@pytest.mark.parametrize(
    "header",
    [
        "", "localhost", "LOCALHOST:11434", "127.0.0.1", "127.0.0.1:80", "[::1]:11434", "::1",
        "10.1.2.3", "192.168.0.9:11434", "0.0.0.0", "[fd00::1]", "my.localhost", "box.local",
        "svc.internal:80", socket.gethostname(),
    ],
)  # fmt: skip
def test_names_of_this_machine_are_accepted(header: str) -> None:
    """Loopback and private addresses, this host's name, local domains."""
    assert is_local_host(header)


@pytest.mark.parametrize(
    "header",
    ["example.com", "example.com:11434", "8.8.8.8", "localhost.example.com", "xlocal", "a b"],
)
def test_other_names_are_refused(header: str) -> None:
    """A web page whose name was rebound to this machine gets nothing."""
    assert not is_local_host(header)


@pytest.mark.parametrize(
    ("header", "host"),
    [("a:1", "a"), ("[::1]:1", "::1"), ("::1", "::1"), (" A ", "a"), ("[fe80::1", "fe80::1")],
)
def test_the_port_is_cut_off(header: str, host: str) -> None:
    """Brackets too."""
    assert host_of(header) == host


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost", True), ("https://127.0.0.1:3000", True), ("app://x", True),
        ("null", False), ("https://example.com", False), ("http://localhost.example.com", False),
        ("http://localhost:3000", True), ("https://mine.example", True), ("http://", False),
    ],
)  # fmt: skip
def test_origins_match_by_prefix_and_suffix(origin: str, allowed: bool) -> None:
    """One star each; what is named by the owner counts too."""
    patterns = ["https://mine.example", *default_origins()]
    assert is_allowed_origin(origin, patterns) is allowed


def test_a_star_allows_every_origin() -> None:
    """Whoever asks for it gets it."""
    with serve(origins=["*"]) as server:
        answer = ask_server(server, "GET", "/", headers={"Origin": "https://example.com"})
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_same_origin_needs_no_headers(ask: Ask) -> None:
    """A page served from here asks here."""
    headers = {"Host": "localhost:1", "Origin": "http://localhost:1"}
    assert "access-control-allow-origin" not in ask("GET", "/", headers=headers).headers


def test_a_stream_carries_the_origin_header(ask: Ask) -> None:
    """CORS is for every kind of answer."""
    body = {"model": "mini", "prompt": "Hi", "options": {"num_predict": 1}}
    answer = ask("POST", "/api/generate", body, headers={"Origin": "http://localhost:3000"})

    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert answer.headers["vary"] == "Origin"


def test_a_server_open_to_the_network_checks_no_host() -> None:
    """Its clients know it by other names."""
    with serve(host="0.0.0.0") as server:
        assert server.url.startswith("http://127.0.0.1:")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/", headers={"Host": "gpu1.example.com"})
        assert connection.getresponse().status == 200
        connection.close()
