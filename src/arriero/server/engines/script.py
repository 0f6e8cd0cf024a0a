"""An engine that plays back a script: no weights, no tokenizer, the same answer every time.

The `Script` decides what is said; this gives it out token by token, in its own time. A token
is a word with the spaces before it, and so is one step of a stream.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, cast

from ..catalogue import Model
from .engine import (
    Conversation,
    Delta,
    Emit,
    Engine,
    EngineError,
    Finish,
    LoadPlan,
    Sampling,
    ToolCall,
)

_PIECE = re.compile(r"\s*\S+|\s+\Z")
_TURN = re.compile(r"<\|(system|user|assistant|tool)\|>")
_REASONS = "<think>"
"""At the end of a rendered prompt whose answer may reason, as in templates of real models."""

_LOOK_S = 0.01
"""How often a waiting answer asks whether anybody still wants it."""

_SIZE_BYTES = 1_000_000
_SAME_WORDS = 0.05
"""Weight of the whole text in its vector, so that the order of words makes a difference."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a script is asked.

    Attributes:
        model: Shortest name of the model, with its tag.
        text: Content of the last message, or the prompt.
        role: Role of the last message; ``user`` for a prompt.
        tools: Names of the tools on offer.
        result_of: Name of the tool whose result the last message is, or "".
        think: Whether reasoning is wanted.
        messages: The whole conversation: `role` and `content` at least.
    """

    model: str
    text: str = ""
    role: str = "user"
    tools: tuple[str, ...] = ()
    result_of: str = ""
    think: bool = False
    messages: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a script answers.

    Attributes:
        tokens: The visible answer, one item per step of a stream.
        thinking: The reasoning before it, likewise; left out where none is wanted.
        tool_calls: Calls, sent with the last record.
        delay_s: Silence before the first token.
        token_s: Silence before every further one.
        reason: Why it ends: ``stop`` or ``length``.
        error: Raised once the tokens are out; before the first record it is a status of its
            own, after it an error line.
    """

    tokens: Sequence[str] = ()
    thinking: Sequence[str] = ()
    tool_calls: Sequence[ToolCall] = ()
    delay_s: float = 0.0
    token_s: float = 0.0
    reason: str = "stop"
    error: EngineError | None = None


class Script(Protocol):
    """Decides what is said. Called from several threads at once."""

    def __call__(self, question: Question) -> Reply:
        """Answer. Raises `EngineError` to refuse."""
        ...


class Vocabulary:
    """Numbers for words, in order of appearance. Several threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []

    def numbers(self, words: Iterable[str]) -> list[int]:
        """Give each word its number, the same every time."""
        with self._lock:
            return [self._number(word) for word in words]

    def words(self, numbers: Iterable[int]) -> list[str]:
        """Give the words of numbers; unknown ones are left out."""
        with self._lock:
            return [self._words[number] for number in numbers if 0 <= number < len(self._words)]

    def _number(self, word: str) -> int:
        number = self._numbers.setdefault(word, len(self._words))
        if number == len(self._words):
            self._words.append(word)
        return number


class ScriptEngine:
    """A model that says what a script says. See `Engine`.

    Args:
        model: Shortest name of the model.
        script: What it says.
        vocabulary: Shared, so that tokens survive a reload.
        dimensions: Length of its vectors.
    """

    is_broken = False
    size_bytes = _SIZE_BYTES
    vram_bytes = 0

    def __init__(self, model: str, script: Script, vocabulary: Vocabulary, dimensions: int) -> None:
        self._model = model
        self._script = script
        self._vocabulary = vocabulary
        self._dimensions = dimensions

    def chat(self, conversation: Conversation, sampling: Sampling, emit: Emit) -> Finish:
        """Say what the script says to the last message."""
        return self._say(conversation_question(self._model, conversation), sampling, emit)

    def complete(self, prompt: str | Sequence[int], sampling: Sampling, emit: Emit) -> Finish:
        """Say what the script says to the last turn of the prompt."""
        text = prompt if isinstance(prompt, str) else self.detokenize(prompt)
        return self._say(_prompt_question(self._model, text), sampling, emit)

    def render(self, conversation: Conversation) -> str:
        """Put the conversation down turn by turn, each after its role."""
        turns = [f"<|{one['role']}|>{text_of(one)}" for one in conversation.messages]
        return "".join((*turns, "<|assistant|>", _REASONS if conversation.think else ""))

    def tokenize(self, text: str) -> list[int]:
        """Number the words."""
        return self._vocabulary.numbers(pieces(text))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Put words together again."""
        return "".join(self._vocabulary.words(tokens))

    def embed(self, texts: Sequence[str | Sequence[int]]) -> tuple[list[list[float]], int]:
        """Give the vectors of `vector_of`."""
        plain = [text if isinstance(text, str) else self.detokenize(text) for text in texts]
        vectors = [vector_of(text, self._dimensions) for text in plain]
        return vectors, sum(len(pieces(text)) for text in plain)

    def close(self) -> None:
        """Nothing to give back."""

    def _say(self, question: Question, sampling: Sampling, emit: Emit) -> Finish:
        reply = self._script(question)
        thinking = reply.thinking if question.think else ()
        words = [text for message in question.messages for text in pieces(text_of(message))]
        tokens = [(True, text) for text in thinking] + [(False, text) for text in reply.tokens]
        kept = tokens if sampling.max_tokens is None else tokens[: sampling.max_tokens]
        delay_ns = round(reply.delay_s * 1e9)
        started_ns = time.perf_counter_ns()
        said, stopped = _give_out(reply, kept, sampling, emit)
        if reply.error is not None and not stopped and len(kept) == len(tokens):
            raise reply.error
        return Finish(
            reason="length" if len(kept) < len(tokens) else reply.reason,
            prompt_tokens=len(words),
            prompt_ns=delay_ns,
            output_tokens=said,
            output_ns=max(0, time.perf_counter_ns() - started_ns - delay_ns),
            tool_calls=reply.tool_calls if len(kept) == len(tokens) else (),
        )


