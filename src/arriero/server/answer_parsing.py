"""Find reasoning and tool calls in the text of a model whose prompt this server rendered.

Source: Ollama v0.33.0-rc2, thinking/parser.go, tools/tools.go, tools/template.go.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from . import gojson
from .engines.engine import Delta, ToolCall
from .gotemplate import Template
from .gotemplate.nodes import Action, Branch, Command, Field, Nodes, Operand, Pipeline, Text

_ID_SIGNS = string.ascii_lowercase + string.digits
_ID_LENGTH = 8
_BARE = ("{", "[")
"""Tags of models that write calls as plain JSON."""


class ThinkingSplitter:
    """Cut the text of an answer into reasoning and the rest, as it comes.

    Args:
        tags: What the model puts around its reasoning.
        prompt: The prompt; if it ends with the opening tag, reasoning has begun.
    """

    def __init__(self, tags: tuple[str, str], prompt: str) -> None:
        self._opening, self._closing = tags
        self._waiting = ""
        self._at_start = not prompt.rstrip().endswith(self._opening)
        self._eating = not self._at_start
        self.is_over = False

    def add(self, text: str) -> tuple[str, str]:
        """Take some text; give the reasoning and the rest that are certain by now."""
        self._waiting += text
        if self._at_start and not self._opened():
            return "", self._rest() if self.is_over else ""
        if self._eating:
            self._waiting = self._waiting.lstrip()
            if not self._waiting:
                return "", ""
            self._eating = False
        if self.is_over:
            return "", self._rest()
        thought, found, after = self._waiting.partition(self._closing)
        if found:
            self.is_over = True
            self._waiting = after.lstrip()
            self._eating = not self._waiting
            return thought, self._rest()
        held = overlap(self._waiting, self._closing)
        cut = len(self._waiting) - held
        thought, self._waiting = self._waiting[:cut], self._waiting[cut:]
        return thought, ""

    def flush(self) -> tuple[str, str]:
        """Give what was held back, at the end."""
        rest = self._rest()
        return ("", rest) if self.is_over or self._at_start else (rest, "")

    def _opened(self) -> bool:
        """Whether reasoning has begun; decides that it has not when it cannot any more."""
        trimmed = self._waiting.lstrip()
        if trimmed.startswith(self._opening):
            self._at_start, self._eating = False, True
            self._waiting = trimmed[len(self._opening) :]
            return True
        if not self._opening.startswith(trimmed):
            self._at_start, self.is_over = False, True
        return False

    def _rest(self) -> str:
        rest, self._waiting = self._waiting, ""
        return rest


class ToolFinder:
    """Take the calls out of the text of an answer, as it comes.

    Args:
        template: The template; shows how the model writes calls.
        tools: The tools on offer.
    """

    def __init__(self, template: Template, tools: Sequence[Mapping[str, Any]]) -> None:
        self._tag = tool_tag(template)
        self._names = [str(tool.get("function", {}).get("name", "")) for tool in tools]
        self._waiting = ""
        self._calling = False
        self._over = False
        self._count = 0

    def add(self, text: str) -> tuple[list[ToolCall], str]:
        """Take some text; give the calls and the plain text that are certain by now."""
        if self._over:
            return [], text
        self._waiting += text
        content = ""
        if not self._calling:
            content = self._before_tag()
            if not self._calling:
                return [], content
        return list(self._calls()), content

    def flush(self) -> str:
        """Give what was held back, at the end: text that turned out to be no call."""
        rest, self._waiting = self._waiting, ""
        return "" if self._count else rest

    def _before_tag(self) -> str:
        at = self._waiting.find(self._tag)
        self._calling = at >= 0
        if at < 0:
            at = len(self._waiting) - overlap(self._waiting, self._tag)
        content, self._waiting = self._waiting[:at], self._waiting[at:]
        if self._tag in _BARE and content.strip():
            # JSON after some words is part of the answer.
            self._over, self._calling = True, False
            content, self._waiting = content + self._waiting, ""
        return content

    def _calls(self) -> Iterable[ToolCall]:
        at = 0
        while (start := self._waiting.find("{", at)) >= 0:
            try:
                value, end = _decoder.raw_decode(self._waiting, start)
            except ValueError:
                # Not whole yet, or no JSON at all: an inner object may still be some.
                if not _is_unfinished(self._waiting, start):
                    at = start + 1
                    continue
                return
            call = self._call(value, self._waiting[:start])
            if call is None:
                at = end
                continue
            self._waiting, at = self._waiting[end:], 0
            yield call

    def _call(self, value: Any, before: str) -> ToolCall | None:
        if not gojson.is_object(value):
            return None
        name, arguments = value.get("name"), value.get("arguments", value.get("parameters"))
        if name not in self._names or not gojson.is_object(arguments):
            # Some models write the name first and only the arguments as JSON.
            name = next((one for one in self._names if one and one in before), None)
            arguments = value
        if not isinstance(name, str):
            return None
        index, self._count = self._count, self._count + 1
        mark = "".join(secrets.choice(_ID_SIGNS) for _ in range(_ID_LENGTH))
        return ToolCall(f"call_{mark}", index, name, arguments)


_decoder = json.JSONDecoder()


def _is_unfinished(text: str, start: int) -> bool:
    """Whether an object could still become whole: its braces are open at the end."""
    depth, in_text, escaped = 0, False, False
    for sign in text[start:]:
        if escaped:
            escaped = False
        elif in_text:
            escaped = sign == "\\"
            in_text = sign != '"'
        elif sign == '"':
            in_text = True
        elif sign in "{}":
            depth += 1 if sign == "{" else -1
            if not depth:
                return False
    return True


def overlap(text: str, tag: str) -> int:
    """How much of the end of a text may be the beginning of a tag."""
    longest = min(len(text), len(tag) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(tag[:size])), 0)


async def parsed(
    steps: AsyncGenerator[Delta],
    thinking: ThinkingSplitter | None,
    tools: ToolFinder | None,
) -> AsyncGenerator[Delta]:
    """Sort what a generation says into text, reasoning and calls."""
    logprobs: list[Mapping[str, Any]] = []
    async with aclosing(steps):
        async for delta in steps:
            logprobs.extend(delta.logprobs)
            thoughts, text = ("", delta.text) if thinking is None else thinking.add(delta.text)
            calls, text = ([], text) if tools is None else tools.add(text)
            if thoughts or text or calls:
                yield Delta(text, thoughts, tuple(logprobs), tuple(calls))
                logprobs.clear()
    thoughts, text = ("", "") if thinking is None else thinking.flush()
    if tools is not None:
        calls, text = tools.add(text)
        text += tools.flush()
    if thoughts or text or logprobs:
        yield Delta(text, thoughts, tuple(logprobs))


def tool_tag(template: Template) -> str:
    """Give what a model writes before a call, as its template shows earlier calls."""
    body = _calls_body(template.tree.root)
    text = None if body is None else _first_text(body)
    tag = (text or "").partition("{")[0].strip()
    return tag or "{"


def _calls_body(nodes: Nodes) -> Nodes | None:
    for node in nodes.items:
        if not isinstance(node, Branch):
            continue
        if _mentions(node.pipeline, "ToolCalls"):
            return node.body
        for part in (node.body, node.otherwise):
            found = None if part is None else _calls_body(part)
            if found is not None:
                return found
    return None


def _first_text(nodes: Nodes) -> str | None:
    for node in nodes.items:
        if isinstance(node, Text) and node.text.strip():
            return node.text
        if isinstance(node, Action):
            # The call itself is printed before any text.
            return None
        if isinstance(node, Branch):
            found = _first_text(node.body)
            if found is not None:
                return found
    return None


def _mentions(pipeline: Pipeline, name: str) -> bool:
    return any(_names(command, name) for command in pipeline.commands)


def _names(command: Command, name: str) -> bool:
    return any(_is_named(arg, name) for arg in command.args)


def _is_named(operand: Operand, name: str) -> bool:
    if isinstance(operand, Pipeline):
        return _mentions(operand, name)
    return isinstance(operand, Field) and name in operand.names
