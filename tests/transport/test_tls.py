"""Who is trusted, and as whom we come."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from arriero._core.http import Fault
from arriero._transport.interface import TransportSettings
from arriero._transport.tls import context_from
from arriero.errors import RequestError
from arriero.settings import Tls

from .adapters import Adapter, fault_of, fetch, get, post, rest_of
from .certificates import PASSWORD, Certificates
from .peer import CHUNKED, Line, Peer, Received, answering, chunk, whole

Make = Callable[..., Adapter]


def with_tls(**tls: object) -> TransportSettings:
    return TransportSettings(tls=Tls(**tls))  # type: ignore[arg-type]


def connect_fault(adapter: Adapter, url: str) -> Fault:
    with pytest.raises(Fault) as caught:
        adapter.open(get(url))
    assert (caught.value.kind, caught.value.phase) == ("connect", "connect")
    return caught.value


def test_an_authority_of_ones_own_is_trusted(make: Make, certificates: Certificates) -> None:
    """`Tls.ca` names whom to trust; the connection is kept as any other."""
    seen: list[Received] = []
    adapter = make(with_tls(ca=certificates.ca))
    with Peer(answering(whole(), requests=seen), tls=certificates.server()) as peer:
        for _ in range(2):
            answer = adapter.open(get(f"{peer.url}/x"))
            assert rest_of(answer) == b"{}"
            answer.close()
        assert answer.reused
        assert peer.accepted == 1
    assert seen[0].headers == {"host": f"127.0.0.1:{peer.port}"}


def test_a_stranger_is_not_trusted(make: Make, certificates: Certificates) -> None:
    """Another authority's word does not count, and the reason says so."""
    adapter = make(with_tls(ca=certificates.stranger))
    with Peer(answering(whole()), tls=certificates.server()) as peer:
        fault = connect_fault(adapter, peer.url)
    assert "certificate not accepted: unable to get local issuer" in fault.reason


def test_another_hosts_certificate_is_not_accepted(make: Make, certificates: Certificates) -> None:
    """The name must be in the certificate."""
    adapter = make(with_tls(ca=certificates.ca))
    with Peer(answering(whole()), tls=certificates.server("elsewhere")) as peer:
        fault = connect_fault(adapter, peer.url)
    assert "certificate not accepted" in fault.reason
    assert "127.0.0.1" in fault.reason


@pytest.mark.parametrize("server", ["server", "elsewhere"])
def test_without_verify_everything_is_accepted(
    make: Make, certificates: Certificates, server: str
) -> None:
    """For experiments only, but then it must work."""
    adapter = make(with_tls(verify=False))
    with Peer(answering(whole()), tls=certificates.server(server)) as peer:
        assert fetch(adapter, get(peer.url)) == b"{}"


@pytest.mark.parametrize("is_apart", [False, True], ids=["one file", "key apart"])
def test_our_own_certificate_is_shown(
    make: Make, certificates: Certificates, is_apart: bool
) -> None:
    """A server that asks gets `Tls.cert`; its key may lie in another file, locked."""
    own = (
        {
            "cert": certificates.client_cert,
            "key": certificates.client_key,
            "password": PASSWORD,
        }
        if is_apart
        else {"cert": certificates.client}
    )
    adapter = make(with_tls(ca=certificates.ca, **own))
    with Peer(answering(whole()), tls=certificates.demanding_server()) as peer:
        assert fetch(adapter, get(peer.url)) == b"{}"


def test_a_server_that_wants_a_certificate_refuses_without(
    make: Make, certificates: Certificates
) -> None:
    """With TLS 1.3 the refusal comes after the handshake, so it may look like a loss."""
    adapter = make(with_tls(ca=certificates.ca))
    with Peer(answering(whole()), tls=certificates.demanding_server()) as peer:
        with pytest.raises(Fault) as caught:
            fetch(adapter, get(peer.url))
    assert caught.value.kind in ("connect", "lost")


def test_old_versions_are_refused(make: Make, certificates: Certificates) -> None:
    """A server that cannot do `Tls.minimum_version` is not spoken to."""
    server = certificates.server()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    adapter = make(with_tls(ca=certificates.ca, minimum_version="1.3"))
    with Peer(answering(whole()), tls=server) as peer:
        assert "version" in connect_fault(adapter, peer.url).reason
    adapter = make(with_tls(ca=certificates.ca))
    with Peer(answering(whole()), tls=server) as peer:
        assert fetch(adapter, get(peer.url)) == b"{}"


def test_a_server_without_tls_is_a_connect_fault(make: Make, certificates: Certificates) -> None:
    """https to a port that speaks http."""
    adapter = make(with_tls(ca=certificates.ca))

    def script(line: Line) -> None:
        line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        line.drain()

    with Peer(script) as peer:
        connect_fault(adapter, peer.url.replace("http:", "https:"))


def test_a_handshake_that_hangs_ends_in_time(make: Make, certificates: Certificates) -> None:
    """`connect_s` covers TLS."""
    adapter = make(with_tls(ca=certificates.ca))
    with Peer(lambda line: line.hang()) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(get(peer.url.replace("http:", "https:")), connect_s=0.15, wait_s=None)
    assert (caught.value.kind, caught.value.phase) == ("timeout", "connect")