def script_loader(
    script: Script, *, dimensions: int = 64, load_s: float = 0.0
) -> Callable[[Model, LoadPlan], Engine]:
    """Make what a scheduler loads models with, so that every model plays a script.

    Args:
        script: What they say.
        dimensions: Length of their vectors.
        load_s: How long a load takes.
    """
    vocabulary = Vocabulary()

    def load(model: Model, plan: LoadPlan) -> Engine:
        time.sleep(load_s)
        return ScriptEngine(model.name.shortest, script, vocabulary, dimensions)

    return load


def conversation_question(model: str, conversation: Conversation) -> Question:
    """Say what a conversation asks."""
    messages = conversation.messages
    last: Mapping[str, Any] = messages[-1] if messages else {}
    offered = (_object(tool.get("function")).get("name") for tool in conversation.tools)
    return Question(
        model=model,
        text=text_of(last),
        role=str(last.get("role", "user")),
        tools=tuple(str(name) for name in offered if name),
        result_of=_result_of(messages),
        think=conversation.think,
        messages=messages,
    )


def text_of(message: Mapping[str, Any]) -> str:
    """Give the text of a message; pictures are left out."""
    content: Any = message.get("content") or ""
    if isinstance(content, str):
        return content
    parts = (_object(part).get("text") for part in _list(content))
    return "".join(str(text) for text in parts if text)


def pieces(text: str) -> list[str]:
    """Cut a text into tokens; put together they are the text."""
    return _PIECE.findall(text)


def vector_of(text: str, dimensions: int) -> list[float]:
    """Give a vector of length 1: the same text, the same vector, on every machine.

    Texts that share words lie closer together than texts that share none, so searching among
    such vectors finds what a reader expects.
    """
    sums = [_SAME_WORDS * value for value in _direction(f"text {text}", dimensions)]
    for word in re.findall(r"\w+", text.lower()):
        for at, value in enumerate(_direction(f"word {word}", dimensions)):
            sums[at] += value
    length = math.sqrt(math.fsum(value * value for value in sums))
    return [value / length for value in sums]


def _direction(text: str, dimensions: int) -> tuple[int, ...]:
    data = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    return struct.unpack(f"<{dimensions}h", data)


def _give_out(
    reply: Reply, tokens: Sequence[tuple[bool, str]], sampling: Sampling, emit: Emit
) -> tuple[int, bool]:
    """Give out tokens in time; tell how many, and whether nobody wanted the rest."""
    if _pause(reply.delay_s, emit):
        return 0, True
    for at, (is_thought, text) in enumerate(tokens):
        if at and _pause(reply.token_s, emit):
            return at, True
        logprobs = () if sampling.top_logprobs is None else (_logprob(text, sampling),)
        delta = Delta(thinking=text) if is_thought else Delta(text=text, logprobs=logprobs)
        if emit(delta):
            return at + 1, True
    return len(tokens), False


def _pause(seconds: float, emit: Emit) -> bool:
    """Wait; True if the answer is not wanted any more."""
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, _LOOK_S))
        if emit(Delta()):
            return True
    return False


def _logprob(text: str, sampling: Sampling) -> dict[str, Any]:
    entry: dict[str, Any] = {"token": text, "logprob": 0.0, "bytes": list(text.encode())}
    # A script leaves no choice: the token itself is the only alternative.
    return {**entry, "top_logprobs": [entry]} if sampling.top_logprobs else entry


def _prompt_question(model: str, prompt: str) -> Question:
    starts = [*_TURN.finditer(prompt)]
    if not starts:
        return Question(model, prompt, messages=[{"role": "user", "content": prompt}])
    ends = [*(later.start() for _, later in pairwise(starts)), len(prompt)]
    messages = [
        {"role": start[1], "content": prompt[start.end() : end]}
        for start, end in zip(starts, ends, strict=True)
    ]
    think = messages[-1]["content"] == _REASONS
    # The last turn is the one to be written.
    messages = messages[:-1]
    last = messages[-1] if messages else {"role": "user", "content": ""}
    return Question(model, last["content"], last["role"], think=think, messages=messages)


def _result_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """Name the tool whose result comes last: by its name, its call's id, or its place."""
    if not messages or messages[-1].get("role") != "tool":
        return ""
    last = messages[-1]
    if name := last.get("name") or last.get("tool_name"):
        return str(name)
    calls = [
        _object(call) for message in messages for call in _list(message.get("tool_calls") or [])
    ]
    wanted = last.get("tool_call_id")
    named = [call for call in calls if wanted and call.get("id") == wanted] or calls[-1:]
    return str(_object(named[0].get("function")).get("name", "")) if named else ""


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()
