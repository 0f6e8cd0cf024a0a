"""``POST /v1/embeddings``.

Source: Ollama v0.33.0-rc2, middleware/openai.go EmbeddingsMiddleware.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from ..bodies import Fields, RequestRefused, read_anything, read_body, read_integer, read_text
from ..embed import unit_vectors
from ..exchange import Exchange
from ..inference import House
from ..numbers import shortest_floats
from ..requests import EmbedRequest
from ..wire import Clock
from .facade import OpenAi, read_request


async def v1_embeddings(house: House, exchange: Exchange) -> None:
    """Give one unit vector per text, as numbers or as bytes. Raises `Refused`."""
    facade = _EmbeddingsFacade(exchange.scope, b"", exchange.send)
    request = read_request(exchange, facade, _read)
    packed: bool = request.pop("encoding_format", "").lower() == "base64"
    facade.translated = True
    # Not by way of the other endpoint's record: writing numbers out is what costs here.
    own = EmbedRequest(**request)
    vectors, tokens = await unit_vectors(house, own, Clock())
    form = _bytes_text if packed else shortest_floats
    rows = [
        {"object": "embedding", "embedding": form(vector), "index": at}
        for at, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    await facade.reply({"object": "list", "data": rows, "model": own.model, "usage": usage})


class _EmbeddingsFacade(OpenAi):
    __slots__ = ()

    def whole(self, record: Mapping[str, Any]) -> Any:
        return record


def _bytes_text(vector: Sequence[float]) -> str:
    """Base64 of the vector as little-endian 32-bit floats."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers).decode()


def _read(body: bytes) -> dict[str, Any]:
    request = read_body(body, "EmbedRequest", _EMBED, package="openai")
    encoding: str = request.get("encoding_format", "")
    if encoding.lower() not in ("", "float", "base64"):
        raise RequestRefused(
            f"Invalid value for 'encoding_format' = {encoding}. "
            "Supported values: ['float', 'base64']."
        )
    if request.get("input") == "":
        # Alone it would only load the model; in a list it is embedded.
        request["input"] = [""]
    if request.get("input") in (None, []):
        raise RequestRefused("invalid input")
    return request


_EMBED: Fields = {
    "model": ("model", read_text),
    "input": ("input", read_anything),
    "dimensions": ("dimensions", read_integer),
    "encoding_format": ("encoding_format", read_text),
}
