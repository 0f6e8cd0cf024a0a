"""Event streams under /v1: how they end when something goes wrong, and who notices."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

import pytest

import arriero
from arriero.server import RequestLine, serve
from arriero.server.catalogue import Model
from arriero.server.engines.engine import Delta, Engine, EngineError, Finish, LoadPlan, ToolCall

from ..conftest import Answer, Ask, FakeEngine, ask_server
from ..test_inference_routes import served, until

HI = [{"role": "user", "content": "hi"}]
STREAMS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HI},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": HI, "max_tokens": 9},
}
SAID = "an error was encountered while running the model: out of memory"


def events(answer: Answer) -> list[Any]:
    """The data of every event; the name of an event is that of its data."""
    assert answer.body.endswith(b"\n\n")
    found: list[Any] = []
    for block in answer.body.decode().removesuffix("\n\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        data: Any = lines["data"]
        if data != "[DONE]":
            data = json.loads(data)
        assert "event" not in lines or lines["event"] == data["type"]
        found.append(data)
    return found


@pytest.mark.parametrize("route", STREAMS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot_at_once(route: str, stream: bool) -> None:
    """The engine stops within a token, asked for events or not."""
    engines: list[FakeEngine] = []

    def load(model: Model, plan: LoadPlan) -> Engine:
        engines.append(FakeEngine(plan))
        engines[0].gate.clear()
        return engines[0]

    with served(load, num_parallel=1) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        body = {"model": "a", "stream": stream, **STREAMS[route]}
        connection.request("POST", route, json.dumps(body))
        until(lambda: bool(engines) and engines[0].busy == 1)
        connection.close()
        until(lambda: engines[0].stops == 1)
        engines[0].gate.set()
        assert ask_server(server, "POST", route, body | {"stream": False}).status == 200


class Breaking(FakeEngine):
    """Says two words, then runs out of memory."""

    def chat(self, conversation: Any, sampling: Any, emit: Any) -> Any:
        super().chat(conversation, sampling, emit)
        raise EngineError(500, "raw text", "out of memory")


@pytest.mark.parametrize(
    ("route", "last"),
    [
        ("/v1/chat/completions", {"error": {"message": SAID, "type": "api_error"}}),
        ("/v1/completions", {"error": {"message": SAID, "type": "api_error"}}),
        ("/v1/responses", {"type": "response.failed"}),
        ("/v1/messages", {"type": "error", "error": {"type": "api_error", "message": SAID}}),
    ],
)
def test_an_engine_that_breaks_ends_the_events_with_its_error(
    route: str, last: dict[str, Any]
) -> None:
    """The text is not lost, and nothing says that the answer is complete."""
    with served(lambda model, plan: Breaking(plan)) as server:
        body = {"model": "a", "stream": True, **STREAMS[route]}
        answer = ask_server(server, "POST", route, body)
        *_, end = events(answer)
        assert answer.status == 200
        if route == "/v1/responses":
            assert end["response"]["status"] == "failed"
            assert end["response"]["error"]["message"] == SAID
        else:
            error = {"param": None, "code": None} if "completions" in route else {}
            assert end == last | {"error": last["error"] | error}
        assert end.get("type") == last.get("type")
        assert b"[DONE]" not in answer.body
        whole = ask_server(server, "POST", route, body | {"stream": False})
        assert (whole.status, whole.json["error"]["message"]) == (500, "raw text")


def test_openais_package_raises_what_broke_its_stream() -> None:
    """Its users see the server's words."""
    openai: Any = pytest.importorskip("openai")
    with (
        served(lambda model, plan: Breaking(plan)) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as client,
        client.chat.completions.create(model="a", messages=HI, stream=True) as stream,
        pytest.raises(openai.APIError, match="out of memory"),
    ):
        list(stream)


