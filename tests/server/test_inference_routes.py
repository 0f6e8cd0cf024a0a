"""Chat, generate and embed over real sockets: what recordings of single requests cannot show."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from arriero.names import parse_name
from arriero.server import Application, Server, serve
from arriero.server.catalogue import FixedCatalogue, Model, shipped_models
from arriero.server.engines.engine import Engine, EngineError, LoadPlan
from arriero.server.settings import Scheduling

from .conftest import Answer, Ask, FakeEngine, ask_server

STORY = [{"role": "user", "content": "Tell me a story"}]
ENDLESS = {
    "messages": [{"role": "user", "content": "Count."}],
    "format": {"type": "array", "minItems": 1500, "items": {"type": "integer"}},
    "options": {"temperature": 0},
}


def chat(model: str = "mini", **fields: Any) -> dict[str, Any]:
    """A chat body."""
    return {"model": model, "messages": STORY, **fields}


@contextmanager
def served(load: Callable[[Model, LoadPlan], Engine], **settings: Any) -> Iterator[Server]:
    """A server whose engines are loaded by `load`."""
    weights = shipped_models()["mini"].path
    models = [Model(parse_name(name), weights) for name in ("a", "b", "c")]
    app = Application(FixedCatalogue(models), Scheduling(**settings), load)
    with Server(app, socket.create_server(("127.0.0.1", 0))) as server:
        yield server


def until(condition: Callable[[], bool]) -> None:
    """Wait until something has become true."""
    until_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until_s, "it never became true"
        time.sleep(0.002)


def test_the_same_seed_gives_the_same_answer(ask: Ask) -> None:
    """At any temperature; another seed gives another answer."""
    answers = [
        ask("POST", "/api/chat", chat(stream=False, options={"seed": seed, "temperature": 1.0}))
        for seed in (7, 7, 8)
    ]
    texts = [answer.json["message"]["content"] for answer in answers]

    assert texts[0] == texts[1] != texts[2]


def test_at_temperature_zero_the_stream_is_the_whole_answer(ask: Ask) -> None:
    """Streamed or not, the text is the same; its records are never empty but the last."""
    options = {"temperature": 0}
    whole = ask("POST", "/api/chat", chat(stream=False, options=options)).json
    records = ask("POST", "/api/chat", chat(options=options)).records

    assert "".join(one["message"]["content"] for one in records) == whole["message"]["content"]
    assert [one["done"] for one in records] == [False] * (len(records) - 1) + [True]
    assert all(one["message"]["content"] for one in records[:-1])
    assert records[-1]["eval_count"] == whole["eval_count"] == len(records)


def test_ten_streams_progress_together() -> None:
    """With a slot for each, every stream has begun before the first has ended."""
    begun = threading.Barrier(10)
    lines: list[bytes] = []

    def read(server: Server) -> None:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        connection.request("POST", "/api/chat", json.dumps({"model": "mini", **ENDLESS}))
        response = connection.getresponse()
        lines.append(response.readline())
        begun.wait(60)  # each answer would go on for longer than that
        response.close()
        connection.close()

    with serve(num_parallel=10) as server:
        ask_server(server, "POST", "/api/chat", {"model": "mini", "messages": []})
        threads = [threading.Thread(target=read, args=(server,)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(lines) == 10
    assert not begun.broken


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot_at_once(stream: bool) -> None:
    """The engine stops within a token, asked for a stream or not."""
    engines: list[FakeEngine] = []

    def load(model: Model, plan: LoadPlan) -> Engine:
        engines.append(FakeEngine(plan))
        engines[0].gate.clear()
        return engines[0]

    with served(load, num_parallel=1) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        connection.request("POST", "/api/chat", json.dumps(chat("a", stream=stream)))
        until(lambda: bool(engines) and engines[0].busy == 1)
        connection.close()
        until(lambda: engines[0].stops == 1)
        engines[0].gate.set()
        assert ask_server(server, "POST", "/api/chat", chat("a")).text == "one two"


def test_llama_cpp_stops_when_the_client_leaves() -> None:
    """The only slot is free for the next request long before the answer would have ended."""
    with serve(num_parallel=1) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        connection.request("POST", "/api/chat", json.dumps({"model": "mini", **ENDLESS}))
        response = connection.getresponse()
        assert response.readline()
        response.close()
        connection.close()
        started_s = time.monotonic()
        answer = ask_server(server, "POST", "/api/chat", chat(options={"num_predict": 2}))
        assert answer.records[-1]["done"] is True
        assert time.monotonic() - started_s < 10  # to its end it would write 20,000 tokens


def test_a_full_load_queue_is_a_503_in_ollamas_words() -> None:
    """Two spaces and all, no Retry-After; a loaded model is served all the same."""
    gate, loading = threading.Event(), threading.Event()
    gate.set()
    answers: queue.Queue[Answer] = queue.Queue()

    def load(model: Model, plan: LoadPlan) -> Engine:
        loading.set()
        assert gate.wait(60)
        return FakeEngine(plan)

    with served(load, max_queue=1) as server:

        def send(name: str) -> threading.Thread:
            def run() -> None:
                answers.put(ask_server(server, "POST", "/api/chat", chat(name)))

            thread = threading.Thread(target=run)
            thread.start()
            return thread

        ask_server(server, "POST", "/api/chat", chat("a"))
        gate.clear()
        loading.clear()
        threads = [send("b")]
        assert loading.wait(60)
        # While b loads one more may wait; of these two the other is refused.
        threads += [send("c"), send("c")]
        refused = answers.get(timeout=60)
        assert refused.status == 503
        assert refused.json == {
            "error": "server busy, please try again.  maximum pending requests exceeded"
        }
        assert "retry-after" not in refused.headers
        assert ask_server(server, "POST", "/api/chat", chat("a")).text == "one two"
        gate.set()
        assert [answers.get(timeout=60).status for _ in range(2)] == [200, 200]
        for thread in threads:
            thread.join()


def test_a_failed_load_is_a_500_with_the_engines_words() -> None:
    """Also on a streaming route, before anything was streamed."""

    def load(model: Model, plan: LoadPlan) -> Engine:
        raise EngineError(500, "no such tensor")

    with served(load) as server:
        answer = ask_server(server, "POST", "/api/chat", chat("a"))
        assert (answer.status, answer.json) == (500, {"error": "no such tensor"})


def test_an_engine_that_breaks_in_a_stream_ends_it_with_an_error_line() -> None:
    """The status stays 200, the last line says it."""

    class Breaking(FakeEngine):
        def chat(self, conversation: Any, sampling: Any, emit: Any) -> Any:
            super().chat(conversation, sampling, emit)
            raise EngineError(500, "raw text", "out of memory")

    with served(lambda model, plan: Breaking(plan)) as server:
        answer = ask_server(server, "POST", "/api/chat", chat("a"))
        assert answer.status == 200
        assert answer.records[-1] == {
            "error": "an error was encountered while running the model: out of memory"
        }
        assert all("error" not in record for record in answer.records[:-1])
        whole = ask_server(server, "POST", "/api/chat", chat("a", stream=False))
        assert (whole.status, whole.json) == (500, {"error": "raw text"})


def test_a_fault_of_the_server_is_a_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What broke is for the log, not for the caller."""

    class Buggy(FakeEngine):
        def chat(self, conversation: Any, sampling: Any, emit: Any) -> Any:
            raise KeyError("a secret")

    with served(lambda model, plan: Buggy(plan)) as server:
        answer = ask_server(server, "POST", "/api/chat", chat("a"))
    assert (answer.status, answer.json) == (500, {"error": "internal server error"})
    assert [record.name for record in caplog.records] == ["arriero.server"]


