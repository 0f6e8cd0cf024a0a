"""Models in processes of their own: the same answers, and crashes that stay there."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from arriero.server import Server, serve
from arriero.server.catalogue import shipped_models
from arriero.server.engines import process
from arriero.server.engines.engine import (
    Conversation,
    Delta,
    Engine,
    EngineError,
    LoadPlan,
    Sampling,
)
from arriero.server.engines.llama import load_llama
from arriero.server.engines.process import ProcessEngine, start_llama

from ..conftest import ask_server
from ..processes import children_with

PLAN = LoadPlan(context_length=2048, slots=4)
HELLO = Conversation([{"role": "user", "content": "Hello"}])
GREEDY = Sampling({"temperature": 0.0})
ENDLESS = Sampling(
    {"temperature": 0.0},
    max_tokens=20_000,
    format={"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 2000},
)
LONG = {
    "model": "mini",
    "messages": [{"role": "user", "content": "Tell me a story"}],
    "format": {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 2000},
    "options": {"num_predict": 20_000, "temperature": 0},
}
CHILD = "arriero.server.engines.child"
GONE = "an error was encountered while running the model: unexpected EOF"

Waits = Callable[[Callable[[], object]], None]


@pytest.fixture
def engine() -> Iterator[ProcessEngine]:
    """The shipped model in a process of its own."""
    made = start_llama(shipped_models()["mini"].path, PLAN)
    yield made
    made.close()
    assert not psutil.pid_exists(made.pid)


def say(engine: Engine, sampling: Sampling = GREEDY) -> tuple[str, Any]:
    """Chat; give the text and how it ended."""
    texts: list[str] = []

    def emit(delta: Delta) -> bool:
        texts.append(delta.text)
        return False

    finish = engine.chat(HELLO, sampling, emit)
    return "".join(texts), (finish.reason, finish.prompt_tokens, finish.output_tokens)


def test_it_does_what_the_engine_within_does(engine: ProcessEngine) -> None:
    """Every method gives the same, types included."""
    within = load_llama(shipped_models()["mini"].path, PLAN)
    try:
        logprobs = Sampling({"temperature": 0.0}, max_tokens=3, top_logprobs=2)
        for sampling in (GREEDY, logprobs):
            assert say(engine, sampling) == say(within, sampling)
        for one in (engine, within):
            assert one.detokenize(one.tokenize("Hello there")) == "Hello there"
        assert engine.tokenize("Hello there") == within.tokenize("Hello there")
        assert engine.render(HELLO) == within.render(HELLO)
        assert engine.size_bytes == within.size_bytes
        with pytest.raises(EngineError) as refused:
            engine.complete("x " * 9000, GREEDY, lambda delta: False)
        assert (refused.value.status, refused.value.kind) == (400, "exceed_context_size_error")
        assert refused.value.excess > 0
    finally:
        within.close()


def test_vectors_come_through() -> None:
    """As lists of numbers, with the tokens read."""
    path = shipped_models()["mini"].path
    engine = start_llama(path, LoadPlan(256, 1), embedding=True, mean_pooling=True)
    try:
        vectors, tokens = engine.embed(["Hello", "What do llamas eat?"])
        assert [len(vector) for vector in vectors] == [192, 192]
        assert tokens > 2
    finally:
        engine.close()


def test_an_answer_nobody_wants_is_stopped(engine: ProcessEngine) -> None:
    """At the next step; the model goes on to answer others."""
    seen: list[Delta] = []

    def emit(delta: Delta) -> bool:
        seen.append(delta)
        return len(seen) > 5

    engine.chat(HELLO, ENDLESS, emit)
    assert len(seen) < 20
    assert say(engine)[0].startswith("Hello!")


def test_a_reader_that_does_not_read_holds_the_generation_up(
    engine: ProcessEngine, waits_for: Waits
) -> None:
    """No more steps than there is room for leave the process, so memory here stays bounded."""
    gate, seen = threading.Event(), []

    def emit(delta: Delta) -> bool:
        seen.append(delta)
        gate.wait(60)
        return len(seen) > 600

    thread = threading.Thread(target=engine.chat, args=(HELLO, ENDLESS, emit))
    thread.start()
    try:
        waits_for(lambda: engine._asks and engine._asks[1].qsize() >= process.FIRST_STEPS - 1)
        assert engine._asks[1].qsize() < process.FIRST_STEPS
    finally:
        gate.set()
        thread.join()
    assert len(seen) > 600


def test_a_killed_process_is_an_error_in_ollamas_words(engine: ProcessEngine) -> None:
    """What runs fails, and so does what is asked afterwards."""

    def emit(delta: Delta) -> bool:
        os.kill(engine.pid, signal.SIGKILL)
        return False

    for _ in range(2):
        with pytest.raises(EngineError) as failed:
            engine.chat(HELLO, ENDLESS, emit)
        assert (failed.value.status, failed.value.text) == (500, GONE)
        assert engine.is_broken


def test_a_process_that_hangs_is_killed(
    engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who left is not waited for longer than a while."""
    monkeypatch.setattr(process, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(process, "_LOOK_S", 0.01)

    def emit(delta: Delta) -> bool:
        os.kill(engine.pid, signal.SIGSTOP)
        return True

    with pytest.raises(EngineError, match="unexpected EOF"):
        engine.chat(HELLO, ENDLESS, emit)
    assert engine.is_broken


def test_an_abort_of_llama_cpp_is_an_error() -> None:
    """llama.cpp ends its process over such a batch, which the server lets no request ask for."""

    def load_and_say() -> None:
        engine = start_llama(shipped_models()["mini"].path, LoadPlan(4096, 4, batch=1))
        try:
            say(engine)
        finally:
            engine.close()

    with pytest.raises(EngineError, match=r"unexpected EOF|terminated: signal SIGABRT"):
        load_and_say()


def test_a_crash_while_loading_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how the process ended, and its last words."""
    boot = "import os, sys; print('no memory', file=sys.stderr, flush=True); os.abort()"
    monkeypatch.setattr(process, "_BOOT", boot)
    text = "llama runner process has terminated: signal SIGABRT: no memory"
    with pytest.raises(EngineError, match=text):
        start_llama(shipped_models()["mini"].path, PLAN)


def test_a_file_llama_cpp_cannot_load_is_an_error(tmp_path: Path) -> None:
    """The same error as within."""
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EngineError, match=r"could not load x\.gguf"):
        start_llama(path, PLAN)


@pytest.mark.slow
def test_the_process_ends_with_the_server(waits_for: Waits) -> None:
    """Even if nobody could say goodbye."""
    program = (
        "from arriero.server.catalogue import shipped_models as models\n"
        "from arriero.server.engines.engine import LoadPlan\n"
        "from arriero.server.engines.process import start_llama\n"
        "print(start_llama(models()['mini'].path, LoadPlan(64, 1)).pid, flush=True)\n"
        "input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen((sys.executable, "-c", program), stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    waits_for(lambda: not psutil.pid_exists(pid))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server whose models may be killed."""
    with serve() as running:
        yield running


def kill_models() -> list[psutil.Process]:
    """Kill every process of a model that this program has, and give them."""
    models = children_with(CHILD)
    for one in models:
        one.kill()
    return models


def test_numbers_of_any_size_reach_the_model(server: Server) -> None:
    """A schema may hold them; found as a 500 of ours."""
    schema = {"type": "object", "properties": {"a": {"enum": [10**30, 1]}}, "required": ["a"]}
    body = {"model": "mini", "prompt": "Hello", "format": schema, "stream": False}
    body["options"] = {"num_predict": 3}
    assert ask_server(server, "POST", "/api/generate", body).status == 200


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_crash_in_mid_stream_is_the_streams_last_line(server: Server, path: str) -> None:
    """Status 200, an error line, nothing after it; the next request loads the model again."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    try:
        body = {**LONG, "prompt": "Tell me a story"}
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        assert response.status == 200
        for _ in range(5):
            assert not json.loads(response.readline())["done"]
        kill_models()
        lines = response.read().splitlines()
    finally:
        connection.close()
    assert json.loads(lines[-1]) == {"error": GONE}
    assert all(not json.loads(line)["done"] for line in lines[:-1])
    again = ask_server(server, "POST", "/api/generate", {"model": "mini", "prompt": "Hello"})
    assert again.records[-1]["done"]


def test_a_crash_before_the_answer_is_a_500(server: Server, waits_for: Waits) -> None:
    """Without a stream the status says it; other models go on."""
    ask_server(server, "POST", "/api/chat", {"model": "mini", "messages": []})
    models = children_with(CHILD)
    worked = {child.pid: child.cpu_times().user for child in models}
    answers: list[Any] = []
    body = {**LONG, "stream": False}
    thread = threading.Thread(
        target=lambda: answers.append(ask_server(server, "POST", "/api/chat", body))
    )
    thread.start()
    # It works on the answer once it has worked more than loading took.
    waits_for(lambda: any(one.cpu_times().user > worked[one.pid] + 0.05 for one in models))
    kill_models()
    thread.join()
    assert (answers[0].status, answers[0].json) == (500, {"error": GONE})
    # Others died as well, which nobody waited to hear.
    waits_for(lambda: ask_server(server, "GET", "/api/ps").json == {"models": []})


def test_a_model_that_died_idle_is_loaded_again(server: Server) -> None:
    """The caller does not notice."""
    body = {"model": "mini-embed", "input": "Hello"}
    first = ask_server(server, "POST", "/api/embed", body).json["embeddings"]
    for model in kill_models():
        model.wait(30)
    assert ask_server(server, "POST", "/api/embed", body).json["embeddings"] == first
