"""Servers recognised by their key: how a pin is computed, and what happens without a match."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from arriero import AsyncClient, Client, spki_pin
from arriero._core.http import Fault
from arriero._transport.interface import TransportSettings
from arriero._transport.pins import _spki
from arriero.errors import CertificateNotPinned, ConnectFailed, RequestError
from arriero.settings import Tls

from .adapters import Adapter, fetch, get
from .certificates import Certificates
from .peer import Peer, Received, answering, whole
from .test_proxies import Tunnel

OTHER = "sha256/" + base64.b64encode(bytes(32)).decode()


@pytest.fixture(params=["socket", "asyncio"])
def name(request: pytest.FixtureRequest) -> str:
    """Adapters of ours; httpx clients refuse pins, see below."""
    chosen: str = request.param
    return chosen


Make = Callable[[TransportSettings], Adapter]


def pinned(certificates: Certificates, *pins: str, **more: Any) -> TransportSettings:
    """Settings with pins."""
    return TransportSettings(tls=Tls(ca=certificates.ca, pins=pins), **more)


def server_pin(certificates: Certificates) -> str:
    """The pin of the server that the tests start."""
    return spki_pin(certificates.folder / "server.pem")


def expected(certificate: x509.Certificate) -> str:
    """The pin by another implementation."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256/" + base64.b64encode(hashlib.sha256(key).digest()).decode()


def test_a_pin_is_that_of_the_certificates_key(certificates: Certificates) -> None:
    """From a path, PEM with a key behind it, or DER."""
    path = certificates.folder / "server.pem"
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    for given_as in (path, str(path), path.read_bytes(), certificate.public_bytes(Encoding.DER)):
        assert spki_pin(given_as) == expected(certificate)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["ec", "ed25519", "rsa"],
)
def test_every_kind_of_key_has_one(key: Any) -> None:
    """Lengths from 32 bytes to more than 255; the system's authorities too."""
    certificate = _signed(key)
    assert spki_pin(certificate.public_bytes(Encoding.PEM)) == expected(certificate)


def _signed(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x" * 60)])
    now = datetime.datetime(2026, 1, 1)
    made_of = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2**150)
        .not_valid_before(now)
        .not_valid_after(now.replace(year=2027))
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made_of.sign(key, algorithm)


_AUTHORITY = _signed(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_every_authority_of_the_system_has_one() -> None:
    """Certificates of three decades, from many programs."""
    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not authorities:
        pytest.skip("this system has no authorities")
    for der in authorities:
        assert spki_pin(der) == expected(x509.load_der_x509_certificate(der))


def test_a_certificate_of_the_first_version_has_one() -> None:
    """Its fields begin without a version."""
    tbs = x509.load_der_x509_certificate(_AUTHORITY).tbs_certificate_bytes
    fields = tbs[4:]  # after a tag and a length of three bytes
    assert fields[:5] == b"\xa0\x03\x02\x01\x02"
    old = _sequence(_sequence(fields[5:]))
    assert spki_pin(old) == spki_pin(_AUTHORITY)


def _sequence(content: bytes) -> bytes:
    return b"\x30\x82" + len(content).to_bytes(2) + content


@given(st.data())
def test_what_is_no_certificate_is_told(data: st.DataObject) -> None:
    """Whatever the bytes are, the error is ours, or they are close enough to one."""
    der = _AUTHORITY
    at = data.draw(st.integers(0, len(der)))
    junk = data.draw(st.binary(max_size=50))
    for broken in (junk, der[:at], der[:at] + junk + der[at + len(junk) :]):
        with contextlib.suppress(RequestError):
            assert spki_pin(broken).startswith("sha256/")
    with pytest.raises(RequestError):
        spki_pin(der[: min(at, 100)])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(RequestError, match=r"spki_pin: '.*x\.pem' cannot be read: No such file"):
        spki_pin(tmp_path / "x.pem")
    with pytest.raises(ValueError, match="not the sequence"):
        _spki(b"\x00\x00\x00\x00")


@pytest.mark.parametrize("pins", ["sha256/x", ("sha256/x",), ("md5/" + OTHER[7:],), 5, (None,)])
def test_what_is_no_pin_is_refused(pins: Any) -> None:
    """When the settings are made: a pin that can never match locks everyone out."""
    with pytest.raises(RequestError, match=r"Tls\.pins"):
        Tls(pins=pins)


def test_a_pinned_server_is_spoken_to(make: Make, certificates: Certificates) -> None:
    """One of the pins is enough; a kept connection is not asked again."""
    adapter = make(pinned(certificates, OTHER, server_pin(certificates)))
    with Peer(answering(whole()), tls=certificates.server()) as peer:
        for _ in range(2):
            assert fetch(adapter, get(peer.url)) == b"{}"
        assert peer.accepted == 1


def test_another_server_is_not_sent_a_byte(make: Make, certificates: Certificates) -> None:
    """Though an authority vouches for it; the fault says what was seen."""
    adapter = make(pinned(certificates, OTHER))
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen), tls=certificates.server()) as peer:
        for _ in range(2):
            with pytest.raises(Fault) as caught:
                adapter.open(get(peer.url))
            assert (caught.value.kind, caught.value.phase) == ("pin", "connect")
            assert caught.value.reason == server_pin(certificates)
        peer.wait_ended()
        assert peer.accepted == 2
    assert seen == []