def test_every_record_is_a_chunk_of_its_own(server: Server) -> None:
    """Readers see a token when it is there, not when a buffer is full."""
    body = json.dumps(chat(options={"temperature": 0, "num_predict": 5})).encode()
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        head = f"POST /api/chat HTTP/1.1\r\nHost: x.local\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    chunks = data.partition(b"\r\n\r\n")[2].split(b"\r\n")
    lines = [piece for piece in chunks if piece.startswith(b"{")]

    assert len(lines) == 6
    assert all(line.endswith(b"}\n") for line in lines)


def test_requests_may_be_pipelined(server: Server) -> None:
    """Two requests in one packet get two answers, in order."""
    one = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    two = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        connection.sendall(one + two)
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    assert data.index(b'{"version"') < data.index(b"Ollama is running")


def test_no_answer_names_its_server_software(ask: Ask) -> None:
    """Date is sent, Server is not."""
    headers = ask("GET", "/api/version").headers

    assert "date" in headers
    assert "server" not in headers


def test_names_are_echoed_as_sent(ask: Ask) -> None:
    """Spaces, case and tag of the request come back."""
    for name in (" mini ", "MINI:LATEST", "library/mini"):
        body = {"model": name, "prompt": "Hi", "stream": False, "options": {"num_predict": 1}}
        assert ask("POST", "/api/generate", body).json["model"] == name


