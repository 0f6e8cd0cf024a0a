"""Who answers what."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import arriero.testing
from arriero.errors import MissingExtra, RequestError
from arriero.testing import Match, ScriptedServer

from .conftest import USER, Wire, records

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def said(answer: Any) -> str:
    """Give the whole text of a chat."""
    return "".join(one["message"]["content"] for one in records(answer))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server without any rule."""
    with ScriptedServer() as running:
        yield running


def test_the_newest_rule_that_matches_answers(server: ScriptedServer, wire: Wire) -> None:
    """So a test can override what a fixture has set up."""
    server.on().reply("anything")
    server.on(says="France").reply("Paris")

    assert said(wire.ask()) == "Paris"
    assert said(wire.ask(messages=[{"role": "user", "content": "Hello"}])) == "anything"


@pytest.mark.parametrize(
    "says", ["capital", re.compile(r"^What .* of \w+\?$"), lambda text: len(text) == 30]
)
def test_a_text_a_pattern_or_a_function_decides(
    server: ScriptedServer, wire: Wire, says: Any
) -> None:
    """Over the last message alone."""
    server.on().reply("other")
    server.on(says=says).reply("this")

    assert said(wire.ask()) == "this"
    assert said(wire.ask(messages=[*USER, {"role": "user", "content": "no"}])) == "other"


def test_models_are_told_apart_by_their_names(server: ScriptedServer, wire: Wire) -> None:
    """With or without the tag that goes without saying."""
    server.on(model="llama3.2").reply("llama")
    server.on(model="qwen3:8b").reply("qwen")

    assert said(wire.ask(model="llama3.2:latest")) == "llama"
    assert said(wire.ask(model="qwen3:8b")) == "qwen"
    assert wire.ask(model="qwen3:4b").status == 500


def test_answers_come_in_their_order_and_the_last_stays(server: ScriptedServer, wire: Wire) -> None:
    """One rule can have several."""
    rule = server.on().reply("one").error("broken", status=503).reply("three")

    assert said(wire.ask()) == "one"
    assert wire.ask().status == 503
    assert [said(wire.ask()), said(wire.ask())] == ["three", "three"]
    assert rule.used == 4


def test_an_answer_can_be_made_from_the_question(server: ScriptedServer, wire: Wire) -> None:
    """By a function."""
    server.on().reply(lambda question: f"{question.model}? {question.text.upper()}")

    assert said(wire.ask()) == "llama3.2:latest? WHAT IS THE CAPITAL OF FRANCE?"


def test_tokens_can_be_given_one_by_one(server: ScriptedServer, wire: Wire) -> None:
    """Where the borders of records matter."""
    server.on().reply(["Pa", "ris", "\u0085", "😀"])

    texts = [one["message"]["content"] for one in records(wire.ask())]

    assert texts == ["Pa", "ris", "\u0085", "😀", ""]


def test_a_tool_is_called_and_its_result_answered(server: ScriptedServer, wire: Wire) -> None:
    """Two rules make the loop: the offer, and the result."""
    server.on(result_of="weather").reply("Sunny.")
    server.on(tool="weather").reply(tool_calls=[("weather", {"city": "Paris"})])

    call = records(wire.ask(tools=[TOOL]))[-1]["message"]
    result = {"role": "tool", "tool_name": "weather", "content": "21 C"}
    answer = said(wire.ask(tools=[TOOL], messages=[*USER, call, result]))

    function = {"index": 0, "name": "weather", "arguments": {"city": "Paris"}}
    assert call["tool_calls"] == [{"id": "call_00000001", "function": function}]
    assert answer == "Sunny."
    assert wire.ask().status == 500, "no tool was on offer"


def test_reasoning_comes_before_the_answer(server: ScriptedServer, wire: Wire) -> None:
    """And not at all where it is not wanted."""
    server.on().reply("Paris", thinking="Hm, France.")

    wanted = json.loads(wire.ask(stream=False).data)["message"]
    unwanted = json.loads(wire.ask(stream=False, think=False).data)["message"]

    assert (wanted["thinking"], wanted["content"]) == ("Hm, France.", "Paris")
    assert unwanted == {"role": "assistant", "content": "Paris"}


def test_an_error_in_the_middle_is_the_last_line(server: ScriptedServer, wire: Wire) -> None:
    """In Ollama's words for a model that breaks."""
    server.on().error("CUDA error", after="It is")

    *parts, last = records(wire.ask())

    assert [one["message"]["content"] for one in parts] == ["It", " is"]
    assert last == {"error": "an error was encountered while running the model: CUDA error"}


def test_a_question_without_a_rule_is_told(server: ScriptedServer, wire: Wire) -> None:
    """To the caller, and to the test at its end."""
    answer = wire.ask()

    assert answer.status == 500
    assert "no rule for model='llama3.2:latest' says='What is" in json.loads(answer.data)["error"]
    with pytest.raises(AssertionError, match=r"llama3.2:latest: 'What is the capital"):
        server.assert_all_answered()
    server.clear()
    server.assert_all_answered()
    assert server.requests == ()


