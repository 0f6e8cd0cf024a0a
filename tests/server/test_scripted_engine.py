"""Models that play a script, served by the application like any other model."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero.names import parse_name
from arriero.server import Application, Server
from arriero.server.engines.engine import EngineError, ToolCall
from arriero.server.engines.script import (
    Question,
    Reply,
    pieces,
    script_loader,
    vector_of,
)
from arriero.server.listening import listen
from arriero.server.scripted_models import ScriptedModels
from arriero.server.settings import Scheduling

from .conftest import Answer, ask_server


class Stage:
    """A server whose next replies are set by the test."""

    def __init__(self, folder: Path) -> None:
        self.reply = Reply()
        self.asked: list[Question] = []
        models = ScriptedModels(folder, None, dimensions=8)
        load = script_loader(lambda question: self.play(question), dimensions=8)
        self.server = Server(Application(models, Scheduling(), load), listen("127.0.0.1", 0))

    def play(self, question: Question) -> Reply:
        self.asked.append(question)
        return self.reply

    def ask(self, path: str, **body: Any) -> Answer:
        return ask_server(self.server, "POST", path, {"model": "any", **body})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose server ends with the test."""
    made = Stage(tmp_path)
    with made.server:
        yield made


USER = [{"role": "user", "content": "Hello there"}]


def test_a_stream_has_one_record_a_token(stage: Stage) -> None:
    """And the last record, with its counts."""
    stage.reply = Reply(pieces("One two  three"))

    *parts, last = stage.ask("/api/chat", messages=USER).records

    assert [part["message"]["content"] for part in parts] == ["One", " two", "  three"]
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert (last["prompt_eval_count"], last["eval_count"]) == (2, 3)
    assert stage.asked[0].model == "any:latest"
    assert stage.asked[0].text == "Hello there"


def test_generate_asks_the_same(stage: Stage) -> None:
    """The prompt is the last message; the system text is part of the conversation."""
    stage.reply = Reply(["fine"])

    answer = stage.ask("/api/generate", prompt="How are you?", system="Be brief.").records

    assert answer[0]["response"] == "fine"
    asked = stage.asked[0]
    assert (asked.text, asked.role, asked.think) == ("How are you?", "user", True)
    assert [one["role"] for one in asked.messages] == ["system", "user"]


def test_context_is_the_conversation_so_far(stage: Stage) -> None:
    """What generate gave comes before the next prompt."""
    stage.reply = Reply(["fine"])
    first = stage.ask("/api/generate", prompt="How are you?", stream=False).json

    stage.ask("/api/generate", prompt="And now?", context=first["context"])

    assert stage.asked[1].text == "And now?"
    assert stage.asked[1].messages[0]["content"] == "How are you?"


def test_a_raw_prompt_is_taken_as_it_is(stage: Stage) -> None:
    """No turn is looked for where none is marked."""
    stage.ask("/api/generate", prompt="Once upon", raw=True)

    assert stage.asked[0].text == "Once upon"


@pytest.mark.parametrize(
    ("think", "thought"), [(None, ["hm,", " so"]), (True, ["hm,", " so"]), (False, [])]
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_reasoning_is_given_where_wanted(
    stage: Stage, path: str, think: bool | None, thought: list[str]
) -> None:
    """`think: false` leaves it out, on both routes."""
    stage.reply = Reply(["yes"], thinking=["hm,", " so"])

    records = stage.ask(path, messages=USER, prompt="Hello", think=think).records

    told = [one.get("message", one).get("thinking") for one in records]
    assert [text for text in told if text] == thought


def test_tools_are_offered_called_and_answered(stage: Stage) -> None:
    """The script sees what is on offer, and whose result came."""
    stage.reply = Reply(tool_calls=[ToolCall("call_1", 0, "add", {"a": 1})])
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}

    last = stage.ask("/api/chat", messages=USER, tools=[tool]).records[-1]

    calls = last["message"]["tool_calls"]
    assert calls == [
        {"id": "call_1", "function": {"index": 0, "name": "add", "arguments": {"a": 1}}}
    ]
    assert stage.asked[0].tools == ("add",)
    asking = {"role": "assistant", "content": "", "tool_calls": calls}
    for result in ({"tool_name": "add"}, {"tool_call_id": "call_1"}, {}):
        stage.ask("/api/chat", messages=[*USER, asking, {"role": "tool", "content": "2", **result}])
        assert (stage.asked[-1].result_of, stage.asked[-1].text) == ("add", "2")


