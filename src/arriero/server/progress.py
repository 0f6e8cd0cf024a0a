"""How create, pull and push end: with a record of a stream, or in one piece.

Source: Ollama v0.33.0-rc2, server/routes.go streamResponse and waitForStream.
"""

from __future__ import annotations

from typing import Any

from . import gojson
from .exchange import JSON_STREAM_ERROR, Exchange

_SUCCESS = {"status": "success"}


async def succeed(exchange: Exchange, *, stream: bool) -> None:
    """Say that it is done; a stream has its last record by now."""
    if stream:
        await exchange.end()
    else:
        await _reply_plainly(exchange, _SUCCESS, 200)


async def fail(exchange: Exchange, status: int, text: str, *, stream: bool) -> None:
    """Say that it went wrong; the status counts if nothing has been said yet."""
    if exchange.started:
        await exchange.fail(status, text)
    elif stream:
        await exchange.reply({"error": text}, status, JSON_STREAM_ERROR)
    else:
        await _reply_plainly(exchange, {"error": text}, status)


async def _reply_plainly(exchange: Exchange, value: Any, status: int) -> None:
    """Answer as Ollama does on streaming routes that were asked not to stream."""
    data = gojson.encode(value)
    length = (("content-length", str(len(data))),)
    await exchange.reply_bytes(data, status, JSON_STREAM_ERROR, length)
