"""Request classes of the `ollama` package, for code that builds or inspects them.

arriero itself sends plain dicts. These name the same fields, and dump to what is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from arriero.compat.image import dumped
from arriero.schema import tools_to_wire
from arriero.types.chat import Message
from arriero.types.record import Record


class Request(Record):
    """A request body. Dumps have wire names: ``from``, not ``from_``."""

    def model_dump(self, *, by_alias: bool = True, **how: Any) -> dict[str, Any]:
        """As `Record.model_dump`, with wire names, and images as what is sent for them."""
        made = super().model_dump(by_alias=by_alias, **how)
        if made.get("tools"):
            made["tools"] = tools_to_wire(made["tools"])
        holders: list[dict[str, Any]] = [made, *(made.get("messages") or ())]
        for holder in holders:
            if holder.get("images"):
                holder["images"] = [dumped(image) for image in holder["images"]]
        return made


class BaseRequest(Request):
    """What every request about a model has."""

    model: str = ""


class BaseStreamableRequest(BaseRequest):
    """A request whose answer may be streamed."""

    stream: bool | None = None


class BaseGenerateRequest(BaseStreamableRequest):
    """What chat and generate requests share."""

    options: Any = None
    format: Any = None
    keep_alive: float | str | None = None


class GenerateRequest(BaseGenerateRequest):
    """Body of ``POST /api/generate``."""

    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: Sequence[int] | None = None
    raw: bool | None = None
    images: Sequence[Any] | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    truncate: bool | None = None
    shift: bool | None = None


class ChatRequest(BaseGenerateRequest):
    """Body of ``POST /api/chat``."""

    messages: Sequence[Mapping[str, Any] | Message] | None = None
    tools: Sequence[Any] | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    truncate: bool | None = None
    shift: bool | None = None


class EmbedRequest(BaseRequest):
    """Body of ``POST /api/embed``."""

    input: str | Sequence[str] = ""
    truncate: bool | None = None
    options: Any = None
    keep_alive: float | str | None = None
    dimensions: int | None = None


class EmbeddingsRequest(BaseRequest):
    """Body of ``POST /api/embeddings``."""

    prompt: str | None = None
    options: Any = None
    keep_alive: float | str | None = None


class PullRequest(BaseStreamableRequest):
    """Body of ``POST /api/pull``."""

    insecure: bool | None = None


class PushRequest(BaseStreamableRequest):
    """Body of ``POST /api/push``."""

    insecure: bool | None = None


class CreateRequest(BaseStreamableRequest):
    """Body of ``POST /api/create``."""

    quantize: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    files: dict[str, str] | None = None
    adapters: dict[str, str] | None = None
    template: str | None = None
    license: str | Sequence[str] | None = None
    system: str | None = None
    parameters: Any = None
    messages: Sequence[Mapping[str, Any] | Message] | None = None


class DeleteRequest(BaseRequest):
    """Body of ``DELETE /api/delete``."""


class CopyRequest(Request):
    """Body of ``POST /api/copy``."""

    source: str = ""
    destination: str = ""


class ShowRequest(BaseRequest):
    """Body of ``POST /api/show``."""


class WebSearchRequest(Request):
    """Body of a web search."""

    query: str = ""
    max_results: int | None = None


class WebFetchRequest(Request):
    """Body of the fetch of a page."""

    url: str = ""
