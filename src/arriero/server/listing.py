"""What is there and what is loaded: root, version, status, tags, ps, show.

Source: Ollama v0.33.0-rc2, server/routes.go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from .bodies import RequestRefused
from .catalogue import Model
from .exchange import Exchange, Refused
from .gguf import NotGguf
from .gotemplate import TemplateError
from .inference import House
from .names import local_name
from .requests import ShowRequest, read_show
from .scheduler import Loaded
from .showing import show_record
from .store import StoreError
from .wire import FOREVER_NS, local_time


async def root(house: House, exchange: Exchange) -> None:
    """Say that the server lives."""
    await exchange.reply_bytes(b"Ollama is running", 200, "text/plain; charset=utf-8")


async def version(house: House, exchange: Exchange) -> None:
    """Name the version of the protocol."""
    await exchange.reply({"version": house.version})


async def status(house: House, exchange: Exchange) -> None:
    """Say that there is no cloud behind this server."""
    await exchange.reply({"cloud": {"disabled": True, "source": "config"}})


async def tags(house: House, exchange: Exchange) -> None:
    """List the models."""
    rows = await house.files.submit(partial(_tags, house))
    await exchange.reply({"models": rows})


async def ps(house: House, exchange: Exchange) -> None:
    """List the loaded models."""
    rows = await house.files.submit(partial(_ps_rows, house.scheduler.loaded()))
    await exchange.reply({"models": rows})


async def show(house: House, exchange: Exchange) -> None:
    """Describe a model. Raises `Refused`."""
    try:
        request = read_show(exchange.body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error
    model = _shown_model(house, request)
    try:
        record = await house.files.submit(partial(show_record, model, request))
    except (OSError, NotGguf, StoreError, TemplateError) as error:
        raise Refused(500, f"{model.name.shortest}: {error}") from error
    await exchange.reply(record)


def _tags(house: House) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for model in house.catalogue.models():
        try:
            rows.append(_tags_row(model))
        except (OSError, NotGguf, TemplateError):
            # One damaged file must not hide the others; show says what is wrong with it.
            continue
    return rows


def _tags_row(model: Model) -> dict[str, Any]:
    name = model.name.shortest
    return {
        "name": name,
        "model": name,
        "modified_at": local_time(model.modified_at_ns),
        "size": model.size_bytes,
        "digest": model.digest,
        "details": model.details(with_lengths=True) | {"parent_model": model.parent},
        "capabilities": list(model.capabilities),
    }


def _ps_rows(loaded: Iterable[Loaded]) -> list[dict[str, Any]]:
    return [_ps_row(row) for row in loaded]


def _ps_row(row: Loaded) -> dict[str, Any]:
    name = row.model.name.shortest
    left_ns = FOREVER_NS if row.expires_in_s == math.inf else round(row.expires_in_s * 1e9)
    return {
        "name": name,
        "model": name,
        "size": row.size_bytes,
        "digest": row.model.digest,
        "details": row.model.details(),
        "expires_at": local_time(time.time_ns() + left_ns),
        "size_vram": row.vram_bytes,
        "context_length": row.context_length,
    }


def _shown_model(house: House, request: ShowRequest) -> Model:
    if not request.model:
        raise Refused(400, "model is required")
    name = local_name(request.model.strip(), wanted="remote model details are")
    model = house.catalogue.find(name)
    if model is None:
        raise Refused(404, f"model '{name.shortest}' not found")
    return model