def test_streams_work_over_tls(make: Make, certificates: Certificates) -> None:
    """Pieces come as they are sent, large ones whole; deadlines and aborts hold."""
    adapter = make(with_tls(ca=certificates.ca))
    large = b"x" * 1_000_000

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        line.pause(0.05)
        line.send(chunk(large))
        line.drain()

    with Peer(script, tls=certificates.server()) as peer:
        answer = adapter.open(post(peer.url))
        assert answer.read() == b"one"
        got = b""
        while len(got) < len(large):
            got += answer.read()
        assert got == large
        with pytest.raises(Fault) as caught:
            answer.read(0.1)
        assert caught.value.kind == "timeout"
        answer.abort()
        peer.wait_ended()


def test_aborting_wakes_a_blocked_read_over_tls(make: Make, certificates: Certificates) -> None:
    """As without TLS."""
    adapter = make(with_tls(ca=certificates.ca))

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED)
        line.drain()

    with Peer(script, tls=certificates.server()) as peer:
        answer = adapter.open(post(peer.url))
        answer.abort_later(0.1)
        with pytest.raises(Fault) as caught:
            answer.read(None)
        assert caught.value.kind == "closed"
        answer.close()
        peer.wait_ended()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", CHUNKED + b"3\r\n"])
@pytest.mark.parametrize("wait_s", [0.0, 0.02], ids=["at once", "later"])
def test_a_cut_is_no_end(
    make: Make, certificates: Certificates, name: str, head: bytes, wait_s: float
) -> None:
    """Anybody can close a TCP connection; only the server can end TLS."""
    if name.startswith("httpx"):
        pytest.skip("httpcore takes a cut for the end of such a body")
    adapter = make(with_tls(ca=certificates.ca))

    def script(line: Line) -> None:
        line.request()
        line.send(head + b"one")
        line.pause(wait_s)
        line.close()

    with Peer(script, tls=certificates.server()) as peer:
        fault = fault_of(adapter, post(peer.url))
    assert (fault.kind, fault.phase) == ("lost", "body")
    assert "inside the answer" in fault.reason


@pytest.mark.parametrize("wait_s", [0.0, 0.02], ids=["at once", "later"])
def test_a_body_may_end_with_its_tls(make: Make, certificates: Certificates, wait_s: float) -> None:
    """The server says that it is done, and then hangs up."""
    adapter = make(with_tls(ca=certificates.ca))

    def script(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\n\r\none")
        line.pause(wait_s)
        line.end_tls()
        line.drain()

    with Peer(script, tls=certificates.server()) as peer:
        assert fetch(adapter, get(peer.url)) == b"one"


def test_large_bodies_are_sent_over_tls(make: Make, certificates: Certificates) -> None:
    """Sending in pieces works though TLS may want to read while it writes."""
    adapter = make(with_tls(ca=certificates.ca))
    body = b"0123456789" * 300_000
    seen: list[Received] = []
    server = certificates.server()
    with Peer(answering(whole(), requests=seen), tls=server) as peer:
        assert fetch(adapter, post(peer.url, body)) == b"{}"
    assert seen[0].body == body


@pytest.mark.parametrize(
    ("tls", "says"),
    [
        ({"ca": "missing.pem"}, "Tls.ca"),
        ({"ca": "junk.pem"}, "Tls.ca"),
        ({"cert": "missing.pem"}, "Tls.cert"),
        ({"cert": "junk.pem"}, "Tls.cert"),
        ({"cert": "client_cert.pem", "key": "server_key.pem", "password": PASSWORD}, "Tls.cert"),
        ({"cert": "client_cert.pem", "key": "client_key.pem", "password": "wrong"}, "Tls.cert"),
        ({"cert": "client_cert.pem", "key": "client_key.pem"}, "Tls.cert"),
    ],
)
def test_unusable_files_are_told_at_once(
    certificates: Certificates, tls: dict[str, str], says: str
) -> None:
    """A wrong file fails when the client is made, and names the setting, not the password."""
    (certificates.folder / "junk.pem").write_text("no certificate")
    files = {
        name: value if name == "password" else str(certificates.folder / value)
        for name, value in tls.items()
    }
    with pytest.raises(RequestError) as caught:
        context_from(Tls(**files))  # type: ignore[arg-type]
    assert says in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_a_context_of_ones_own_is_used_as_it_is(make: Make, certificates: Certificates) -> None:
    """`Tls.context`: nothing else of `Tls` counts then."""
    own = ssl.create_default_context(cafile=certificates.ca)
    own.load_cert_chain(certificates.client)
    adapter = make(with_tls(context=own))
    with Peer(answering(whole()), tls=certificates.demanding_server()) as peer:
        assert fetch(adapter, get(peer.url)) == b"{}"


def test_a_directory_of_authorities_is_read(certificates: Certificates, tmp_path: Path) -> None:
    """`Tls.ca` may be a directory; OpenSSL looks into it when it needs a certificate."""
    context = context_from(Tls(ca=tmp_path))
    assert context.verify_mode is ssl.CERT_REQUIRED
