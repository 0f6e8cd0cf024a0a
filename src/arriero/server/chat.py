"""``POST /api/chat``.

Source: Ollama v0.33.0-rc2, server/routes.go ChatHandler. Here is the path for templates inside
GGUF files; the one for Go templates is in `rendered`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from . import gojson
from .bodies import RequestRefused
from .catalogue import Model
from .engines.engine import Conversation, Delta, EngineError, Finish
from .exchange import Exchange, Refused
from .gotemplate import Template
from .inference import (
    OVERFLOW,
    Answer,
    House,
    check_renderer,
    check_top_logprobs,
    deltas,
    find_model,
    open_lease,
    resolve_think,
    sampling_of,
    think_wish,
    typed_options,
)
from .options import Options
from .rendered import RenderedChat
from .requests import ChatRequest, Message, read_chat
from .scheduler import Lease
from .wire import Clock, Part, chat_record


async def chat(house: House, exchange: Exchange) -> None:
    """Answer a conversation, load a model, or unload one. Raises `Refused`."""
    clock = Clock()
    try:
        request = read_chat(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    check_top_logprobs(request)
    if not request.model:
        raise Refused(400, "model is required")
    model = await find_model(house, request.model)
    if not request.messages and request.keep_alive_s == 0:
        house.scheduler.expire(model)
        await exchange.reply(chat_record(request.model, Part(), done_reason="unload"))
        return
    think, effort = resolve_think(request, model)
    _check_capabilities(request, model)
    options = typed_options(request.options, model)
    if request.messages:
        check_renderer(model)
    lease = await open_lease(house, model, request, options, clock)
    try:
        if not request.messages:
            await exchange.reply(chat_record(request.model, Part(), done_reason="load"))
            return
        await lease.enter()
        messages = with_recipe(request, model)
        pictures = any(message.images for message in messages)
        if model.go_template is not None and not (pictures and model.sees):
            wish = think_wish(request, think=think, effort=effort)
            await _rendered(
                exchange, request, messages, model.go_template, wish, lease, options, clock
            )
            return
        conversation = Conversation(
            [template_message(message) for message in messages], request.tools, think, effort
        )
        if request.render_only:
            await _render(exchange, request, lease, conversation)
        else:
            done: list[Finish] = []
            steps = _steps(request, lease, conversation, options, done)
            await _answer(request, steps, done, clock).send(exchange, stream=request.stream)
    finally:
        lease.release()


def with_recipe(request: ChatRequest, model: Model) -> list[Message]:
    """Put the model's own first messages and system text before those of the request."""
    own = [Message(one["role"], one["content"]) for one in model.recipe.messages]
    if model.recipe.system and request.messages[0].role != "system":
        own.insert(0, Message("system", model.recipe.system))
    return [*own, *request.messages]


def _check_capabilities(request: ChatRequest, model: Model) -> None:
    if "completion" not in model.capabilities:
        raise Refused(400, f'"{request.model}" does not support chat')
    if request.tools and "tools" not in model.capabilities:
        raise Refused(400, f"{model.name.full} does not support tools")


async def _render(
    exchange: Exchange, request: ChatRequest, lease: Lease, conversation: Conversation
) -> None:
    try:
        text = await lease.run(partial(lease.engine.render, conversation))
    except EngineError as error:
        raise Refused(error.status, error.text) from error
    await _show_prompt(exchange, request, text)


async def _show_prompt(exchange: Exchange, request: ChatRequest, text: str) -> None:
    record = chat_record(request.model, Part(), role="")
    await exchange.reply(record | {"_debug_info": {"rendered_template": text}})


async def _rendered(
    exchange: Exchange,
    request: ChatRequest,
    messages: Sequence[Message],
    template: Template,
    wish: bool | str | None,
    lease: Lease,
    options: Options,
    clock: Clock,
) -> None:
    chat = RenderedChat(request, messages, template, wish, lease, options)
    try:
        prompt = await chat.prompt()
    except EngineError as error:
        raise Refused(error.status, error.text) from error
    if request.render_only:
        await _show_prompt(exchange, request, prompt)
        return
    done: list[Finish] = []
    answer = _answer(request, chat.steps(prompt, done), done, clock)
    await answer.send(exchange, stream=request.stream)


def _answer(
    request: ChatRequest, steps: AsyncGenerator[Delta], done: list[Finish], clock: Clock
) -> Answer:
    async def last_of(part: Part, finish: Finish) -> Mapping[str, Any]:
        metrics = clock.metrics(finish)
        return chat_record(request.model, part, done_reason=finish.reason, **metrics)

    return Answer(steps, done, partial(chat_record, request.model), last_of)


async def _steps(
    request: ChatRequest,
    lease: Lease,
    conversation: Conversation,
    options: Options,
    done: list[Finish],
) -> AsyncGenerator[Delta]:
    """Generate; while the prompt is too long and may be cut, drop its oldest messages."""
    sampling = sampling_of(request, options, lease.plan, least_tokens=1)
    while True:
        generate = partial(lease.engine.chat, conversation, sampling)
        try:
            async with aclosing(deltas(lease, generate, done)) as steps:
                async for delta in steps:
                    yield delta
            return
        except EngineError as error:
            shorter = without_oldest(conversation.messages, error) if request.truncate else None
            if shorter is None:
                raise
            conversation = replace(conversation, messages=shorter)


def without_oldest(
    messages: Sequence[Mapping[str, Any]], error: EngineError
) -> list[Mapping[str, Any]] | None:
    """Leave out the oldest messages that are neither from the system nor the last.

    How many follows from what the engine said; at least one. One too many never goes: only
    what half of the excess surely needs is dropped at once, the rest by asking again.

    Returns:
        What is left, or None if nothing can be dropped or the prompt was not too long.
    """
    droppable = [at for at, one in enumerate(messages[:-1]) if one["role"] != "system"]
    if error.kind != OVERFLOW or not droppable:
        return None
    sizes = [len(gojson.encode(one)) for one in messages]
    spare = error.excess * sum(sizes) / 2
    dropped = {droppable[0]}
    spare -= sizes[droppable[0]]
    for at in droppable[1:]:
        if sizes[at] > spare:
            break
        dropped.add(at)
        spare -= sizes[at]
    return [one for at, one in enumerate(messages) if at not in dropped]


def template_message(message: Message) -> dict[str, Any]:
    """A message as chat templates take it."""
    result: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        data = [f"data:image/png;base64,{image}" for image in message.images]
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in data]
        result["content"] = [{"type": "text", "text": message.content}, *pictures]
    if message.tool_calls:
        result["tool_calls"] = [_template_call(call) for call in message.tool_calls]
    if message.tool_name:
        result["name"] = message.tool_name
    if message.tool_call_id:
        result["tool_call_id"] = message.tool_call_id
    return result


def _template_call(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = gojson.encode(call["arguments"]).decode()
    function = {"name": call["name"], "arguments": arguments}
    return {"id": call["id"], "type": "function", "function": function}
