"""A certificate authority for an afternoon."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "only for the test"


@dataclass(frozen=True)
class Certificates:
    """PEM files."""

    folder: Path

    def __getattr__(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def server(self, name: str = "server") -> ssl.SSLContext:
        """A context for a server that shows the certificate called `name`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem")
        return context

    def demanding_server(self) -> ssl.SSLContext:
        """A context for a server that wants a certificate of its clients."""
        context = self.server()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.folder / "ca.pem")
        return context


def issue(folder: Path) -> Certificates:
    """Write an authority, a stranger's authority, a server, a wrong server and a client."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("authority", ca_key, None, ca_key, is_ca=True)
    other_key = ec.generate_private_key(ec.SECP256R1())
    other = _certificate("stranger", other_key, None, other_key, is_ca=True)
    (folder / "ca.pem").write_bytes(_pem(ca))
    (folder / "stranger.pem").write_bytes(_pem(other))
    for name, hosts in {
        "server": ["127.0.0.1", "localhost"],
        "elsewhere": ["elsewhere.test"],
        "client": ["client"],
    }.items():
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(name, key, ca, ca_key, hosts=hosts)
        (folder / f"{name}.pem").write_bytes(_pem(leaf) + _key_pem(key, None))
        (folder / f"{name}_cert.pem").write_bytes(_pem(leaf))
        (folder / f"{name}_key.pem").write_bytes(_key_pem(key, PASSWORD))
    return Certificates(folder)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey, password: str | None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password.encode()),
    )


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool = False,
    hosts: list[str] | None = None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    usage = {"key_cert_sign", "crl_sign"} if is_ca else {"digital_signature"}
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    names += ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    builder = builder.add_extension(
        x509.KeyUsage(**{use: use in usage for use in names}), critical=True
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
