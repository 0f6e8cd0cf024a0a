"""``GET /v1/models`` and ``GET /v1/models/{model}``.

Source: Ollama v0.33.0-rc2, openai/openai.go ToListCompletion, ToModel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...names import parse_name
from ..exchange import Exchange
from ..inference import House
from ..listing import show, tags
from .facade import OpenAi, forward


async def list_models(house: House, exchange: Exchange) -> None:
    """List the models."""
    facade = _ListFacade(exchange.scope, b"", exchange.send)
    exchange.speaker = facade
    await forward(house, facade, {}, tags)


async def one_model(house: House, exchange: Exchange) -> None:
    """Describe a model. Raises `Refused`."""
    name = exchange.parts["model"]
    facade = _ModelFacade(exchange.scope, b"", exchange.send, name=name)
    exchange.speaker = facade
    await forward(house, facade, {"model": name}, show)


@dataclass(slots=True)
class _ListFacade(OpenAi):
    def whole(self, record: Mapping[str, Any]) -> Any:
        rows = [_model(row["name"], row["modified_at"]) for row in record["models"]]
        return {"object": "list", "data": rows}


@dataclass(slots=True)
class _ModelFacade(OpenAi):
    name: str = ""

    def whole(self, record: Mapping[str, Any]) -> Any:
        return _model(self.name, record["modified_at"])


def _model(name: str, modified_at: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": int(datetime.fromisoformat(modified_at).timestamp()),
        "owned_by": parse_name(name.strip()).namespace,
    }