def test_a_rule_without_a_reply_is_told(server: ScriptedServer, wire: Wire) -> None:
    """It would otherwise look like an empty answer."""
    server.on(model="llama3.2", says="capital")

    error = json.loads(wire.ask().data)["error"]

    assert error == "the rule on(model='llama3.2', says='capital') has no reply yet"


def test_time_passes_as_told(wire: Wire, server: ScriptedServer) -> None:
    """Before the first token, and between tokens."""
    server.on().reply("a b c", delay_s=0.05, token_s=0.03)
    started_s = time.monotonic()

    stamps = [time.monotonic() - started_s for _ in wire.open().stream(1)]

    assert stamps[0] >= 0.05
    assert stamps[-1] >= 0.11


def test_the_server_has_times_of_its_own() -> None:
    """Which a rule can overrule."""
    with ScriptedServer(delay_s=0.05, load_s=0.05) as server:
        server.on().reply("slow").reply("quick", delay_s=0)
        wire = Wire(server.url)
        try:
            slow, quick = (records(wire.ask())[-1] for _ in range(2))
        finally:
            wire.close()

    assert slow["load_duration"] >= 0.05e9
    assert slow["prompt_eval_duration"] == 0.05e9
    assert "prompt_eval_duration" not in quick


def test_generate_and_the_other_apis_use_the_same_rules(server: ScriptedServer, wire: Wire) -> None:
    """Whatever the route, it is one question."""
    server.on(says="France").reply("Paris")

    generated = json.loads(wire.ask("/api/generate", prompt="France?", stream=False).data)
    completed = json.loads(wire.ask("/v1/chat/completions", messages=USER).data)
    messaged = json.loads(wire.ask("/v1/messages", messages=USER, max_tokens=9).data)

    assert generated["response"] == "Paris"
    assert completed["choices"][0]["message"]["content"] == "Paris"
    assert messaged["content"][0]["text"] == "Paris"
    assert len(server.requests_with(says="France")) == 3


def test_only_the_models_named_exist() -> None:
    """And they can do what they are said to."""
    models = {"chatty": ["completion"], "vectors": ["embedding"]}
    with ScriptedServer(models, dimensions=4) as server:
        server.on().reply("yes")
        wire = Wire(server.url)
        try:
            assert wire.ask(model="other").status == 404
            assert wire.ask(model="chatty").status == 200
            assert wire.ask(model="chatty", tools=[TOOL]).status == 400
            assert wire.ask(model="vectors").status == 400
            vectors = json.loads(wire.ask("/api/embed", model="vectors", input="a").data)
            names = [one["name"] for one in json.loads(wire.get("/api/tags").data)["models"]]
        finally:
            wire.close()

    assert len(vectors["embeddings"][0]) == 4
    assert sorted(names) == ["chatty:latest", "vectors:latest"]


def test_a_full_queue_is_refused() -> None:
    """With Ollama's 503, when models load slowly and little may wait."""
    with ScriptedServer(load_s=0.2, max_queue=1) as server:
        server.on().reply("yes")
        wire = Wire(server.url)
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda name=name: statuses.append(wire.ask(model=name).status))
            for name in ("a", "b", "c", "d")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wire.close()

    assert 503 in statuses
    assert 200 in statuses


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScriptedServer(["a b"]), "'a b' is not a model name"),
        (lambda: ScriptedServer({"a": ["flying"]}), "unknown capabilities ['flying']"),
        (lambda: ScriptedServer(num_parallel=0), "num_parallel must be at least 1"),
        (lambda: Match(model="a b"), "'a b' is not a model name"),
        (lambda: ScriptedServer().on().reply("a", delay_s=-1), "delay_s must be 0 or more"),
        (lambda: ScriptedServer().url, "the server is not running"),
    ],
)
def test_mistakes_are_told(make: Any, message: str) -> None:
    """Before anything is served."""
    with pytest.raises(RequestError, match=re.escape(message)):
        make()


def test_a_taken_port_is_told(server: ScriptedServer) -> None:
    """With the address."""
    with pytest.raises(RequestError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        ScriptedServer(port=server.port).start()


def test_starting_and_closing_twice_is_harmless() -> None:
    """Without a `with` block, too."""
    server = ScriptedServer().start().start()
    server.close()
    server.close()

    with pytest.raises(RequestError, match="the server is closed; make another"):
        server.start()


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install, when a name is asked for."""
    monkeypatch.setattr("arriero.testing.controlled.find_spec", lambda name: None)
    monkeypatch.delattr("arriero.testing.FaultProxy", raising=False)

    with pytest.raises(MissingExtra, match=r"pip install 'arriero\[testing\]'"):
        arriero.testing.FaultProxy  # noqa: B018  # fetching it is the test
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        arriero.testing.Nothing  # type: ignore[attr-defined]  # noqa: B018  # wrong on purpose


def test_a_program_that_forgets_to_close_ends_all_the_same() -> None:
    """With a model loaded, too."""
    code = (
        "import urllib.request as u\n"
        "from arriero.testing import ScriptedServer\n"
        "server = ScriptedServer().start()\n"
        "server.on().reply('yes')\n"
        'u.urlopen(server.url + \'/api/generate\', b\'{"model": "m", "prompt": "x"}\').read()\n'
    )
    subprocess.run([sys.executable, "-c", code], timeout=240, check=True)
