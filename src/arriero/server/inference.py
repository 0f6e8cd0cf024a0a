"""What generate, chat and embed share: finding the model, checking, loading, answering."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from . import gojson
from .catalogue import Model
from .engines.engine import Delta, EngineError, Finish, LoadPlan, Sampling, ToolCall
from .exchange import JSON_STREAM_ERROR, Exchange, Refused
from .generation import Generate, Generation
from .gguf import NotGguf
from .gotemplate import TemplateError
from .names import local_name
from .options import OptionError, Options, parse_options
from .requests import Think
from .scheduler import Busy, Lease, Scheduler, ShuttingDown
from .store import Store
from .stored_models import StoreCatalogue
from .transfers import Transfers
from .wire import Clock, Part
from .workers import Workers

OVERFLOW = "exceed_context_size_error"
"""llama.cpp's error type for a prompt longer than the context."""

_MAX_TOP_LOGPROBS = 20
_OUTPUT_CONTEXTS = 10
"""Ollama bounds an unlimited answer to ten times the context."""


@dataclass(frozen=True, slots=True)
class House:
    """What every endpoint works with.

    Attributes:
        catalogue: The models.
        scheduler: Loads them.
        version: Version of the protocol.
        store: Where models are made, copied and deleted.
        transfers: Fetches models from registries and sends them there.
        files: For what reads files: heads and digests take time with large ones.
        builds: For what writes to the store, so that lists need not wait for it.
    """

    catalogue: StoreCatalogue
    scheduler: Scheduler
    version: str
    store: Store
    transfers: Transfers
    files: Workers = field(default_factory=lambda: Workers(1, "arriero-files"))
    builds: Workers = field(default_factory=lambda: Workers(2, "arriero-builds"))


class InferenceRequest(Protocol):
    """The fields generate and chat requests share."""

    @property
    def model(self) -> str: ...
    @property
    def keep_alive_s(self) -> float | None: ...
    @property
    def options(self) -> Mapping[str, Any] | None: ...
    @property
    def shift(self) -> bool: ...
    @property
    def logprobs(self) -> bool: ...
    @property
    def top_logprobs(self) -> int: ...
    @property
    def format(self) -> Any: ...
    @property
    def think(self) -> Think: ...


async def find_model(house: House, text: str, *, missing: str = "model '{}' not found") -> Model:
    """Look up the model a request names, and read what its file says of it.

    Args:
        house: The server.
        text: The name as sent.
        missing: How to say that it is not there.

    Raises:
        Refused: 400 for a malformed name, 403 for a cloud model, 404 for an unknown one,
            500 for a file that cannot be read.
    """
    name = local_name(text.strip())
    model = house.catalogue.find(name)
    if model is None:
        raise Refused(404, missing.format(text))
    if not model.is_read:
        try:
            await house.files.submit(lambda: model.capabilities)
        except (OSError, NotGguf, TemplateError) as error:
            raise Refused(500, f"{name.shortest}: {error}") from error
    return model


def check_renderer(model: Model) -> None:
    """Refuse a model that wants a formatter which is part of Ollama. Raises `Refused`."""
    renderer = "" if model.stored is None else model.stored.config.get("renderer", "")
    if renderer:
        raise Refused(500, f'unknown renderer "{renderer}"')


def check_top_logprobs(request: InferenceRequest) -> None:
    """Refuse a number of alternatives out of range. Raises `Refused`."""
    if not 0 <= request.top_logprobs <= _MAX_TOP_LOGPROBS:
        raise Refused(400, f"top_logprobs must be between 0 and {_MAX_TOP_LOGPROBS}")


def resolve_think(request: InferenceRequest, model: Model) -> tuple[bool, str | None]:
    """Work out whether to reason, and the level for templates that know levels.

    Raises:
        Refused: the model cannot reason and was asked to.
    """
    if "thinking" not in model.capabilities:
        if request.think:
            raise Refused(400, f'"{request.model}" does not support thinking')
        return False, None
    if request.think is None:
        return True, None
    return bool(request.think), request.think if isinstance(request.think, str) else None


def think_wish(request: InferenceRequest, *, think: bool, effort: str | None) -> bool | str | None:
    """Give what a Go template is told about reasoning; None if nobody said anything."""
    return (effort or True) if think else request.think


def typed_options(raw: Mapping[str, Any] | None, model: Model) -> Options:
    """Check the options of a request over those of the model.

    Raises:
        Refused: 500 for a wrong type, as from Ollama.
    """
    asked = {name: value for name, value in (raw or {}).items() if value is not None}
    try:
        return parse_options({**model.recipe.parameters, **asked})
    except OptionError as error:
        raise Refused(500, str(error)) from error


