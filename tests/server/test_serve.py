"""Starting and stopping the server."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from arriero.errors import MissingExtra, RequestError
from arriero.server import RequestLine, foreground, running, serve
from arriero.server.catalogue import shipped_models
from arriero.server.engines.engine import Conversation, EngineError, LoadPlan, Sampling
from arriero.server.engines.llama import load_llama

from .conftest import ask_server

Waits = Callable[[Callable[[], object]], None]

HELLO = {"model": "mini", "messages": [{"role": "user", "content": "Hello"}], "stream": False}
ENDLESS = {
    "model": "mini",
    "messages": [{"role": "user", "content": "Count."}],
    "format": {"type": "array", "minItems": 1500, "items": {"type": "integer"}},
    "options": {"temperature": 0},
}


def test_the_server_is_ready_when_serve_returns() -> None:
    """The first request needs no patience."""
    with serve() as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert ask_server(server, "GET", "/").body == b"Ollama is running"


def test_nothing_is_left_after_close(waits_for: Waits) -> None:
    """No thread, no open file, no listening port, even with a model loaded."""
    with serve() as server:
        ask_server(server, "POST", "/api/chat", HELLO)
    process = psutil.Process()
    before = set(threading.enumerate())
    files, threads = process.num_fds(), process.num_threads()
    with serve() as server:
        ask_server(server, "POST", "/api/chat", HELLO)
        assert process.num_threads() > threads
    waits_for(lambda: process.num_fds() <= files)
    # The C library's threads end by themselves a moment after the one they served.
    waits_for(lambda: process.num_threads() <= threads)
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=1)


def listeners() -> int:
    """Count the sockets on which this process listens; connections come and go."""
    found = psutil.Process().net_connections("tcp")
    return sum(one.status == psutil.CONN_LISTEN for one in found)


def test_a_refusal_does_not_keep_the_engine_alive() -> None:
    """Its traceback is held on to here, as a log or a debugger might."""
    engine = load_llama(shipped_models()["mini"].path, LoadPlan(context_length=64, slots=1))
    listening = listeners()
    with pytest.raises(EngineError) as caught:
        engine.chat(
            Conversation([{"role": "user", "content": "Hi"}]),
            Sampling(format={"type": "nonsense"}),
            lambda delta: False,
        )
    engine.close()
    assert caught.value.status == 400
    assert listeners() == listening - 1


def test_open_streams_end_with_an_error_line() -> None:
    """A broken answer must not look complete, and closing must not wait for it."""
    server = serve()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("POST", "/api/chat", json.dumps(ENDLESS))
    response = connection.getresponse()
    response.readline()
    unread = http.client.HTTPConnection(server.host, server.port, timeout=60)
    unread.request("POST", "/api/chat", json.dumps(ENDLESS))
    server.close()
    last = response.read().split(b"\n")[-2]
    assert json.loads(last) == {"error": "the server is shutting down"}
    connection.close()
    unread.close()


def test_draining_lets_a_running_answer_finish() -> None:
    """With time to drain, a stream that has begun ends as it should."""
    server = serve()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("POST", "/api/chat", json.dumps({**HELLO, "stream": True}))
    response = connection.getresponse()
    response.readline()
    server.close(drain_s=60)
    assert json.loads(response.read().split(b"\n")[-2])["done"] is True
    connection.close()


def test_close_may_be_called_again_and_without_requests() -> None:
    """Closing twice is harmless."""
    server = serve()
    server.close()
    server.close()


def test_two_servers_live_side_by_side() -> None:
    """Nothing is global."""
    with serve() as one, serve() as two:
        assert one.port != two.port
        for server in (one, two):
            assert ask_server(server, "POST", "/api/chat", HELLO).status == 200


def test_a_taken_port_is_said_to_be_taken() -> None:
    """The error names the address."""
    with serve() as server:
        with pytest.raises(RequestError, match=f"cannot listen on 127.0.0.1:{server.port}"):
            serve(port=server.port)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_alive": "5"}, "missing unit"),
        ({"num_parallel": 0}, "num_parallel must be at least 1"),
        ({"max_loaded_models": 0}, "max_loaded_models must be at least 1"),
        ({"context_length": 1}, "context_length must be at least 4"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    """Before anything starts."""
    with pytest.raises(RequestError, match=message):
        serve(**settings)  # type: ignore[arg-type]  # wrong on purpose


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'arriero\[server\]'"):
        serve()


def test_importing_the_server_loads_no_engine() -> None:
    """llama.cpp is only read when a model is wanted."""
    code = (
        "import sys, arriero.server; "
        "print([one for one in ('xllamacpp', 'uvicorn') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_serving_leaves_signal_handlers_and_logs_alone(caplog: pytest.LogCaptureFixture) -> None:
    """An embedded server is a guest in somebody's process."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    with caplog.at_level(logging.DEBUG), serve() as server:
        ask_server(server, "POST", "/api/chat", HELLO)
        assert {one: signal.getsignal(one) for one in before} == before
    names = {record.name for record in caplog.records if record.name != "asyncio"}
    assert names == {"arriero.server"}
    assert not logging.getLogger("arriero.server").handlers
    assert all(record.levelno < logging.WARNING for record in caplog.records)