def test_a_tool_call_and_its_result(ask: Ask) -> None:
    """The call comes complete in the last record; its result leads to an answer."""
    city = {"city": {"type": "string", "description": "The name of the city"}}
    function = {
        "name": "get_weather",
        "description": "Get the current weather for a city",
        "parameters": {"type": "object", "required": ["city"], "properties": city},
    }
    question = {"role": "user", "content": "What is the weather in Lima?"}
    body = {
        "model": "mini",
        "tools": [{"type": "function", "function": function}],
        "options": {"temperature": 0},
    }
    called = ask("POST", "/api/chat", {**body, "messages": [question]}).records[-1]
    call = called["message"]["tool_calls"][0]

    assert called["done_reason"] == "stop"
    assert call["function"] == {"index": 0, "name": "get_weather", "arguments": {"city": "Lima"}}
    result = {"role": "tool", "content": "19 degrees", "tool_name": "get_weather",
              "tool_call_id": call["id"]}  # fmt: skip
    messages = [question, called["message"], result]
    assert "19 degrees" in ask("POST", "/api/chat", {**body, "messages": messages}).text


def test_json_is_enforced(ask: Ask) -> None:
    """`format: json` gives an object even to a question that asks for none."""
    hello = [{"role": "user", "content": "Hello"}]
    for path, fields in (
        ("/api/chat", {"messages": hello}),
        ("/api/generate", {"prompt": "Hello"}),
    ):
        body = {"model": "mini", "format": "json", "options": {"temperature": 0}, **fields}
        assert isinstance(json.loads(ask("POST", path, body).text), dict)


def test_a_schema_keeps_the_callers_order_of_properties(ask: Ask) -> None:
    """Models answer better in the order they were asked in."""
    names = ["zebra", "apple", "mango"]
    schema = {"type": "object", "properties": {name: {"type": "boolean"} for name in names},
              "required": names}  # fmt: skip
    body = chat(format=schema, stream=False, options={"temperature": 0})
    content = ask("POST", "/api/chat", body).json["message"]["content"]

    assert list(json.loads(content)) == names


def test_old_messages_are_dropped_until_the_prompt_fits(ask: Ask) -> None:
    """The system message and the last one stay; with truncate off it is an error."""
    turns = [{"role": "user", "content": f"{number} " + "llama " * 60} for number in range(40)]
    messages = [{"role": "system", "content": "Be brief."}, *turns, *STORY]
    body = chat(messages=messages, stream=False, options={"temperature": 0, "num_predict": 1})
    answer = ask("POST", "/api/chat", body)

    assert answer.status == 200
    assert 1700 < answer.json["prompt_eval_count"] < 2048
    refused = ask("POST", "/api/chat", {**body, "truncate": False})
    assert refused.status == 400
    assert json.loads(refused.json["error"])["error"]["type"] == "exceed_context_size_error"


def test_another_context_length_reloads_the_model() -> None:
    """ps shows what is in force."""
    with serve() as server:
        for wanted, shown in ((None, 2048), (256, 256), (10**6, 2048)):
            options = {"num_ctx": wanted, "num_predict": 1}
            ask_server(server, "POST", "/api/chat", chat(options=options))
            rows = ask_server(server, "GET", "/api/ps").json["models"]
            assert [row["context_length"] for row in rows] == [shown]


