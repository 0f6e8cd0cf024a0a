"""Embeddings.

Source: Ollama v0.33.0-rc2, `api/types.go` EmbedResponse, EmbeddingResponse.
"""

from arriero.types.record import Record


class EmbedResponse(Record):
    """Vectors of `embed`, in the order of the inputs, each of unit length."""

    model: str | None = None
    embeddings: list[list[float]] = []
    total_duration: int | None = None
    """Nanoseconds."""
    load_duration: int | None = None
    """Nanoseconds."""
    prompt_eval_count: int | None = None
    """Tokens of all inputs."""
    created_at: str | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None


class EmbeddingsResponse(Record):
    """The vector of the older `embeddings` call; not normalised by the server."""

    embedding: list[float] = []