def test_nothing_is_written_to_the_standard_streams(capfd: pytest.CaptureFixture[str]) -> None:
    """llama.cpp logs nothing by default."""
    with serve() as server:
        ask_server(server, "POST", "/api/chat", HELLO)
    assert capfd.readouterr() == ("", "")


def test_every_request_is_reported() -> None:
    """A log can be made from what `on_request` gets."""
    lines: list[RequestLine] = []
    with serve(on_request=lines.append) as server:
        ask_server(server, "GET", "/api/version")
        ask_server(server, "GET", "/nope")
    assert [(one.method, one.path, one.status, one.client) for one in lines] == [
        ("GET", "/api/version", 200, "127.0.0.1"),
        ("GET", "/nope", 404, "127.0.0.1"),
    ]
    assert all(one.seconds >= 0 for one in lines)


def test_a_gguf_file_is_served_under_the_name_given(tmp_path: Path) -> None:
    """Any file will do."""
    path = tmp_path / "copy.gguf"
    path.write_bytes(shipped_models()["mini"].path.read_bytes())
    with serve(models={"mine:1": path}) as server:
        answer = ask_server(server, "POST", "/api/chat", {**HELLO, "model": "mine:1"})
        assert answer.json["message"]["content"]


def test_a_damaged_file_fails_the_request_not_the_server(tmp_path: Path) -> None:
    """Others are still served; the error says which file it was."""
    path = tmp_path / "cut.gguf"
    path.write_bytes(shipped_models()["mini"].path.read_bytes()[:200_000])
    with serve(models={"cut": path, "mini": shipped_models()["mini"].path}) as server:
        broken = ask_server(server, "POST", "/api/chat", {**HELLO, "model": "cut"})
        assert broken.status == 500
        assert "cut.gguf" in broken.json["error"]
        assert ask_server(server, "POST", "/api/chat", HELLO).status == 200


def test_a_file_with_a_damaged_head_is_named(tmp_path: Path) -> None:
    """Every route says what is wrong; the list leaves the model out."""
    path = tmp_path / "torn.gguf"
    path.write_bytes(shipped_models()["mini"].path.read_bytes()[:2000])
    with serve(models={"torn": path, "mini": shipped_models()["mini"].path}) as server:
        for route in ("/api/chat", "/api/show"):
            answer = ask_server(server, "POST", route, {**HELLO, "model": "torn"})
            assert answer.status == 500
            assert answer.json["error"].startswith("torn:latest: damaged GGUF head")
        rows = ask_server(server, "GET", "/api/tags").json["models"]
        assert [row["name"] for row in rows] == ["mini:latest"]


_FORGETFUL = """
import http.client, json, sys
from arriero.server import serve
server = serve()
connection = http.client.HTTPConnection(server.host, server.port)
connection.request("POST", "/api/chat", sys.argv[1])
connection.getresponse().readline()
"""


def test_a_program_that_forgets_to_close_ends_all_the_same() -> None:
    """Even in the middle of an endless answer."""
    command = [sys.executable, "-c", _FORGETFUL, json.dumps(ENDLESS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ipv6_is_served() -> None:
    """The URL has brackets."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        server = serve(host="::1")
    except RequestError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert server.url == f"http://[::1]:{server.port}"
        assert ask_server(server, "GET", "/").status == 200


_FOREGROUND = """
import sys
from arriero.server import run
run(port=0, on_ready=lambda url: print(url, flush=True), drain_s=float(sys.argv[1]))
print("stopped", flush=True)
"""


def _foreground(drain_s: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _FOREGROUND, str(drain_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="signals work otherwise there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_foreground_server_cleanly(number: signal.Signals) -> None:
    """Running answers finish, then the call returns."""
    with _foreground(60) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/api/chat", json.dumps({**HELLO, "stream": True}))
        response = connection.getresponse()
        response.readline()
        process.send_signal(number)
        assert json.loads(response.read().split(b"\n")[-2])["done"] is True
        connection.close()
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "stopped\n", "")


def test_two_signals_at_once_are_two() -> None:
    """The second counts as such, though the loop has not heard of the first."""

    async def main() -> None:
        stop, hurry = asyncio.Event(), asyncio.Event()
        with foreground._signals(asyncio.get_running_loop(), stop, hurry):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            await asyncio.wait_for(hurry.wait(), 60)
        assert stop.is_set()

    asyncio.run(main())


def is_refused(port: int) -> bool:
    """Tell whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.skipif(os.name == "nt", reason="signals work otherwise there")
def test_a_second_signal_ends_it_at_once(waits_for: Waits) -> None:
    """Nobody has to wait for an endless answer."""
    with _foreground(600) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/api/chat", json.dumps(ENDLESS))
        response = connection.getresponse()
        response.readline()
        process.send_signal(signal.SIGTERM)
        waits_for(lambda: is_refused(port))  # it has seen the first
        process.send_signal(signal.SIGTERM)
        assert b"shutting down" in response.read()
        connection.close()
        process.communicate(timeout=60)
    assert process.returncode == 0
