"""The sections of the demo: each shows its code, runs it, shows and checks what came."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arriero.cli.demo import examples
from arriero.cli.demo.herd import Telling

if TYPE_CHECKING:
    from arriero import Client, Message
    from arriero.cli.demo.stage import Stage

_NAMES = ("Luna", "Inti", "Paco", "Rosa", "Tito", "Nina", "Coco", "Mateo", "Alba", "Simon")
_ROUNDS = 6


class DemoFailed(Exception):  # internal: shown by the command, never raised to a user
    """A section did not do what it says it does."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One section of the demo."""

    title: str
    play: Callable[[Stage, Client], None]


def stream(stage: Stage, client: Client) -> None:
    """Stream an answer and time it."""
    stage.code(examples.stream_a_chat)
    client.load("mini")
    question = "Tell me a story about a llama called Bruno."
    stage.said("user", question)
    stage.speaker("mini")
    arrivals_s: list[float] = []

    def show(text: str | None) -> None:
        arrivals_s.append(time.perf_counter())
        stage.piece(text or "")

    started_s = time.perf_counter()
    response = examples.stream_a_chat(client, question, show)
    stage.end_of_message()
    check(response is not None and len(response.message.content or "") > 100, "a short story")
    assert response is not None
    first_ms = (arrivals_s[0] - started_s) * 1e3
    took_s = arrivals_s[-1] - started_s
    tokens = response.eval_count or 0
    stage.note(
        f"\nFirst token after {first_ms:.0f} ms; {tokens} tokens in {took_s * 1e3:.0f} ms,"
        f" {tokens / took_s:,.0f} a second: a model this small writes faster than you read."
    )


def think(stage: Stage, client: Client) -> None:
    """Show reasoning apart from the answer."""
    stage.code(examples.think_first)
    client.load("mini-think")
    question = "What is 7 + 5?"
    stage.said("user", question)
    said: dict[str, str] = {"thinking": "", "answer": ""}

    def show(who: str, text: str | None) -> None:
        if not text:
            return
        if not said[who]:
            if who == "answer" and said["thinking"]:
                stage.end_of_message(dim=True)
            stage.speaker(who)
        said[who] += text
        stage.piece(text.replace("\n", ""), dim=who == "thinking")

    examples.think_first(
        client, question, lambda text: show("answer", text), lambda text: show("thinking", text)
    )
    stage.end_of_message()
    check(bool(said["thinking"]), "no thinking")
    check("12" in said["answer"], "another answer than 12")


def tool(stage: Stage, client: Client) -> None:
    """Have the model call a Python function."""
    stage.code(examples.get_current_weather, examples.add_two_numbers, examples.answer_with_tools)
    question = "What is 4821 plus 377?"
    stage.said("user", question)
    conversation = examples.answer_with_tools(client, question)
    check(len(conversation) == 4, "no call")
    asking: Message = conversation[1]
    result: Message = conversation[2]
    answer: Message = conversation[3]
    called = [call.function for call in asking.tool_calls or ()]
    for function in called:
        stage.said("calls", f"{function.name}({_arguments(function.arguments)})")
    stage.said("result", str(result.content))
    stage.said("mini", str(answer.content))
    check([call.name for call in called] == ["add_two_numbers"], "another call")
    check(str(4821 + 377) in str(answer.content), "another answer than the tool's")


def structured(stage: Stage, client: Client) -> None:
    """Get an object instead of text."""
    stage.code(examples.Llama, examples.Herd, examples.read_herd)
    text = (
        "I have two llamas. The first is Luna who is 4 years old."
        " The second is Inti who is 7 years old. Respond in JSON."
    )
    stage.said("user", text)
    herd = examples.read_herd(client, text)
    stage.said("object", repr(herd))
    expected = examples.Herd([examples.Llama("Luna", 4), examples.Llama("Inti", 7)])
    check(herd == expected, "another object")


def embeddings(stage: Stage, client: Client) -> None:
    """Compare texts by their vectors."""
    stage.code(examples.compare)
    client.load("mini-embed")
    texts = (
        "What do llamas eat?", "What does a llama eat?",
        "Tell me a story.", "Tell me a short story.",
        "Thanks", "Thank you!",
    )  # fmt: skip
    likeness = examples.compare(client, texts)
    letters = "ABCDEF"
    stage.table(
        ("", *letters),
        [
            (f"{letter}  {text}", *(f"{value:.2f}" for value in row))
            for letter, text, row in zip(letters, texts, likeness, strict=True)
        ],
    )
    for index, row in enumerate(likeness):
        others = {other: value for other, value in enumerate(row) if other != index}
        check(max(others, key=lambda each: others[each]) == index ^ 1, "another nearest text")
    stage.note("\nEach text is nearest to the one that says the same in other words.")


def many(stage: Stage, client: Client) -> None:
    """Read ten streams at once."""
    stage.code(examples.stream_at_once)
    telling = Telling(_NAMES)
    started_s = time.perf_counter()
    with telling.shown_on(stage.console):
        for _ in range(_ROUNDS):
            texts = [f"Tell me a story about a llama called {name}." for name in _NAMES]
            asyncio.run(examples.stream_at_once(client.host, texts, telling.hear))
    took_s = time.perf_counter() - started_s
    check(telling.ended == len(_NAMES) * _ROUNDS, "a stream that did not end")
    stage.note(
        f"\n{_ROUNDS} rounds of ten streams: {telling.tokens:,} tokens in {took_s:.1f} s,"
        f" {telling.tokens / took_s:,.0f} a second together."
    )


def check(holds: bool, instead: str) -> None:
    """Fail the scene if something does not hold.

    Raises:
        DemoFailed: it does not; `instead` is what came.
    """
    if not holds:
        raise DemoFailed(f"the model gave {instead}")


def _arguments(arguments: dict[str, object]) -> str:
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())


SCENES = (
    Scene("A streamed chat", stream),
    Scene("Thinking, then the answer", think),
    Scene("A Python function called by the model", tool),
    Scene("A structured answer, as a Python object", structured),
    Scene("Embeddings", embeddings),
    Scene("Ten streams at once, async", many),
)
