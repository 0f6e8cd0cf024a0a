"""``POST /api/embed`` and the older ``POST /api/embeddings``.

Source: Ollama v0.33.0-rc2, server/routes.go EmbedHandler, EmbeddingsHandler.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..names import InvalidName, parse_name
from .bodies import RequestRefused
from .catalogue import Model
from .engines.engine import EngineError
from .exchange import Exchange, Refused
from .inference import House, acquire, find_model, typed_options
from .numbers import shortest_floats, widened_floats
from .requests import EmbedRequest, read_embed, read_embeddings
from .scheduler import Lease
from .wire import Clock

_TOO_LONG = "the input length exceeds the context length"
_CANNOT_CUT = "input exceeds maximum context length and cannot be truncated further"
_NO_EMBEDDINGS = "This server does not support embeddings. Start it with `--embeddings`"
"""What llama.cpp says of a text model."""

_END_TOKENS = 2
"""Ollama leaves room for a start and an end token when it cuts."""

_MISSING = 'model "{}" not found, try pulling it first'


async def embed(house: House, exchange: Exchange) -> None:
    """Give one unit vector per text. Raises `Refused`."""
    clock = Clock()
    try:
        request = read_embed(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    vectors, tokens = await unit_vectors(house, request, clock)
    if not vectors:
        await exchange.reply({"model": request.model, "embeddings": []})
        return
    await exchange.reply(_embed_record(request, vectors, tokens, clock))


async def unit_vectors(
    house: House, request: EmbedRequest, clock: Clock
) -> tuple[list[Sequence[float]], int]:
    """One vector per text, as long as asked for, and the tokens read in all.

    Without a text the model is only loaded.

    Raises:
        Refused: the input is none, or the model gives no vectors.
    """
    texts = _texts(request.input)
    if not request.model:
        raise Refused(404, "model '' not found")
    model = await find_model(house, request.model, missing=_MISSING)
    options = typed_options(request.options, model)
    plan = house.scheduler.plan(model, options, shift=True)
    lease = await acquire(house, model, plan, request.keep_alive_s)
    clock.loaded()
    try:
        if not texts:
            return [], 0
        if not model.is_embedding:
            raise Refused(501, _NO_EMBEDDINGS)
        await lease.enter()
        vectors, tokens = await _vectors(lease, texts, truncate=request.truncate)
    finally:
        lease.release()
    return [_cut(vector, request.dimensions) for vector in vectors], tokens


async def embeddings(house: House, exchange: Exchange) -> None:
    """Give the vector of one text. Raises `Refused`."""
    try:
        request = read_embeddings(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    if not request.model:
        raise Refused(400, "model is required")
    model = await _find_exactly(house, request.model)
    options = typed_options(request.options, model)
    plan = house.scheduler.plan(model, options, shift=True)
    lease = await acquire(house, model, plan, request.keep_alive_s)
    try:
        if not request.prompt:
            await exchange.reply({"embedding": []})
            return
        if not model.is_embedding:
            raise Refused(500, _NO_EMBEDDINGS)
        await lease.enter()
        try:
            vectors, _tokens = await _vectors(lease, [request.prompt], truncate=False)
        except Refused as error:
            raise Refused(500, error.text) from error
    finally:
        lease.release()
    await exchange.reply({"embedding": widened_floats(vectors[0])})


async def _find_exactly(house: House, text: str) -> Model:
    """This route alone minds the case of names."""
    model = await find_model(house, text, missing=_MISSING)
    try:
        exact = house.catalogue.find(parse_name(text.strip()), exact_case=True)
    except InvalidName:
        exact = model
    if exact is None:
        raise Refused(404, _MISSING.format(text))
    return model


def _texts(given: Any) -> list[str]:
    if given is None or given == "":
        return []
    items: list[Any] = [given] if isinstance(given, str) else given
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise Refused(400, "invalid input type")
    return items


async def _vectors(
    lease: Lease, texts: Sequence[str], *, truncate: bool
) -> tuple[list[list[float]], int]:
    inputs: list[str | list[int]] = []
    longest = lease.plan.context_length
    try:
        for text in texts:
            # A token is at least one byte: most texts need no counting.
            if len(text.encode()) < longest:
                inputs.append(text)
                continue
            tokens = await lease.run(partial(lease.engine.tokenize, text))
            if len(tokens) <= longest:
                inputs.append(tokens)
            elif truncate:
                inputs.append(tokens[: longest - _END_TOKENS])
            else:
                raise Refused(400, _TOO_LONG)
        return await lease.run(partial(lease.engine.embed, inputs))
    except EngineError as error:
        # Ollama takes any refusal of the engine for a text it could not cut enough.
        text = _CANNOT_CUT if truncate and error.status == 400 else error.message
        raise Refused(error.status, text) from error


def _embed_record(
    request: EmbedRequest, vectors: Sequence[Sequence[float]], tokens: int, clock: Clock
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "model": request.model,
        "embeddings": [shortest_floats(vector) for vector in vectors],
        "total_duration": clock.elapsed_ns(),
        "load_duration": clock.load_ns,
    }
    if tokens:
        record["prompt_eval_count"] = tokens
    return record


def _cut(vector: Sequence[float], dimensions: int) -> Sequence[float]:
    if not 0 < dimensions < len(vector):
        return vector
    cut = vector[:dimensions]
    length = math.sqrt(math.fsum(value * value for value in cut))
    return [value / length for value in cut] if length else cut
