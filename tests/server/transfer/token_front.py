"""A front of a registry that gives tokens: Docker's token authentication, on one address.

Whoever has the password gets a token for all it asks; anybody else one for pulling.
"""

from __future__ import annotations

import base64
import datetime
import http.client
import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from ...serving import serving
from .real_registry import PASSWORD, USER, RealRegistry, real_registry

ISSUER, SERVICE = "shepherd", "registry"
_BASIC = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
_HOP = {"connection", "transfer-encoding", "content-length", "host"}


class Signer:
    """Makes tokens the registry believes."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )

    @property
    def bundle(self) -> bytes:
        """The certificate, for the registry's settings."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def token(self, scopes: list[str], *, may_push: bool) -> str:
        """Sign what is allowed."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            allowed = [one for one in actions.split(",") if may_push or one == "pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        now_s = int(time.time())
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": USER if may_push else "",
            "aud": SERVICE,
            "exp": now_s + 300,
            "nbf": now_s - 10,
            "iat": now_s,
            "jti": str(time.monotonic_ns()),
            "access": access,
        }
        signed = f"{_packed(json.dumps(head).encode())}.{_packed(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_packed(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Front:
    """What the front has seen.

    Attributes:
        registry: What is behind it; `host` is the front's.
        asked: Whether each request for a token had the password, in order.
        given: Tokens it gave.
    """

    registry: RealRegistry
    host: str
    asked: list[bool] = field(default_factory=list)
    given: list[str] = field(default_factory=list)


@contextmanager
def token_front(folder: Path) -> Generator[Front]:
    """Run a registry that wants tokens, and its front, while the block runs."""
    signer = Signer()
    folder.mkdir(parents=True)
    (folder / "bundle.pem").write_bytes(signer.bundle)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = False
    host = f"127.0.0.1:{server.server_address[1]}"
    auth = (
        f"  token:\n    realm: http://{host}/token\n    service: {SERVICE}\n"
        f"    issuer: {ISSUER}\n    rootcertbundle: {folder / 'bundle.pem'}\n"
    )
    with serving(server), real_registry(folder / "registry", auth=auth) as registry:
        server.front = Front(registry, host)  # type: ignore[attr-defined]
        server.signer = signer  # type: ignore[attr-defined]
        yield server.front  # type: ignore[attr-defined]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_any(self) -> None:
        """Give a token, or pass on what is meant for the registry."""
        front: Front = self.server.front  # type: ignore[attr-defined]
        # One request each: no thread waits for another when the test ends.
        self.close_connection = True
        if self.path.startswith("/token"):
            self._token(front)
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        behind = http.client.HTTPConnection(front.registry.host, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        behind.request(self.command, self.path, body or None, {**headers, "Host": front.host})
        answer = behind.getresponse()
        data = answer.read()
        length = answer.headers.get("content-length", "0") if self.command == "HEAD" else len(data)
        self._answer(answer.status, answer.getheaders(), data, str(length))
        behind.close()

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Treat every method alike."""
        if name.startswith("do_"):
            return self.do_any
        raise AttributeError(name)

    def _token(self, front: Front) -> None:
        query = parse_qsl(urlsplit(self.path).query)
        proof = self.headers.get("authorization")
        if proof not in (None, _BASIC):
            self._answer(401, [], b"", "0")
            return
        front.asked.append(proof is not None)
        scopes = [value for key, value in query if key == "scope"]
        signer: Signer = self.server.signer  # type: ignore[attr-defined]
        token = signer.token(scopes, may_push=proof is not None)
        front.given.append(token)
        data = json.dumps({"token": token}).encode()
        self._answer(200, [("Content-Type", "application/json")], data, str(len(data)))

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, length: str
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
