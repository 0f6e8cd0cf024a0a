"""``POST /api/generate``.

Source: Ollama v0.33.0-rc2, server/routes.go GenerateHandler, the path for templates inside
GGUF files: the engine renders, then completes the text as it stands.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from .bodies import RequestRefused
from .catalogue import Model
from .engines.engine import Conversation, Delta, EngineError, Finish, LoadPlan, Sampling
from .exchange import Exchange, Refused
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
    typed_options,
)
from .prompt_template import TemplateError, UnsupportedTemplate, fill_template
from .requests import GenerateRequest, read_generate
from .scheduler import Lease
from .wire import Clock, Part, generate_record

_NO_IMAGES = (
    '{"error":{"code":400,"message":"Multimodal data provided, but model does not support '
    'multimodal requests.","type":"invalid_request_error"}}'
)
"""What llama.cpp answers to images on a completion of a text model."""

_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten "
    "the prompt, adjust the context length in settings, or use a model with a longer context "
    "length"
)


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
            prompt = await _prompt(request, model, lease, think=think, effort=effort)
        except EngineError as error:
            raise Refused(error.status, error.text) from error
        if request.render_only:
            record = generate_record(request.model, Part())
            await exchange.reply(record | {"_debug_info": {"rendered_template": prompt}})
            return
        answer = _Completion(request, lease, prompt, sampling, clock).answer()
        await answer.send(exchange, stream=request.stream)
    finally:
        lease.release()


def _checked(request: GenerateRequest, model: Model) -> tuple[bool, str | None]:
    if request.raw and (request.template or request.system or request.context):
        raise Refused(400, "raw mode does not support template, system, or context")
    think = resolve_think(request, model)
    if "completion" not in model.capabilities:
        raise Refused(400, f'"{request.model}" does not support generate')
    if request.suffix:
        raise Refused(400, f"{model.name.full} does not support insert")
    return think


async def _prompt(
    request: GenerateRequest, model: Model, lease: Lease, *, think: bool, effort: str | None
) -> str:
    if request.images:
        raise EngineError(400, _NO_IMAGES)
    if request.raw:
        return request.prompt
    if request.template:
        try:
            text = fill_template(request.template, request.system, request.prompt)
        except TemplateError as error:
            raise Refused(500, str(error)) from error
        except UnsupportedTemplate as error:
            raise Refused(400, str(error)) from error
    else:
        messages: list[Mapping[str, Any]] = []
        if system := request.system or model.recipe.system:
            messages.append({"role": "system", "content": system})
        if not request.context:
            messages.extend(model.recipe.messages)
        messages.append({"role": "user", "content": request.prompt})
        conversation = Conversation(messages, (), think, effort)
        text = await lease.run(partial(lease.engine.render, conversation))
    if request.context:
        text = await lease.run(partial(lease.engine.detokenize, request.context)) + text
    return text


@dataclass(frozen=True, slots=True)
class _Completion:
    """One generation from a rendered prompt."""

    request: GenerateRequest
    lease: Lease
    prompt: str
    sampling: Sampling
    clock: Clock

    def answer(self) -> Answer:
        done: list[Finish] = []
        written: list[str] = []
        record_of = partial(generate_record, self.request.model)
        return Answer(self._steps(done, written), done, record_of, partial(self._last, written))

    async def _last(self, written: list[str], part: Part, finish: Finish) -> Mapping[str, Any]:
        last: dict[str, Any] = {"done_reason": finish.reason}
        if not self.request.raw:
            text = self.prompt + "".join(written)
            last["context"] = await self.lease.run(partial(self.lease.engine.tokenize, text))
        last |= self.clock.metrics(finish)
        return generate_record(self.request.model, part, **last)

    async def _steps(self, done: list[Finish], written: list[str]) -> AsyncGenerator[Delta]:
        """Generate; cut a prompt that is too long and may be cut."""
        engine = self.lease.engine
        prompt: str | Sequence[int] = self.prompt
        for may_cut in (self.request.truncate, False):
            run = partial(engine.complete, prompt, self.sampling)
            try:
                async with aclosing(deltas(self.lease, run, done)) as steps:
                    async for delta in steps:
                        written.append(delta.text)
                        yield delta
                return
            except EngineError as error:
                if not may_cut or error.kind != OVERFLOW:
                    raise
            if not self.request.shift:
                raise EngineError(400, _TOO_LONG)
            tokens = await self.lease.run(partial(engine.tokenize, self.prompt))
            prompt = cut_prompt(tokens, self.lease.plan, int(self.sampling.options["num_keep"]))


def cut_prompt(tokens: Sequence[int], plan: LoadPlan, keep: int) -> list[int]:
    """Cut the middle out of a prompt so that about half of the context stays free.

    Args:
        tokens: The prompt.
        plan: How the model is loaded.
        keep: Tokens at the start that stay; negative keeps as many as can be.
    """
    longest = plan.context_length
    kept = min(keep if keep >= 0 else len(tokens), longest - 4)
    rest = (longest - kept) // 2
    return [*tokens[:kept], *tokens[len(tokens) - rest :]]
