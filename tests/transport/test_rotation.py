"""Certificates that are replaced on disk while a client uses them."""

from __future__ import annotations

import os
import shutil
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from arriero._transport.interface import TransportSettings
from arriero._transport.tls import Contexts
from arriero.errors import RequestError
from arriero.identity import SecurityWarning
from arriero.settings import Tls

from .adapters import Adapter, fetch, get
from .certificates import Certificates, issue
from .peer import Line, Peer, answering, whole

Make = Callable[..., Adapter]


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificates, Certificates]:
    """Two sets of certificates, from authorities that know nothing of each other."""
    folders = [tmp_path_factory.mktemp(name) for name in ("before", "after")]
    return issue(folders[0]), issue(folders[1])


@pytest.fixture
def files(tmp_path: Path, others: tuple[Certificates, Certificates]) -> Path:
    """The files that are in use: those of before."""
    put(tmp_path, others[0])
    return tmp_path


@pytest.fixture(params=["socket", "asyncio"])
def name(request: pytest.FixtureRequest) -> str:
    """Adapters of ours: an httpx client has the context it was made with."""
    chosen: str = request.param
    return chosen


def put(folder: Path, source: Certificates, *names: str) -> None:
    """Replace files by those of `source`, each in one step."""
    for each in names or ("ca", "client"):
        fresh = folder / "fresh"
        shutil.copy(source.folder / f"{each}.pem", fresh)
        fresh.replace(folder / f"{each}.pem")


def tls_of(files: Path) -> Tls:
    """Settings that name the files."""
    return Tls(ca=files / "ca.pem", cert=files / "client.pem")


def test_new_certificates_count_for_new_connections(
    make: Make, files: Path, others: tuple[Certificates, Certificates]
) -> None:
    """Ours and the authority, without a new client."""
    adapter = make(TransportSettings(tls=tls_of(files)))
    for certificates in others:
        put(files, certificates)
        with Peer(answering(whole()), tls=certificates.demanding_server()) as peer:
            assert fetch(adapter, get(peer.url)) == b"{}"


def test_a_half_written_file_leaves_the_old_one_in_use(
    make: Make, files: Path, others: tuple[Certificates, Certificates]
) -> None:
    """With one warning; when it is whole it counts."""
    before, after = others
    adapter = make(TransportSettings(tls=tls_of(files)))
    text = (after.folder / "client.pem").read_text()
    (files / "client.pem").write_text(text[: len(text) // 2])

    def call(certificates: Certificates) -> None:
        with Peer(answering(whole()), tls=certificates.demanding_server()) as peer:
            assert fetch(adapter, get(peer.url)) == b"{}"

    with pytest.warns(SecurityWarning, match="Tls.cert .* stays in use"):
        call(before)
    call(before)  # a second warning would be an error
    put(files, after)
    call(after)


def test_a_certificate_whose_key_is_not_there_yet_is_not_used(
    files: Path, others: tuple[Certificates, Certificates]
) -> None:
    """Two files are never replaced at once."""
    before, after = others
    tls = Tls(ca=files / "ca.pem", cert=files / "client_cert.pem", key=files / "client.pem")
    put(files, before, "client_cert")
    contexts = Contexts(tls)
    first = contexts.to_server()
    put(files, after, "client_cert")
    with pytest.warns(SecurityWarning, match="Tls.key"):
        assert contexts.to_server() is first
    put(files, after, "client")
    assert contexts.to_server() is not first


def test_nothing_is_read_while_nothing_changes(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context is kept; once the files are settled they are only looked at."""
    monkeypatch.setattr("arriero._transport.watched._SETTLED_S", -1.0)
    contexts = Contexts(tls_of(files))
    first = contexts.to_server()
    monkeypatch.setattr("arriero._transport.tls._digest_of", None)
    assert contexts.to_server() is first


def test_a_file_touched_without_a_change_is_the_same(files: Path) -> None:
    """By content: a new context would cost each connection its TLS session."""
    contexts = Contexts(tls_of(files))
    first = contexts.to_server()
    os.utime(files / "ca.pem")
    assert contexts.to_server() is first


def test_the_proxy_gets_the_new_authority_and_never_our_certificate(
    files: Path, others: tuple[Certificates, Certificates]
) -> None:
    """Only the server is shown who we are."""
    contexts = Contexts(tls_of(files))
    names = []
    for certificates in others:
        put(files, certificates)
        names.append(contexts.to_proxy().get_ca_certs(binary_form=True))
        assert contexts.to_proxy() is not contexts.to_server()
    assert names[0] != names[1]


def test_files_that_are_wrong_from_the_beginning_are_an_error(files: Path) -> None:
    """There is nothing older to use."""
    (files / "client.pem").write_text("no certificate")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RequestError, match=r"Tls\.cert"):
            Contexts(tls_of(files))


def test_the_systems_authorities_are_read_late() -> None:
    """They take 20 ms, which a client of http never needs."""
    contexts = Contexts(None)
    assert contexts._to_server is None
    assert contexts.to_server().verify_mode is ssl.CERT_REQUIRED


def test_a_proxy_is_not_shown_our_certificate(
    make: Make, files: Path, others: tuple[Certificates, Certificates]
) -> None:
    """Even if it asks; what it is trusted by is the same authority."""
    asking = others[0].demanding_server()
    asking.verify_mode = ssl.CERT_OPTIONAL
    shown: list[object] = []

    def script(line: Line) -> None:
        assert isinstance(line._sock, ssl.SSLSocket)
        line.request_head()
        shown.append(line._sock.getpeercert())
        line.send(whole())
        line.drain()

    with Peer(script, tls=asking) as proxy:
        adapter = make(TransportSettings(tls=tls_of(files), proxy=proxy.url))
        assert fetch(adapter, get("http://llm.invalid/")) == b"{}"
        adapter.close()
    with Peer(script, tls=asking) as server:
        assert fetch(make(TransportSettings(tls=tls_of(files))), get(server.url)) == b"{}"
    assert [bool(each) for each in shown] == [False, True]
