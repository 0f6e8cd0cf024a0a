"""Routes that move models: pull and push.

Source: Ollama v0.33.0-rc2, server/routes.go PullHandler and PushHandler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..names import InvalidName, parse_name
from .bodies import RequestRefused
from .exchange import Exchange, Refused
from .inference import House
from .names import local_name
from .progress import fail, succeed
from .registry.messages import TransferFailed
from .store import StoreError
from .store_requests import TransferRequest, read_pull, read_push
from .transfers import Tell, Wish


async def pull(house: House, exchange: Exchange) -> None:
    """Fetch a model from a registry, telling how it goes. Raises `Refused`."""
    request = _read(read_pull, exchange.body)
    name = local_name(request.model.strip())
    wish = Wish(name, request.insecure, request.username, request.password)
    await _moved(house.transfers.pull, wish, exchange, stream=request.stream)


async def push(house: House, exchange: Exchange) -> None:
    """Send a model to a registry, telling how it goes. Raises `Refused`."""
    request = _read(read_push, exchange.body)
    if not request.model:
        raise Refused(400, "model is required")
    try:
        name = parse_name(request.model)
    except InvalidName:
        text = f"unqualified name: {request.model}:latest"
        if request.stream:
            await exchange.write({"error": text})
            await exchange.end()
            return
        await fail(exchange, 500, text, stream=False)
        return
    wish = Wish(name, request.insecure, request.username, request.password)
    await _moved(house.transfers.push, wish, exchange, stream=request.stream)


def _read(reader: Callable[[bytes], TransferRequest], body: bytes) -> TransferRequest:
    try:
        return reader(body)
    except RequestRefused as error:
        raise Refused(400, str(error)) from error


async def _moved(
    move: Callable[[Wish, Tell], Awaitable[None]], wish: Wish, exchange: Exchange, *, stream: bool
) -> None:
    async def tell(record: Mapping[str, Any]) -> None:
        if stream:
            await exchange.write(record)

    try:
        await move(wish, tell)
        await tell({"status": "success"})
    except (TransferFailed, StoreError) as error:
        await fail(exchange, 500, str(error), stream=stream)
    else:
        await succeed(exchange, stream=stream)