def sampling_of(
    request: InferenceRequest, options: Options, plan: LoadPlan, *, least_tokens: int | None
) -> Sampling:
    """Turn a request into what the engine needs to pick tokens.

    Args:
        request: The request.
        options: Its options.
        plan: How the model is loaded.
        least_tokens: What `num_predict` 0 means; None means no limit.

    Raises:
        EngineError: `format` is neither ``json`` nor a schema.
    """
    sampling = options.sampling
    predict = int(sampling.pop("num_predict"))
    bound = _OUTPUT_CONTEXTS * plan.context_length
    if predict == 0:
        predict = bound if least_tokens is None else least_tokens
    return Sampling(
        options=sampling,
        max_tokens=bound if predict < 0 else min(predict, bound),
        format=_schema(request.format),
        top_logprobs=request.top_logprobs if request.logprobs else None,
    )


def _schema(given: Any) -> Mapping[str, Any] | None:
    if given is None or given == "":
        return None
    if given == "json":
        return {"type": "object"}
    if gojson.is_object(given):
        return given
    raw = json.dumps(
        json.dumps(given, ensure_ascii=False, separators=(",", ":")), ensure_ascii=False
    )
    text = f'invalid format: {raw}; expected "json" or a valid JSON Schema object'
    raise EngineError(500, text)


async def open_lease(
    house: House, model: Model, request: InferenceRequest, options: Options, clock: Clock
) -> Lease:
    """Get the loaded model. The caller must release the lease.

    Raises:
        Refused: 503 if too many wait for a load, 500 if it cannot be loaded.
    """
    plan = house.scheduler.plan(model, options, shift=request.shift)
    lease = await acquire(house, model, plan, request.keep_alive_s)
    clock.loaded()
    return lease


async def acquire(house: House, model: Model, plan: LoadPlan, keep_alive_s: float | None) -> Lease:
    """Get a model loaded as planned, errors in wire form. Raises `Refused`."""
    try:
        return await house.scheduler.acquire(model, plan, keep_alive_s)
    except Busy as error:
        text = "server busy, please try again.  maximum pending requests exceeded"
        raise Refused(503, text) from error
    except ShuttingDown as error:
        raise Refused(503, "the server is shutting down") from error
    except EngineError as error:
        raise Refused(error.status, error.text) from error


async def deltas(lease: Lease, generate: Generate, done: list[Finish]) -> AsyncGenerator[Delta]:
    """Run a generation; its end is appended to `done`. Closing early stops the engine.

    Raises:
        EngineError: the engine refused or broke.
    """
    generation = Generation(lease, generate)
    try:
        async with aclosing(generation.deltas()) as steps:
            async for delta in steps:
                yield delta
        done.append(generation.finish)
    finally:
        generation.stop()


RecordOf: TypeAlias = Callable[[Part], Mapping[str, Any]]
LastOf: TypeAlias = Callable[[Part, Finish], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A generation and how to write it down.

    Attributes:
        steps: The generation; it appends its end to `done`.
        done: Empty until the generation has ended.
        record_of: Makes the record of one step.
        last_of: Makes the last record from what it carries and how the generation ended.
    """

    steps: AsyncGenerator[Delta]
    done: list[Finish]
    record_of: RecordOf
    last_of: LastOf

    async def send(self, exchange: Exchange, *, stream: bool) -> None:
        """Answer the request with it.

        Raises:
            Refused: the engine refused, and nothing has been sent.
        """
        async with aclosing(self.steps):
            await (self._stream(exchange) if stream else self._whole(exchange))

    async def _stream(self, exchange: Exchange) -> None:
        try:
            async for delta in self.steps:
                part = Part(delta.text, delta.thinking, delta.tool_calls, delta.logprobs)
                await exchange.write(self.record_of(part))
            finish = self.done[0]
            await exchange.write(await self.last_of(Part(tool_calls=finish.tool_calls), finish))
        except EngineError as error:
            if not exchange.started:
                await exchange.reply({"error": error.text}, error.status, JSON_STREAM_ERROR)
                return
            await exchange.write({"error": _while_running(error)})
        await exchange.end()

    async def _whole(self, exchange: Exchange) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        logprobs: list[Mapping[str, Any]] = []
        calls: list[ToolCall] = []
        try:
            async for delta in self.steps:
                texts.append(delta.text)
                calls.extend(delta.tool_calls)
                thoughts.append(delta.thinking)
                logprobs.extend(delta.logprobs)
            finish = self.done[0]
            calls.extend(finish.tool_calls)
            part = Part("".join(texts), "".join(thoughts), calls, logprobs)
            await exchange.reply(await self.last_of(part, finish))
        except EngineError as error:
            raise Refused(error.status, error.text) from error


def _while_running(error: EngineError) -> str:
    return f"an error was encountered while running the model: {error.message}"
