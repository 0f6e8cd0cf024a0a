"""Answers as bytes that are kept, and back.

Text answers are kept as the server sent them. Vectors would be long that way and slow to
read: they are kept as numbers of 64 bits where the server wrote decimals, because Python
reads those into such numbers and a kept answer is to equal a fresh one; of 32 bits where it
sent them so.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec

from arriero._core.api.embed import EncodedVectors
from arriero._core.calls import Call
from arriero._core.http import Head
from arriero._core.operations import made_of
from arriero._core.policy.estimate import most_answer_tokens
from arriero.errors import ArrieroError, ParseError
from arriero.types.chat import ChatResponse, GenerateResponse, InferenceResponse
from arriero.types.embed import EmbeddingsResponse, EmbedResponse
from arriero.types.record import Record, from_wire, to_wire

Kind = Literal["json", "embed", "embeddings", "encoded"]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it lies in a store."""

    kind: Kind
    body: bytes
    """JSON; without the vectors, if they are beside it."""
    width: int = 0
    """Bytes of each vector."""
    vectors: bytes = b""
    """One after the other, little-endian."""


_WRITE = msgspec.msgpack.Encoder().encode
_READ = msgspec.msgpack.Decoder(Kept).decode


def is_sound(call: Call[Any], made: object) -> bool:
    """Tell whether an answer is whole, and would come out the same again.

    Cut short by ``num_predict`` counts if the call set one, as that is part of its key; cut
    short by a context whose size only the server knows does not. An answer of nothing, or
    one from elsewhere, is not kept.
    """
    body = call.body or {}
    if isinstance(made, InferenceResponse):
        if made.done is not True or made.remote_host or made.remote_model:
            return False
        is_cut = made.done_reason == "length" and most_answer_tokens(body) is not None
        if made.done_reason != "stop" and not is_cut:
            return False
        return _says_something(made)
    if isinstance(made, EmbedResponse):
        return len(made.embeddings) == _count(body) and all(made.embeddings)
    if isinstance(made, EncodedVectors):
        return len(made.data) == _count(body) and all(item.embedding for item in made.data)
    return isinstance(made, EmbeddingsResponse) and bool(made.embedding)


def _says_something(made: InferenceResponse) -> bool:
    if isinstance(made, ChatResponse):
        return bool(made.message.content or made.message.tool_calls)
    return isinstance(made, GenerateResponse) and bool(made.response or made.tool_calls)


def _count(body: Any) -> int:
    texts: object = body.get("input")
    return 1 if isinstance(texts, str) else len(cast("Sequence[object]", texts or ()))


def kept(made: object, body: bytes) -> bytes:
    """Give what is kept of a sound answer whose body was `body`."""
    if isinstance(made, EmbedResponse):
        return _with_vectors("embed", made, "embeddings", made.embeddings)
    if isinstance(made, EmbeddingsResponse):
        return _with_vectors("embeddings", made, "embedding", [made.embedding])
    if isinstance(made, EncodedVectors):
        rows = [item.embedding for item in made.data]
        encoded = [row for row in rows if isinstance(row, bytes)]
        if len(encoded) == len(rows) and len({len(row) for row in encoded}) == 1:
            bare = [item.model_copy(update={"embedding": b""}) for item in made.data]
            rest = made.model_copy(update={"data": bare})
            return _written("encoded", rest, len(encoded[0]), b"".join(encoded))
    return _WRITE(Kept("json", body))


def _with_vectors(kind: Kind, made: Record, name: str, vectors: list[list[float]]) -> bytes:
    width = len(vectors[0])
    if any(len(vector) != width for vector in vectors):
        return _WRITE(Kept("json", msgspec.json.encode(to_wire(made))))
    rest = made.model_copy(update={name: []})
    row = struct.Struct(f"<{width}d")
    return _written(kind, rest, row.size, b"".join([row.pack(*vector) for vector in vectors]))


def _written(kind: Kind, rest: Record, width: int, vectors: bytes) -> bytes:
    return _WRITE(Kept(kind, msgspec.json.encode(to_wire(rest)), width, vectors))


_DAMAGED = (
    ArrieroError,
    msgspec.DecodeError,
    ValueError,
    TypeError,
    AttributeError,
    struct.error,
)


def answer_of(call: Call[Any], data: bytes) -> Any | None:
    """Make the answer to `call` again; None if the bytes are damaged.

    Raises:
        ParseError: the answer does not fit the ``format`` of this call.
    """
    try:
        found = _READ(data)
        if found.kind == "json":
            made: Any = made_of(call, Head(200, {}), found.body)
        else:
            made = _READERS[found.kind](found, msgspec.json.decode(found.body))
    except ParseError:
        raise
    except _DAMAGED:
        return None
    if isinstance(made, InferenceResponse | EmbedResponse) and made.model is not None:
        made.model = call.model  # it may have been kept under another name of the same model
    return made


def _embed_of(found: Kept, rest: Any) -> EmbedResponse:
    made = from_wire(EmbedResponse, rest)
    made.embeddings = _rows(found)
    return made


def _embeddings_of(found: Kept, rest: Any) -> EmbeddingsResponse:
    made = from_wire(EmbeddingsResponse, rest)
    [made.embedding] = _rows(found)
    return made


def _encoded_of(found: Kept, rest: Any) -> EncodedVectors:
    made = from_wire(EncodedVectors, rest)
    for index, item in enumerate(made.data):
        item.embedding = found.vectors[index * found.width : (index + 1) * found.width]
    return made


def _rows(found: Kept) -> list[list[float]]:
    row = struct.Struct(f"<{found.width // 8}d")
    return [list(vector) for vector in row.iter_unpack(found.vectors)]


_READERS = {"embed": _embed_of, "embeddings": _embeddings_of, "encoded": _encoded_of}
