"""`arriero.doctor` against real servers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import arriero
from arriero import Client, Diagnosis, RequestError, Tls
from arriero._doctor import probes
from tests.serving import serving
from tests.transport.certificates import Certificates, issue


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests changes what is found."""
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give an authority and what it signed."""
    return issue(tmp_path_factory.mktemp("certificates"))


class _Ollama(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        bodies = {"/api/version": b'{"version":"0.33.0"}'}
        body = bodies.get(self.path, b'{"models":[]}')
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *what: object) -> None:
        """Handshakes that fail are what these tests are about."""


@contextmanager
def small_ollama(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a small Ollama, with TLS if there is a context; give its port."""
    server = _Quiet(("127.0.0.1", 0), _Ollama)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    with serving(server):
        yield server.server_address[1]


def told(diagnosis: Diagnosis) -> dict[str, str]:
    """Give the worst severity of each check."""
    order = ("ok", "note", "warning", "error")
    found: dict[str, str] = {}
    for one in diagnosis:
        found[one.check] = max(found.get(one.check, "ok"), one.severity, key=order.index)
    return found


def test_a_healthy_server_has_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look is told, in the order in which a call would meet it."""
    with arriero.serve({"mini": _mini()}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        diagnosis = arriero.doctor()
    assert diagnosis.ok
    checks = ["host", "proxy", "connection", "answer", "version", "clock", "models", "disk"]
    assert [one.check for one in diagnosis] == checks
    assert diagnosis.findings[0].text == f"calls go to {server.url} (from OLLAMA_HOST)"
    assert diagnosis.to_dict()["findings"][4] == {
        "check": "version",
        "severity": "ok",
        "text": "Ollama 0.33.0",
        "remedy": "",
    }


def _mini() -> Path:
    return Path(arriero.__file__).parent / "server" / "weights" / "mini-q8_0.gguf"


def test_a_client_is_examined_as_it_is(certificates: Certificates) -> None:
    """With its certificates; it stays open."""
    with (
        small_ollama(certificates.server()) as port,
        Client(f"https://localhost:{port}", tls=Tls(ca=certificates.ca)) as client,
    ):
        diagnosis = arriero.doctor(client)
        assert client.version().version == "0.33.0"
    assert diagnosis.ok
    assert told(diagnosis)["tls"] == "warning"  # those certificates are for an afternoon
    assert "ends in 0 days" in next(one.text for one in diagnosis if one.check == "tls")


@pytest.mark.parametrize(
    ("shown", "trusted", "text"),
    [
        ("server", None, "an authority this machine does not know"),
        ("server", "stranger", "an authority this machine does not know"),
        ("elsewhere", "ca", "is for another name"),
    ],
)
def test_a_certificate_that_is_not_accepted_is_told(
    certificates: Certificates, shown: str, trusted: str | None, text: str
) -> None:
    """And nothing is asked after it."""
    tls = None if trusted is None else Tls(ca=getattr(certificates, trusted))
    with small_ollama(certificates.server(shown)) as port:
        client = Client(f"https://localhost:{port}", tls=tls)
        diagnosis = arriero.doctor(client)
        client.close()
    assert not diagnosis.ok
    assert text in diagnosis.findings[-1].text
    assert diagnosis.findings[-1].check == "tls"


def test_plain_http_to_a_tls_port_is_told(certificates: Certificates) -> None:
    """The remedy is the URL to write."""
    with small_ollama(certificates.server()) as port:
        last = arriero.doctor(f"127.0.0.1:{port}").findings[-1]
    assert (last.check, last.remedy) == ("tls", f"write https://127.0.0.1:{port}")


def test_tls_to_a_plain_port_is_told() -> None:
    """Likewise."""
    with small_ollama() as port:
        last = arriero.doctor(f"https://127.0.0.1:{port}").findings[-1]
    assert (last.check, last.severity) == ("tls", "error")
    assert last.remedy.startswith(f"write http://127.0.0.1:{port}")


def test_a_server_that_hangs_is_told() -> None:
    """It accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        last = arriero.doctor(f"127.0.0.1:{port}", timeout_s=0.2).findings[-1]
    assert (last.check, last.text) == ("answer", "it accepts connections and does not answer")


def test_the_usual_port_is_tried_where_another_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without a port means 80, and Ollama listens elsewhere."""
    with small_ollama() as port:
        monkeypatch.setattr("arriero._doctor.examine.DEFAULT_PORT", port)
        monkeypatch.setattr("arriero._doctor.rules.reach.DEFAULT_PORT", port)
        last = arriero.doctor("http://127.0.0.1:9").findings[-1]
    assert last.remedy == f"port {port} accepts there: write 127.0.0.1:{port}"


def test_a_name_that_does_not_exist_is_told() -> None:
    """Nothing is tried after it."""
    last = arriero.doctor("no-such-host.invalid").findings[-1]
    assert (last.check, last.severity) == ("name", "error")


def test_a_host_that_cannot_be_read_is_told() -> None:
    """Nothing else can be looked at."""
    diagnosis = arriero.doctor("htpp://localhost:11434")
    assert (diagnosis.host, diagnosis.ok, len(diagnosis.findings)) == ("", False, 1)
    assert diagnosis.findings[0].remedy == "did you mean http://localhost:11434?"


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the host, nor of the proxy, nor of the environment."""
    monkeypatch.setenv("OLLAMA_API_KEY", "hunter2-key")
    monkeypatch.setenv("HTTP_PROXY", "http://me:hunter2-proxy@127.0.0.1:9")
    hosts = [
        "http://me:hunter2@gpu.example",
        "http://me:hunter2@gpu.example/api",
        "htpp://me:hunter2@gpu.example",
        "http:/me:hunter2@gpu.example",
        "http://me:hunter2@gpu.example:port",
        "me:hunter2@127.0.0.1:9",
    ]
    for host in hosts:
        diagnosis = arriero.doctor(host, timeout_s=0.5)
        assert "hunter2" not in f"{diagnosis} {diagnosis.to_dict()}"


def test_a_duration_is_checked() -> None:
    """As everywhere."""
    with pytest.raises(RequestError):
        arriero.doctor(timeout_s=0)


def test_the_disk_of_the_models_is_found(tmp_path: Path) -> None:
    """Where the server's own variable says, if it is there."""
    found = probes.disk_of_models({"OLLAMA_MODELS": str(tmp_path)})
    assert found is not None
    assert (found.folder, found.free_bytes > 0) == (str(tmp_path), True)
    assert probes.disk_of_models({"OLLAMA_MODELS": str(tmp_path / "no")}) is None
