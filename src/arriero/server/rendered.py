"""Chats and prompts of models with a Go template: this server renders, the engine completes.

Source: Ollama v0.33.0-rc2, server/prompt.go chatPrompt, server/routes.go ChatHandler.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .answer_parsing import ThinkingSplitter, ToolFinder, parsed
from .completion import NO_IMAGES, Completion
from .engines.engine import Delta, Finish, Sampling
from .exchange import Refused
from .gotemplate import Template, TemplateError, ToolCall, Turn, prompt_from, thinking_tags
from .inference import sampling_of
from .options import Options
from .requests import ChatRequest, Message
from .scheduler import Lease


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """Messages as Go templates take them."""
    return [
        Turn(
            role=message.role,
            content=message.content,
            thinking=message.thinking,
            tool_calls=[
                ToolCall(call["name"], call["arguments"], call["id"]) for call in message.tool_calls
            ],
            tool_name=message.tool_name,
            tool_call_id=message.tool_call_id,
        )
        for message in messages
    ]


def rendered(
    template: Template,
    turns: Sequence[Turn],
    tools: Sequence[Mapping[str, Any]],
    wish: bool | str | None,
) -> str:
    """Render a prompt; a template that fails is a 500, as from Ollama. Raises `Refused`."""
    try:
        return prompt_from(template, turns, tools, think=wish)
    except TemplateError as error:
        raise Refused(500, str(error)) from error


def splitter_for(
    template: Template, prompt: str, wish: bool | str | None
) -> ThinkingSplitter | None:
    """Make what takes reasoning out of the answer; None if none is wanted or can be told."""
    tags = thinking_tags(template)
    return ThinkingSplitter(tags, prompt) if wish and all(tags) else None


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """One chat with a model that has a Go template.

    Attributes:
        request: The request.
        messages: Its messages after those of the model.
        template: The template.
        wish: Whether to reason, or how much.
        lease: The loaded model; its slot is held.
        options: Its options.
    """

    request: ChatRequest
    messages: Sequence[Message]
    template: Template
    wish: bool | str | None
    lease: Lease
    options: Options

    async def prompt(self) -> str:
        """Render the prompt, leaving out the oldest messages if it is too long otherwise.

        Raises:
            Refused: the template fails, or there are images.
        """
        if any(message.images for message in self.messages):
            raise Refused(400, NO_IMAGES)
        droppable = [at for at, one in enumerate(self.messages[:-1]) if one.role != "system"]
        text = self._without(droppable[:0])
        if not self.request.truncate or await self._fits(text):
            return text
        fewest, most = 1, len(droppable)
        while fewest < most:
            middle = (fewest + most) // 2
            if await self._fits(self._without(droppable[:middle])):
                most = middle
            else:
                fewest = middle + 1
        return self._without(droppable[:most])

    def _without(self, dropped: Sequence[int]) -> str:
        left = [one for at, one in enumerate(self.messages) if at not in set(dropped)]
        return rendered(self.template, turns_of(left), self.request.tools, self.wish)

    async def _fits(self, text: str) -> bool:
        longest = self.lease.plan.context_length
        # A token is at least one byte: most prompts need no counting.
        if len(text.encode()) <= longest:
            return True
        tokens = await self.lease.run(partial(self.lease.engine.tokenize, text))
        return len(tokens) <= longest

    async def steps(self, prompt: str, done: list[Finish]) -> AsyncGenerator[Delta]:
        """Generate the answer. Raises `EngineError`."""
        sampling = sampling_of(self.request, self.options, self.lease.plan, least_tokens=None)
        thinking = splitter_for(self.template, prompt, self.wish)
        tools = ToolFinder(self.template, self.request.tools) if self.request.tools else None
        if thinking is not None and sampling.format is not None:
            written: list[str] = []
            free = self._completion(prompt, replace(sampling, format=None))
            steps = parsed(free.steps(done, written), thinking, None)
            async with aclosing(steps):
                async for delta in steps:
                    if delta.thinking:
                        yield replace(delta, text="")
                    if thinking.is_over and delta.text:
                        break
            if not thinking.is_over:
                return
            # A grammar can only rule from the start: the answer begins anew after the thoughts.
            done.clear()
            prompt += _thoughts(self.template, "".join(written))
            thinking = None
        completion = self._completion(prompt, sampling)
        steps = parsed(completion.steps(done, []), thinking, tools)
        async with aclosing(steps):
            async for delta in steps:
                yield delta

    def _completion(self, prompt: str, sampling: Sampling) -> Completion:
        request = self.request
        return Completion(self.lease, prompt, sampling, request.truncate, request.shift)


def _thoughts(template: Template, written: str) -> str:
    """What was written up to the end of the reasoning, with the break that follows."""
    closing = thinking_tags(template)[1]
    before, found, _ = written.partition(closing)
    return f"{before}{found}\n\n" if found else ""
