"""Damaged requests to every route: each is answered as Ollama might, and the server lives.

The server runs in a process of its own, so that a crash is seen and stays there. The suite runs few
examples, always the same; for more, and others: ``ARRIERO_FUZZ=20000 pytest tests/server/fuzz``.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from .damage import Request, requests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if os.environ.get("ARRIERO_FUZZ") else 900)]

WANTED = int(os.environ.get("ARRIERO_FUZZ", "0"))
EXAMPLES = WANTED or 500

STATUSES = {200, 201, 204, 301, 307, 400, 401, 403, 404, 405, 500, 501, 503}

OWN_500 = (
    r'option "\w+" must be of ',
    r"invalid format: ",
    r"template: ",
    r"there was an error signing out",
    r'unknown renderer "',
    r"This server does not support embeddings",
    r"\{\"error\":\{\"code\":500,",  # llama.cpp's, passed on
    r"pull model manifest: ",
    r"json: cannot unmarshal \w+ into Go value of type",
    r"invalid digest format",
    r"open .*: no such file or directory",
    r"unsupported quantization type ",
    r"quantiz",
    r"failed to validate GGUF",
    r"llama-server returned invalid tool call arguments",
)
"""The texts Ollama sends with a 500."""


@dataclass
class Target:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    home: Path
    seen: Counter[int] = field(default_factory=Counter[int])

    def ask(self, request: Request) -> tuple[int, str, bytes]:
        """Send a request; give status, content type and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(request.method, request.path, skip_host="Host" in request.headers)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body or b"")))
            connection.endheaders(request.body)
            response = connection.getresponse()
            return response.status, response.headers.get("content-type", ""), response.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with the shipped models and one with a Go template."""
    home = tmp_path_factory.mktemp("fuzz")
    command = (sys.executable, "-m", "arriero", "serve", "--port", "0", "--store", "models", "-q")
    environment = {**os.environ, "HOME": str(home), "PYTHONUNBUFFERED": "1"}
    with (home / "errors").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout is not None
        with process, process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found, (home / "errors").read_text()
            target = Target(process, int(found[1]), home)
            template = "{{ range .Messages }}{{ .Role }}: {{ .Content }}{{ end }}{{ .Suffix }}"
            body = {"model": "fuzz-go", "from": "mini", "template": template, "stream": False}
            made = target.ask(Request("POST", "/api/create", json.dumps(body).encode()))
            assert made[0] == 200, made
            yield target
            process.terminate()
            process.wait(60)


def problems(request: Request, status: int, kind: str, body: bytes) -> Iterator[str]:
    """What is wrong with an answer."""
    if status not in STATUSES:
        yield f"status {status}"
    text = body.decode()
    records = [line.removeprefix("data: ") for line in text.split("\n")]
    values = [json.loads(record) for record in records if record.startswith(("{", "["))]
    if "internal server error" in text:
        yield "a fault of ours"
    if request.method == "HEAD":
        return
    if status >= 400 and "json" in kind and not _text(values):
        yield "an error without its text"
    if status == 500 and not any(re.match(own, _text(values)) for own in OWN_500):
        yield f"not a 500 of Ollama's: {_text(values)}"
    if kind.startswith("application/x-ndjson") and request.method == "POST":
        last = values[-1]
        if not (last.get("done") or last.get("status") == "success" or "error" in last):
            yield "a stream without an end"


def _text(values: list[Any]) -> str:
    """The text of an error, in the words of one API or another; "" if there is none."""
    error = values[0].get("error", "") if values and isinstance(values[0], dict) else ""
    return str(error.get("message", "") if isinstance(error, dict) else error)


def test_every_request_is_answered(target: Target) -> None:
    """With a status and a text of Ollama's; the process goes on, unharmed."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=not WANTED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(request=requests())
    def answered(request: Request) -> None:
        try:
            status, kind, body = target.ask(request)
        except (OSError, http.client.HTTPException) as error:
            code = target.process.poll()
            raise AssertionError(f"no answer ({error!r}); exit code: {code}") from error
        target.seen[status] += 1
        found = list(problems(request, status, kind, body))
        assert not found, (found, status, body[:500])

    answered()
    print(f"answers by status: {sorted(target.seen.items())}")
    assert {200, 400, 403, 404, 405, 500} <= target.seen.keys(), "the damage is too uniform"
    body = json.dumps({"model": "mini", "prompt": "Hello", "stream": False}).encode()
    status, _, answer = target.ask(Request("POST", "/api/generate", body))
    assert (status, json.loads(answer)["done"]) == (200, True)
    assert "Traceback" not in (target.home / "errors").read_text()
    assert {path.name for path in target.home.iterdir()} == {"models", "errors"}


EXTREMES = (0, -1, 1, 2**31 - 1, -(2**31), 100_000)


@pytest.mark.parametrize("option", ["num_thread", "num_batch", "num_ctx", "num_gpu", "main_gpu"])
def test_no_way_to_load_a_model_kills_the_server(target: Target, option: str) -> None:
    """Options llama.cpp would break over are bounded before it sees them."""
    bodies = (
        {"model": "mini", "prompt": "Hello " * 100},
        {"model": "mini-embed", "input": "Hello"},
    )
    for value in EXTREMES:
        for path, body in zip(("/api/generate", "/api/embed"), bodies, strict=True):
            options = {"num_predict": 2, option: value}
            asked = json.dumps({**body, "stream": False, "options": options}).encode()
            status, _, answer = target.ask(Request("POST", path, asked))
            assert status == 200, (value, answer)