def test_a_limit_cuts_the_answer(stage: Stage) -> None:
    """`num_predict` counts tokens, and the reason says so."""
    stage.reply = Reply(["a", "b", "c"])

    answer = stage.ask("/api/chat", messages=USER, stream=False, options={"num_predict": 2}).json

    assert (answer["message"]["content"], answer["done_reason"]) == ("ab", "length")


def test_logprobs_are_certain(stage: Stage) -> None:
    """One entry a token; the token is its only alternative."""
    stage.reply = Reply(["a"])

    answer = stage.ask("/api/chat", messages=USER, stream=False, logprobs=True, top_logprobs=3)

    entry = {"token": "a", "logprob": 0.0, "bytes": [97]}
    assert answer.json["logprobs"] == [{**entry, "top_logprobs": [entry]}]


def test_an_error_comes_before_or_inside_the_answer(stage: Stage) -> None:
    """Before the first token it has its status; after it, it is the last line."""
    stage.reply = Reply(error=EngineError(500, "no memory"))
    before = stage.ask("/api/chat", messages=USER)
    stage.reply = Reply(["so"], error=EngineError(500, "no memory"))
    inside = stage.ask("/api/chat", messages=USER)

    assert (before.status, before.json) == (500, {"error": "no memory"})
    assert inside.status == 200
    assert inside.records[-1] == {
        "error": "an error was encountered while running the model: no memory"
    }


def test_tokens_come_in_their_time(stage: Stage) -> None:
    """One delay before the first, one before each further."""
    stage.reply = Reply(["a", "b", "c"], delay_s=0.05, token_s=0.02)

    last = stage.ask("/api/chat", messages=USER).records[-1]

    assert last["total_duration"] >= 0.09e9
    assert last["prompt_eval_duration"] == 0.05e9
    assert last["eval_duration"] >= 0.04e9


def test_nobody_waits_for_an_answer_nobody_wants(stage: Stage) -> None:
    """The server closes at once in the middle of a long silence."""

    stage.reply = Reply(["a"], delay_s=30)
    asking = threading.Thread(target=stage.ask, args=("/api/chat",), kwargs={"messages": USER})
    asking.start()
    while not stage.asked:
        time.sleep(0.001)

    started_s = time.monotonic()
    stage.server.close()
    asking.join()

    assert time.monotonic() - started_s < 25  # of the 30 that the answer would take


def test_vectors_are_the_same_every_time(stage: Stage) -> None:
    """Unit length, chosen size, a fixed value, and cut on request like any other."""
    first, again, other = stage.ask("/api/embed", input=["a b", "a b", "b a"]).json["embeddings"]
    cut = stage.ask("/api/embed", input="a b", dimensions=4).json["embeddings"][0]

    assert first == again != other
    assert len(first) == 8
    assert len(cut) == 4
    assert math.isclose(math.hypot(*first), 1.0, rel_tol=1e-6)
    assert vector_of("a b", 2) == pytest.approx(FIXED)


FIXED = [0.9505693016930955, 0.3105124839337396]


def test_texts_that_share_words_are_closer() -> None:
    """So a search among such vectors finds what a reader expects."""

    def likeness(one: str, other: str) -> float:
        pairs = zip(vector_of(one, 64), vector_of(other, 64), strict=True)
        return sum(a * b for a, b in pairs)

    question = "What do llamas eat?"
    assert likeness(question, "llamas eat grass") > likeness(question, "the price of copper")


def test_models_are_listed_shown_and_found(stage: Stage) -> None:
    """Every name exists once somebody uses it."""
    stage.ask("/api/chat", messages=USER)

    listed = ask_server(stage.server, "GET", "/api/tags").json["models"]
    shown = stage.ask("/api/show").json

    assert [one["name"] for one in listed] == ["any:latest"]
    assert shown["details"]["family"] == "scripted"
    assert shown["capabilities"] == ["completion", "tools", "thinking", "embedding"]


def test_named_models_are_the_only_ones(tmp_path: Path) -> None:
    """With the abilities they were given; case does not matter but where it is asked to."""
    models = ScriptedModels(tmp_path, {parse_name("small"): ["completion"]}, 8)

    found = models.find(parse_name("Small"))

    assert found is not None
    assert found.capabilities == ("completion",)
    assert models.find(parse_name("Small"), exact_case=True) is None
    assert models.find(parse_name("large")) is None


def test_a_model_that_embeds_too_still_answers_several_at_once(stage: Stage) -> None:
    """Only models for nothing but vectors have a single slot."""
    everybody = threading.Barrier(4)
    stage.play = lambda question: Reply([str(everybody.wait(60))])  # type: ignore[method-assign]  # a script of its own
    threads = [
        threading.Thread(target=stage.ask, args=("/api/chat",), kwargs={"messages": USER})
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not everybody.broken
