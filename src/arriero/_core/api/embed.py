"""`embed`, `embeddings` and vectors as arrays.

Source: Ollama v0.33.0-rc2, `api/types.go` EmbedRequest, EmbeddingRequest;
`openai/openai.go` EmbedRequest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arriero._core.api.arguments import (
    KeepAlive,
    body_of,
    input_to_wire,
    keep_alive_to_wire,
    options_to_wire,
    required,
)
from arriero._core.calls import Call
from arriero._core.http import Head
from arriero._core.ndjson import RecordDecoder
from arriero._core.replies import error_of_reply
from arriero.errors import RequestError
from arriero.settings import Timeouts
from arriero.types.embed import EmbeddingsResponse, EmbedResponse
from arriero.types.options import Options
from arriero.types.record import Record

_EMBED = RecordDecoder(EmbedResponse)
_EMBEDDINGS = RecordDecoder(EmbeddingsResponse)


class EncodedVector(Record):
    """One vector of `/v1/embeddings`."""

    embedding: bytes | list[float] = b""
    """Little-endian 32-bit floats, base64 on the wire; numbers from servers that know no
    other way."""
    index: int = 0
    object: str | None = None


class EncodedVectors(Record):
    """The answer of `/v1/embeddings`."""

    data: list[EncodedVector] = []  # noqa: RUF012  # msgspec gives each instance its own
    model: str | None = None
    object: str | None = None
    usage: Any = None


_ENCODED = RecordDecoder(EncodedVectors)


def embed(
    model: str,
    input: str | Sequence[str],
    truncate: bool | None = None,
    *,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: KeepAlive | None = None,
    dimensions: int | None = None,
    timeouts: Timeouts | None = None,
) -> Call[EmbedResponse]:
    """Build an embedding of one text or many; see the client's method for the arguments."""
    body = body_of(
        model=required(model, "model", "embed"),
        input=input_to_wire(input, "embed"),
        truncate=truncate,
        options=options_to_wire(options),
        keep_alive=keep_alive_to_wire(keep_alive),
        dimensions=dimensions,
    )
    return Call("POST", "/api/embed", _EMBED, body=body, timeouts=timeouts)


def embeddings(
    model: str,
    prompt: str | None,
    *,
    options: Mapping[str, Any] | Options | None = None,
    keep_alive: KeepAlive | None = None,
    timeouts: Timeouts | None = None,
) -> Call[EmbeddingsResponse]:
    """Build an embedding by the older endpoint."""
    body = body_of(
        model=required(model, "model", "embeddings"),
        prompt=prompt,
        options=options_to_wire(options),
        keep_alive=keep_alive_to_wire(keep_alive),
    )
    return Call("POST", "/api/embeddings", _EMBEDDINGS, body=body, timeouts=timeouts)


def texts_of(input: str | Sequence[str]) -> list[str]:
    """Give the texts of an ``input`` as a list.

    Raises:
        RequestError: there is none, or something is no text.
    """
    texts = input_to_wire(input, "embed_array")
    made = [texts] if isinstance(texts, str) else texts
    if not made:
        raise RequestError("embed_array: input is empty; an array of no rows has no width")
    return made


def embed_encoded(
    model: str,
    texts: Sequence[str],
    *,
    dimensions: int | None = None,
    timeouts: Timeouts | None = None,
) -> Call[EncodedVectors | None]:
    """Build an embedding whose vectors come as bytes; None if the server has no such route."""
    body = body_of(
        model=required(model, "model", "embed_array"),
        input=texts,
        dimensions=dimensions,
        encoding_format="base64",
    )

    def whole(head: Head, data: bytes) -> EncodedVectors | None:
        if head.status != 404:
            return _ENCODED.decode(data)
        if b"error" in data:
            raise error_of_reply(head.status, head.headers, data)
        return None

    return Call(
        "POST",
        "/v1/embeddings",
        body=body,
        whole=whole,
        timeouts=timeouts,
        accept_status=frozenset({404}),
    )
