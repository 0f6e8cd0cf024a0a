"""The routes under ``/v1``: OpenAI's and Anthropic's words for what the server does anyway.

As in Ollama each is a façade: the body is translated to the server's own request, the
server's own endpoint answers it, and its records are translated on their way out.
"""

from __future__ import annotations

from collections.abc import Sequence

from .chat import chat_completions
from .completions import completions
from .embeddings import v1_embeddings
from .facade import Endpoint
from .messages import messages
from .models import list_models, one_model
from .responses import responses

ROUTES: Sequence[tuple[tuple[str, ...], str, Endpoint]] = (
    (("POST",), "/v1/chat/completions", chat_completions),
    (("POST",), "/v1/completions", completions),
    (("POST",), "/v1/embeddings", v1_embeddings),
    (("GET",), "/v1/models", list_models),
    (("GET",), "/v1/models/{model}", one_model),
    (("POST",), "/v1/responses", responses),
    (("POST",), "/v1/messages", messages),
)
"""Methods, path and what answers; for the application's table."""

__all__ = ("ROUTES",)