def test_a_server_without_tls_is_refused(make: Make, certificates: Certificates) -> None:
    """A redirect to http must not lead around the pins."""
    adapter = make(pinned(certificates, OTHER))
    seen: list[Received] = []
    with Peer(answering(whole(), requests=seen)) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(get(peer.url))
        peer.wait_ended()
    assert (caught.value.kind, caught.value.reason) == ("pin", "no certificate")
    assert seen == []


def test_the_server_behind_a_proxy_is_meant(make: Make, certificates: Certificates) -> None:
    """Not the proxy: the pin is compared inside the tunnel."""
    with (
        Peer(answering(whole()), tls=certificates.server()) as peer,
        Peer(Tunnel()) as proxy,
    ):
        through = {"proxy": f"http://127.0.0.1:{proxy.port}"}
        good = make(pinned(certificates, server_pin(certificates), **through))
        assert fetch(good, get(peer.url)) == b"{}"
        bad = make(pinned(certificates, OTHER, **through))
        with pytest.raises(Fault) as caught:
            bad.open(get(peer.url))
    assert caught.value.kind == "pin"


def test_pins_hold_without_an_authority(make: Make, certificates: Certificates) -> None:
    """With ``verify=False`` the pin alone says who it is: enough for a self-signed server."""
    tls = Tls(verify=False, pins=(server_pin(certificates),))
    adapter = make(TransportSettings(tls=tls))
    with Peer(answering(whole()), tls=certificates.server()) as peer:
        assert fetch(adapter, get(peer.url)) == b"{}"
    with Peer(answering(whole()), tls=certificates.server("elsewhere")) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(get(peer.url))
    assert caught.value.reason == spki_pin(certificates.elsewhere)


def test_a_client_says_what_it_saw(certificates: Certificates) -> None:
    """A connect error that is not worth repeating."""
    tls = Tls(ca=certificates.ca, pins=(OTHER,))
    with Peer(answering(whole()), tls=certificates.server()) as peer:
        with Client(peer.url, tls=tls) as client, pytest.raises(CertificateNotPinned) as caught:
            client.version()
    error = caught.value
    assert isinstance(error, ConnectFailed)
    assert (error.seen, error.retryable) == (server_pin(certificates), False)
    assert str(error) == (
        f"GET /api/version (https://127.0.0.1:{peer.port}): the server shows {error.seen},"
        " which is not in Tls.pins"
    )


@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_pins_that_nobody_would_check_are_refused(cls: Any) -> None:
    """With an httpx client, given or to be made, and for a host without TLS."""
    tls = Tls(pins=(OTHER,))
    with pytest.raises(RequestError, match="http_client brings its own settings; 'tls' belongs"):
        cls("https://h", http_client=object(), tls=tls)
    with pytest.raises(RequestError, match="pins cannot be checked by an httpx client"):
        cls("https://h", http2=True, tls=tls)
    with pytest.raises(RequestError, match="http://h:80 has no certificate"):
        cls("http://h", tls=tls)