def test_a_server_that_stops_tells_its_streams() -> None:
    """An error event instead of a silent end."""

    class Slow(FakeEngine):
        def chat(self, conversation: Any, sampling: Any, emit: Any) -> Any:
            emit(Delta(text="one"))
            while not emit(Delta()):
                threading.Event().wait(0.005)
            return Finish("stop", 1, 1, 1, 1)

    with served(lambda model, plan: Slow(plan)) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        body = {"model": "a", "stream": True, **STREAMS["/v1/chat/completions"]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        response = connection.getresponse()
        response.readline()
        server.close()
        rest = response.read().decode().strip().splitlines()
        connection.close()
    assert "the server is shutting down" in rest[-1]
    assert rest[-1].startswith('data: {"error":')


def test_reasoning_and_a_call_in_one_record_are_told_apart() -> None:
    """Each API has its own order of events for thought, text and calls."""

    class Calling(FakeEngine):
        def chat(self, conversation: Any, sampling: Any, emit: Any) -> Any:
            emit(Delta(thinking="hm", text="so"))
            calls = [ToolCall("c1", 0, "f", {"a": 1}), ToolCall("c2", 1, "g", {})]
            return Finish("stop", 3, 1, 4, 1, calls)

    with served(lambda model, plan: Calling(plan)) as server:

        def told(route: str) -> list[Any]:
            body = {"model": "a", "stream": True, **STREAMS[route]}
            return events(ask_server(server, "POST", route, body))

        chunks = told("/v1/chat/completions")
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
        assert deltas[0] == {"role": "assistant", "content": "", "reasoning": "hm"}
        assert deltas[1] == {"content": "so"}
        assert [call["id"] for call in deltas[2]["tool_calls"]] == ["c1", "c2"]
        assert deltas[3] == {}
        assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"

        blocks = told("/v1/messages")
        starts = [e["content_block"]["type"] for e in blocks if "content_block" in e]
        assert starts == ["thinking", "text", "tool_use", "tool_use"]
        indexes = [e["index"] for e in blocks if e["type"] == "content_block_stop"]
        assert indexes == [0, 1, 2, 3]
        assert blocks[-2]["delta"] == {"stop_reason": "tool_use"}
        assert blocks[-2]["usage"] == {"input_tokens": 3, "output_tokens": 4}

        items = told("/v1/responses")
        output = items[-1]["response"]["output"]
        kinds = ["reasoning", "message", "function_call", "function_call"]
        assert [item["type"] for item in output] == kinds
        done = [e for e in items if e["type"] == "response.output_item.done"]
        assert [(e["output_index"], e["item"]["type"]) for e in done] == list(enumerate(kinds))
        whole = ask_server(server, "POST", "/v1/responses", {"model": "a", "input": "hi"})
        assert [item["type"] for item in whole.json["output"]] == kinds


@pytest.mark.parametrize("route", STREAMS)
def test_an_answer_without_a_word_still_has_its_end(route: str) -> None:
    """A stream of nothing is complete, not broken."""
    with served(lambda model, plan: FakeEngine(plan, words=())) as server:
        body = {"model": "a", "stream": True, **STREAMS[route]}
        found = events(ask_server(server, "POST", route, body))
        whole = ask_server(server, "POST", route, body | {"stream": False})
    assert whole.status == 200
    assert found[-1] == "[DONE]" or found[-1]["type"] in ("response.completed", "message_stop")


@pytest.mark.parametrize("route", STREAMS)
def test_a_refusal_before_the_first_event_is_no_stream(ask: Ask, route: str) -> None:
    """A real status and one value, as without streaming."""
    answer = ask("POST", route, {"model": "nope", "stream": True, **STREAMS[route]})
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json["error"]["message"] == "model 'nope' not found"


def test_methods_and_names_the_routes_do_not_have(ask: Ask) -> None:
    """Said by the router, in plain text."""
    assert ask("GET", "/v1/chat/completions").status == 405
    assert ask("POST", "/v1/models").headers["allow"] == "GET"
    assert ask("GET", "/v1/models/a/b").body == b"404 page not found"
    assert ask("POST", "/v1/messages/count_tokens", {}).status == 404


def test_vectors_reach_numpy_as_bytes() -> None:
    """`embed_array` finds the route that sends them, and they are the vectors of `embed`."""
    pytest.importorskip("numpy")
    lines: list[RequestLine] = []
    with serve(on_request=lines.append) as server, arriero.Client(server.url) as client:
        made = client.embed_array("mini-embed", ["llamas like hay", "Peru"])
        plain = client.embed("mini-embed", ["llamas like hay", "Peru"]).embeddings
    assert [(line.path, line.status) for line in lines] == [
        ("/v1/embeddings", 200),
        ("/api/embed", 200),
    ]
    assert made.shape == (2, 192)
    assert made.tolist() == [pytest.approx(list(row), abs=1e-7) for row in plain]
