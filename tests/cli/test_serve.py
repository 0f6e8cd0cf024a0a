"""`arriero serve`."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from arriero.cli.app import app
from arriero.cli.serve import hint, show_request
from arriero.server import RequestLine, serve


@contextlib.contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run `arriero serve` as a user does; give the process and its first lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "arriero", "serve", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Try it: "):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            lines.append(line)
        yield process, lines
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    """Ctrl-C is how a server is meant to end: exit code 0, no traceback."""
    with running("--models", "mini") as (process, lines):
        url = lines[0].split()[4]
        with urllib.request.urlopen(f"{url}/api/tags", timeout=60) as answer:
            names = [model["model"] for model in json.load(answer)["models"]]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert names == ["mini:latest"]
    assert lines[1] == "Models: mini:latest\n"
    request, last = out.splitlines()
    assert [*request.split()[1:4], request.split()[-1]] == ["GET", "/api/tags", "200", "127.0.0.1"]
    assert last == "Stopped."


def test_quiet_shows_no_requests() -> None:
    """`--quiet` leaves the output to what concerns the server itself."""
    with running("--quiet") as (process, lines):
        urllib.request.urlopen(f"{lines[0].split()[4]}/", timeout=60).close()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("Stopped.\n", "")


def test_ollamas_variables_count_where_no_option_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The address, the store, and how much is logged; what a request loads is told."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("OLLAMA_CONTEXT_LENGTH", "512")
    with running("--models", "mini", "--engine", "inline") as (process, lines):
        url = lines[0].split()[4]
        body = json.dumps({"model": "mini"}).encode()
        urllib.request.urlopen(f"{url}/api/generate", body, timeout=60).close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert err == ""
    assert f"Store: {tmp_path / 'models'}\n" in lines
    texts = [line.split(maxsplit=1)[1] for line in out.splitlines()[:-1]]
    assert texts[0].startswith("loaded mini:latest in ")
    assert texts[0].endswith(" s: 4 slots of 512 tokens")
    assert texts[1].startswith("POST   /api/generate")
    assert texts[2] == "unloaded mini:latest"


def test_a_port_in_use_is_an_error_of_one_line() -> None:
    """Ollama itself may be running already; the message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["serve", "--port", str(port)])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"arriero: cannot listen on 127.0.0.1:{port}: ")


def test_the_hint_runs() -> None:
    """The line that the server offers to try is a command that answers."""
    with serve() as server:
        program, option, code = shlex.split(hint(server.url, "mini:latest"))
        out, names = io.StringIO(), dict[str, Any]()
        with contextlib.redirect_stdout(out):
            exec(code, names)
        names["c"].close()
    assert (program, option) == ("python", "-c")
    assert out.getvalue().strip()


@pytest.mark.parametrize(
    ("status", "shown"), [(200, "200"), (404, "404"), (503, "503"), (0, "client gone")]
)
def test_a_request_is_one_line(status: int, shown: str) -> None:
    """Method, path, status, seconds and client; a client that left has no status."""
    out = io.StringIO()
    line = RequestLine("POST", "/api/chat", status, 0.0521, "127.0.0.1")
    show_request(Console(file=out, width=40, soft_wrap=True), line)
    words = out.getvalue().split(maxsplit=1)[1]
    assert words == f"POST   /api/chat          {shown}    0.052 s 127.0.0.1\n"


def test_a_path_cannot_write_on_the_terminal() -> None:
    """Escape codes and markup in a path are shown, not obeyed."""
    out = io.StringIO()
    line = RequestLine("GET", "/\x1b[31m[red]\n", 404, 0.0, "127.0.0.1")
    show_request(Console(file=out, soft_wrap=True), line)
    assert "/?[31m[red]?" in out.getvalue()
    assert out.getvalue().count("\n") == 1