def test_keep_alive_rules_how_long_a_model_stays() -> None:
    """Load, pin, unload, each visible in ps."""
    with serve() as server:

        def rows() -> list[dict[str, Any]]:
            models: list[dict[str, Any]] = ask_server(server, "GET", "/api/ps").json["models"]
            return models

        load = ask_server(server, "POST", "/api/generate", {"model": "mini", "keep_alive": -1})
        assert load.json["done_reason"] == "load"
        assert rows()[0]["expires_at"] > "2300"
        unload = ask_server(server, "POST", "/api/chat", {"model": "mini", "keep_alive": 0})
        assert unload.json["done_reason"] == "unload"
        assert rows() == []
        ask_server(server, "POST", "/api/chat", chat(keep_alive="10ms", options={"num_predict": 1}))
        until(lambda: rows() == [])


def test_a_generate_context_continues_the_conversation(ask: Ask) -> None:
    """The tokens of an answer can be sent back."""
    body = {"model": "mini", "stream": False, "options": {"temperature": 0, "num_predict": 8}}
    first = ask("POST", "/api/generate", {**body, "prompt": "What is a llama?"}).json
    second = ask("POST", "/api/generate", {**body, "prompt": "Thanks", "context": first["context"]})

    assert second.json["context"][: len(first["context"])] == first["context"]
    assert second.json["prompt_eval_count"] > first["prompt_eval_count"]


def test_a_request_may_bring_its_own_template(ask: Ask) -> None:
    """In Go's language, whatever the model has."""
    template = "{{ range .Messages }}[{{ .Role }}]{{ .Content }}{{ end }}"
    body = {"model": "mini", "prompt": "Hi", "system": "S", "template": template}
    answer = ask("POST", "/api/generate", {**body, "_debug_render_only": True})
    assert answer.json["_debug_info"]["rendered_template"] == "[system]S[user]Hi"

    broken = ask("POST", "/api/generate", {**body, "template": "{{ len 5 }}"})
    assert broken.status == 500
    assert "len" in broken.json["error"]


def test_vectors_are_unit_length_and_in_order(ask: Ask) -> None:
    """Also after a cut to fewer dimensions, and however many texts there are."""
    texts = ["llamas like hay", "The sky is blue.", "llamas like hay"]
    for dimensions in (0, 5):
        body = {"model": "mini-embed", "input": texts, "dimensions": dimensions}
        vectors = ask("POST", "/api/embed", body).json["embeddings"]
        for vector in vectors:
            assert sum(value * value for value in vector) == pytest.approx(1.0, abs=1e-5)
        assert vectors[0] == vectors[2] != vectors[1]
        assert len(vectors[0]) == (dimensions or 192)


def test_the_old_embedding_route_minds_case(ask: Ask) -> None:
    """The only one that does."""
    body = {"prompt": "x"}
    assert ask("POST", "/api/embeddings", {"model": "MINI-EMBED", **body}).status == 404
    assert ask("POST", "/api/embed", {"model": "MINI-EMBED", "input": "x"}).status == 200


def test_a_text_model_gives_no_vectors(ask: Ask) -> None:
    """501 on the new route, 500 on the old one, with llama.cpp's words."""
    text = "This server does not support embeddings. Start it with `--embeddings`"
    new = ask("POST", "/api/embed", {"model": "mini", "input": "x"})
    old = ask("POST", "/api/embeddings", {"model": "mini", "prompt": "x"})

    assert (new.status, new.json) == (501, {"error": text})
    assert (old.status, old.json) == (500, {"error": text})


def test_a_request_body_may_be_large_and_come_in_pieces(server: Server) -> None:
    """Chunked requests of some megabytes are read whole."""
    text = json.dumps({"model": "mini", "junk": "x" * 3_000_000, "messages": []}).encode()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    pieces = (text[at : at + 65536] for at in range(0, len(text), 65536))
    connection.request("POST", "/api/chat", pieces, encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    assert json.loads(connection.getresponse().read())["done_reason"] == "load"
    connection.close()


def test_a_client_that_leaves_within_its_body_is_forgotten(server: Server) -> None:
    """Half a request starts nothing."""
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        connection.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n")
        connection.sendall(b"Content-Length: 100\r\n\r\n{")
    assert ask_server(server, "GET", "/").status == 200
