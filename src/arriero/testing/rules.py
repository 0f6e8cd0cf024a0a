"""What a scripted server answers to what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Self, TypeAlias

from arriero.errors import RequestError
from arriero.server.engines.engine import EngineError, ToolCall
from arriero.server.engines.script import Question, Reply, pieces

from .matching import Match

Text: TypeAlias = str | Sequence[str] | Callable[[Question], str]
"""A text, its tokens one by one, or a function that makes one from the question."""

Calls: TypeAlias = Sequence[tuple[str, Mapping[str, Any]]]
"""Names of functions and their arguments."""

_Answer: TypeAlias = Callable[[Question], Reply]


class Rule:
    """Answers to the questions that match; made by `ScriptedServer.on`.

    Answers are given in the order they were added, and the last one from then on.
    """

    def __init__(self, match: Match, delay_s: float, token_s: float) -> None:
        self.match = match
        self._delay_s = delay_s
        self._token_s = token_s
        self._lock = threading.Lock()
        self._answers: list[_Answer] = []
        self._used = 0

    @property
    def used(self) -> int:
        """How often it has answered."""
        return self._used

    def reply(
        self,
        text: Text = "",
        *,
        tool_calls: Calls = (),
        thinking: str | Sequence[str] = "",
        delay_s: float | None = None,
        token_s: float | None = None,
        done_reason: str = "stop",
    ) -> Self:
        """Answer.

        Args:
            text: What is said, see `Text`. A text goes out word by word.
            tool_calls: Calls the model makes, sent with the last record.
            thinking: Reasoning before the answer; left out where a request wants none.
            delay_s: Seconds before the first token; None takes the server's.
            token_s: Seconds before every further one; None takes the server's.
            done_reason: Why it ends: ``stop`` or ``length``.

        Raises:
            RequestError: a duration is negative.
        """
        fixed = Reply(
            thinking=_tokens(thinking),
            tool_calls=[
                ToolCall("", index, name, dict(arguments))
                for index, (name, arguments) in enumerate(tool_calls)
            ],
            delay_s=_duration("delay_s", self._delay_s if delay_s is None else delay_s),
            token_s=_duration("token_s", self._token_s if token_s is None else token_s),
            reason=done_reason,
        )
        if callable(text):
            return self._add(lambda question: replace(fixed, tokens=pieces(text(question))))
        reply = replace(fixed, tokens=_tokens(text))
        return self._add(lambda question: reply)

    def error(
        self,
        text: str,
        *,
        status: int = 500,
        after: str | Sequence[str] = "",
        delay_s: float | None = None,
        token_s: float | None = None,
    ) -> Self:
        """Answer with an error.

        Args:
            text: What it says.
            status: HTTP status, if nothing is said before it.
            after: What is said before it; the error is then the last line of the stream, in
                the words Ollama has for a model that breaks while it runs.
            delay_s: See `reply`.
            token_s: See `reply`.

        Raises:
            RequestError: a duration is negative.
        """
        reply = Reply(
            tokens=_tokens(after),
            delay_s=_duration("delay_s", self._delay_s if delay_s is None else delay_s),
            token_s=_duration("token_s", self._token_s if token_s is None else token_s),
            error=EngineError(status, text),
        )
        return self._add(lambda question: reply)

    def answer(self, question: Question, ids: Callable[[], str]) -> Reply:
        """Give the next answer; `ids` names its tool calls."""
        with self._lock:
            if not self._answers:
                raise EngineError(500, f"the rule on({self.match}) has no reply yet")
            made = self._answers[min(self._used, len(self._answers) - 1)]
            self._used += 1
        reply = made(question)
        calls = [replace(call, id=ids()) for call in reply.tool_calls]
        return replace(reply, tool_calls=calls)

    def _add(self, answer: _Answer) -> Self:
        with self._lock:
            self._answers.append(answer)
        return self


class Rules:
    """All rules of a server; the newest that matches answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._unanswered: list[Question] = []
        self._calls = count(1)

    def add(self, rule: Rule) -> None:
        """Put a rule before all others."""
        with self._lock:
            self._rules.insert(0, rule)

    def clear(self) -> None:
        """Forget every rule, and what went unanswered."""
        with self._lock:
            self._rules.clear()
            self._unanswered.clear()

    @property
    def unanswered(self) -> Sequence[Question]:
        """The questions no rule was for."""
        with self._lock:
            return tuple(self._unanswered)

    def __call__(self, question: Question) -> Reply:
        """Answer. Raises `EngineError` if no rule is for the question."""
        with self._lock:
            rule = next((one for one in self._rules if one.match.fits(question)), None)
            if rule is None:
                self._unanswered.append(question)
        if rule is None:
            raise EngineError(500, f"the scripted server has no rule for {_told(question)}")
        return rule.answer(question, self._id)

    def _id(self) -> str:
        return f"call_{next(self._calls):08d}"


def _told(question: Question) -> str:
    tools = f" tools={list(question.tools)}" if question.tools else ""
    result = f" result_of={question.result_of!r}" if question.result_of else ""
    return f"model={question.model!r} says={question.text[:200]!r}{tools}{result}"


def _tokens(text: str | Sequence[str]) -> Sequence[str]:
    return pieces(text) if isinstance(text, str) else tuple(text)


def _duration(name: str, seconds: float) -> float:
    if seconds < 0:
        raise RequestError(f"{name} must be 0 or more seconds, not {seconds}")
    return seconds
