"""``POST /v1/embeddings``.

Source: Ollama v0.33.0-rc2, middleware/openai.go EmbeddingsMiddleware.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bodies import Fields, RequestRefused, read_anything, read_body, read_integer, read_text
from ..embed import embed
from ..exchange import Exchange
from ..inference import House
from .facade import OpenAi, forward, read_request


async def v1_embeddings(house: House, exchange: Exchange) -> None:
    """Give one unit vector per text, as numbers or as bytes. Raises `Refused`."""
    facade = _EmbeddingsFacade(exchange.scope, b"", exchange.send)
    request = read_request(exchange, facade, _read)
    facade.as_bytes = request.pop("encoding_format", "").lower() == "base64"
    await forward(house, facade, request, embed)


@dataclass(slots=True)
class _EmbeddingsFacade(OpenAi):
    as_bytes: bool = False

    def whole(self, record: Mapping[str, Any]) -> Any:
        tokens = record.get("prompt_eval_count", 0)
        return {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "embedding": _bytes_text(vector) if self.as_bytes else vector,
                    "index": at,
                }
                for at, vector in enumerate(record["embeddings"])
            ],
            "model": record["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


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
