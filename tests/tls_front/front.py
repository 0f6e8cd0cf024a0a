"""A real TLS front: haproxy in front of a server, certificates and tokens checked there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.real_parts import program
from tests.transport.certificates import Certificates, issue

WAIT_S = 60.0

_SETTINGS = """
global
    stats socket {admin} level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind fd@{listener} ssl crt {server} ca-file {authorities} verify required
    option httpclose
    acl asks_for_token path /token
    acl has_token http_auth_bearer -f {tokens}
    use_backend issuer if asks_for_token
    use_backend refusal unless has_token
    http-response set-header x-client-serial %[ssl_c_serial,hex]
    default_backend model
backend model
    server model 127.0.0.1:{model_port}
backend refusal
    http-request return status 401 content-type application/json string {refusal}
backend issuer
    server issuer 127.0.0.1:{issuer_port}
"""
# With httpclose each call shakes hands anew, so each meets the certificates of its moment.


class Front:
    """haproxy on a free port of loopback, changed while it runs.

    Attributes:
        url: Where it listens.
        before: Certificates it begins with.
        after: Others, of an authority that knows nothing of the first; both are trusted.
    """

    def __init__(self, folder: Path, model_port: int, issuer_port: int) -> None:
        self.before, self.after = issue(_made(folder / "before")), issue(_made(folder / "after"))
        self.authorities = folder / "authorities.pem"
        self.authorities.write_text(
            "".join((each.folder / "ca.pem").read_text() for each in (self.before, self.after))
        )
        self._server, self._tokens = folder / "server.pem", folder / "tokens"
        shutil.copy(self.before.folder / "server.pem", self._server)
        self._tokens.write_text("")
        self._admin = str(folder / "admin")
        haproxy = program("haproxy")  # before anything is opened: it may skip the test
        listener = socket.create_server(("127.0.0.1", 0))
        listener.set_inheritable(True)  # so that nobody can take the port in between
        self.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        settings = folder / "haproxy.cfg"
        settings.write_text(
            _SETTINGS.format(
                admin=self._admin,
                listener=listener.fileno(),
                server=self._server,
                authorities=self.authorities,
                tokens=self._tokens,
                model_port=model_port,
                issuer_port=issuer_port,
                refusal="'" + json.dumps({"error": "unauthorized"}) + "'",
            )
        )
        self._process = subprocess.Popen(
            [haproxy, "-q", "-db", "-f", settings],
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
        )
        listener.close()
        end_s = time.monotonic() + WAIT_S
        while not os.path.exists(self._admin):
            if self._process.poll() is not None or time.monotonic() > end_s:
                assert self._process.stderr is not None
                raise AssertionError(self._process.stderr.read().decode())
            time.sleep(0.01)

    def close(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.communicate()

    def allow(self, token: str) -> None:
        """Accept a token."""
        self._tell(f"add acl {self._tokens} {token}")

    def revoke(self, token: str) -> None:
        """Refuse a token from now on."""
        self._tell(f"del acl {self._tokens} {token}")

    def show_new_certificate(self) -> None:
        """Use the server's certificate of after."""
        text = (self.after.folder / "server.pem").read_text()
        self._tell(f"set ssl cert {self._server} <<\n{_joined(text)}\n")
        said = self._tell(f"commit ssl cert {self._server}")
        assert "Success" in said, said

    def forget_old_authority(self) -> None:
        """Take only clients with a certificate of after."""
        text = (self.after.folder / "ca.pem").read_text()
        self._tell(f"set ssl ca-file {self.authorities} <<\n{_joined(text)}\n")
        said = self._tell(f"commit ssl ca-file {self.authorities}")
        assert "Success" in said, said

    def _tell(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(WAIT_S)
            admin.connect(self._admin)
            admin.sendall(f"{command}\n".encode())
            said = b""
            while data := admin.recv(65536):
                said += data
        return said.decode()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _joined(pem: str) -> str:
    """Without empty lines, which end a command's text."""
    return "\n".join(filter(None, pem.splitlines()))


class Issuer:
    """An OAuth server whose tokens live for a while at the front.

    Attributes:
        issued: Tokens, in order.
        most_at_once: How many requests it ever worked on at the same time.
    """

    def __init__(self, *, life_s: float, told_s: float) -> None:
        """Begin to listen; a token is good for `life_s` and said to be for `told_s`."""
        self.issued: list[str] = []
        self.most_at_once = 0
        self._now = 0
        self._life_s, self._told_s = life_s, told_s
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._front: Front | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                status, answer = issuer._answer(self.headers.get("authorization"))
                self.send_response(status)
                body = json.dumps(answer).encode()
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.02,)),
            threading.Thread(target=self._expire),
        ]
        self._ends: list[tuple[float, str]] = []

    def start(self, front: Front) -> None:
        """Issue tokens for `front`."""
        self._front = front
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop; if it was never started, as there is no haproxy, nothing runs that could end."""
        self._ended.set()
        if self._front is not None:
            self._server.shutdown()
            for thread in self._threads:
                thread.join()
        self._server.server_close()

    def _answer(self, who: str | None) -> tuple[int, dict[str, Any]]:
        assert self._front is not None
        if who != "Basic bWU6czNjcmV0":
            return 401, {"error": "invalid_client"}
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            token = f"token-{len(self.issued) + 1}"
            self.issued.append(token)
        time.sleep(0.02)  # so that two at once would be seen
        self._front.allow(token)
        with self._lock:
            self._ends.append((time.monotonic() + self._life_s, token))
            self._now -= 1
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self._told_s}

    def _expire(self) -> None:
        assert self._front is not None
        while not self._ended.wait(0.02):
            with self._lock:
                over = [end for end in self._ends if end[0] < time.monotonic()]
                self._ends = [end for end in self._ends if end not in over]
            for _, token in over:
                self._front.revoke(token)


def put(source: Certificates, target: Path) -> None:
    """Write the client's certificate to where it is used, in two halves with a moment between."""
    text = (source.folder / "client.pem").read_text()
    with open(target, "w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        time.sleep(0.1)
        file.write(text[len(text) // 2 :])
