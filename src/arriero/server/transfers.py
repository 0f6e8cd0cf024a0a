"""What the routes ask of whoever fetches and sends models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from ..names import ModelName

Tell: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Takes a progress record."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which model is to be moved, and how.

    Attributes:
        name: The model.
        insecure: Plain HTTP, or TLS with any certificate, will do.
        username: Who asks; "" for what the server knows of the registry.
        password: Belongs to it.
    """

    name: ModelName
    insecure: bool = False
    username: str = ""
    password: str = field(default="", repr=False)


class Transfers(Protocol):
    """Fetches models from registries and sends them there.

    Cancelling a method stops its work; what has arrived is kept for the next one.

    Raises:
        TransferFailed: as each method, if it does not come to its end; in Ollama's words.
        StoreError: the store cannot be read or written.
    """

    async def pull(self, wish: Wish, tell: Tell) -> None:
        """Fetch a model, telling how it goes, but for the last record."""
        ...

    async def push(self, wish: Wish, tell: Tell) -> None:
        """Send a model, telling how it goes, but for the last record."""
        ...

    async def close(self) -> None:
        """Let go of everything, when no method runs any more."""
        ...


def layer_record(verb: str, digest: str, total: int, completed: int) -> dict[str, Any]:
    """A record about one layer; zeros are left out.

    Source: Ollama v0.33.0-rc2, api/types.go ProgressResponse.
    """
    record: dict[str, Any] = {"status": f"{verb} {digest[7:19]}", "digest": digest}
    if total:
        record["total"] = total
    if completed:
        record["completed"] = completed
    return record
