"""``POST /api/generate``.

The prompt is rendered, by the engine or with a Go template, then completed as it stands.

Source: Ollama v0.33.0-rc2, server/routes.go GenerateHandler.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .answer_parsing import ThinkingSplitter, parsed
from .bodies import RequestRefused
from .catalogue import Model
from .chat import template_message
from .completion import NO_IMAGES, Completion
from .engines.engine import Conversation, EngineError, Finish, Sampling
from .exchange import Exchange, Refused
from .gotemplate import Template, TemplateError, infill_prompt_from, parse
from .inference import (
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
from .rendered import rendered, splitter_for, turns_of
from .requests import GenerateRequest, Message, read_generate
from .scheduler import Lease
from .wire import Clock, Part, generate_record


async def generate(house: House, exchange: Exchange) -> None:
    """Complete a prompt, load a model, or unload one. Raises `Refused`."""
    clock = Clock()
    try:
        request = read_generate(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    check_top_logprobs(request)
    if not request.model:
        raise Refused(404, "model '' not found")
    model = await find_model(house, request.model)
    if not request.prompt and request.keep_alive_s == 0:
        house.scheduler.expire(model)
        await exchange.reply(generate_record(request.model, Part(), done_reason="unload"))
        return
    think, effort = _checked(request, model)
    options = typed_options(request.options, model)
    if request.prompt and not request.raw:
        check_renderer(model)
    lease = await open_lease(house, model, request, options, clock)
    try:
        if not request.prompt:
            await exchange.reply(generate_record(request.model, Part(), done_reason="load"))
            return
        try:
            sampling = sampling_of(request, options, lease.plan, least_tokens=None)
            await lease.enter()
            if request.images and model.sees and not request.raw:
                answer = _of_pictures(request, model, lease, sampling, think, clock)
                await answer.send(exchange, stream=request.stream)
                return
            template = None if request.raw else _template_of(request, model)
            wish = think_wish(request, think=think, effort=effort)
            prompt = await _prompt(request, model, lease, template, wish)
        except EngineError as error:
            raise Refused(error.status, error.text) from error
        if request.render_only:
            record = generate_record(request.model, Part())
            await exchange.reply(record | {"_debug_info": {"rendered_template": prompt}})
            return
        completion = Completion(lease, prompt, sampling, request.truncate, request.shift)
        thinking = None if template is None else splitter_for(template, prompt, wish)
        answer = _answer(request, completion, thinking, clock)
        await answer.send(exchange, stream=request.stream)
    finally:
        lease.release()


def _checked(request: GenerateRequest, model: Model) -> tuple[bool, str | None]:
    if request.raw and (request.template or request.system or request.context):
        raise Refused(400, "raw mode does not support template, system, or context")
    think = resolve_think(request, model)
    if "completion" not in model.capabilities:
        raise Refused(400, f'"{request.model}" does not support generate')
    if request.suffix and "insert" not in model.capabilities:
        raise Refused(400, f"{model.name.full} does not support insert")
    return think


async def _prompt(
    request: GenerateRequest,
    model: Model,
    lease: Lease,
    template: Template | None,
    wish: bool | str | None,
) -> str:
    if request.images:
        raise EngineError(400, NO_IMAGES)
    if request.raw:
        return request.prompt
    if template is not None and request.suffix:
        return _gap(template, request, wish)
    messages = _messages(request, model)
    if template is not None:
        text = rendered(template, turns_of(messages), (), wish)
    else:
        plain = [{"role": one.role, "content": one.content} for one in messages]
        effort = wish if isinstance(wish, str) else None
        conversation = Conversation(plain, (), bool(wish), effort)
        text = await lease.run(partial(lease.engine.render, conversation))
    if request.context:
        text = await lease.run(partial(lease.engine.detokenize, request.context)) + text
    return text


def _messages(request: GenerateRequest, model: Model) -> list[Message]:
    """The prompt after what the model has of its own."""
    messages: list[Message] = []
    if system := request.system or model.recipe.system:
        messages.append(Message("system", system))
    if not request.context:
        messages.extend(Message(one["role"], one["content"]) for one in model.recipe.messages)
    return [*messages, Message("user", request.prompt, images=request.images)]


def _of_pictures(
    request: GenerateRequest,
    model: Model,
    lease: Lease,
    sampling: Sampling,
    think: bool,
    clock: Clock,
) -> Answer:
    """The answer to a prompt with pictures, which llama.cpp takes as a chat only.

    It has no `context`: tokens cannot stand for a picture.
    """
    messages = [template_message(one) for one in _messages(request, model)]
    conversation = Conversation(messages, think=think)
    done: list[Finish] = []

    async def last_of(part: Part, finish: Finish) -> Mapping[str, Any]:
        last = {"done_reason": finish.reason, **clock.metrics(finish)}
        return generate_record(request.model, part, **last)

    steps = deltas(lease, partial(lease.engine.chat, conversation, sampling), done)
    return Answer(steps, done, partial(generate_record, request.model), last_of)


def _gap(template: Template, request: GenerateRequest, wish: bool | str | None) -> str:
    try:
        return infill_prompt_from(template, request.prompt, request.suffix, think=wish)
    except TemplateError as error:
        raise Refused(500, str(error)) from error


def _template_of(request: GenerateRequest, model: Model) -> Template | None:
    """The Go template that makes the prompt, or None if the engine does. Raises `Refused`."""
    if request.suffix:
        return model.infill_template
    if not request.template:
        return model.go_template
    try:
        return parse(request.template)
    except TemplateError as error:
        raise Refused(500, str(error)) from error


def _answer(
    request: GenerateRequest,
    completion: Completion,
    thinking: ThinkingSplitter | None,
    clock: Clock,
) -> Answer:
    done: list[Finish] = []
    written: list[str] = []
    lease = completion.lease

    async def last_of(part: Part, finish: Finish) -> Mapping[str, Any]:
        last: dict[str, Any] = {"done_reason": finish.reason}
        if not request.raw:
            text = completion.prompt + "".join(written)
            last["context"] = await lease.run(partial(lease.engine.tokenize, text))
        return generate_record(request.model, part, **(last | clock.metrics(finish)))

    steps = completion.steps(done, written)
    if thinking is not None:
        steps = parsed(steps, thinking, None)
    return Answer(steps, done, partial(generate_record, request.model), last_of)
