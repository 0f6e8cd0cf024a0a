"""What a server can be told about running models."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import RequestError


@dataclass(frozen=True, slots=True)
class Scheduling:
    """How models are loaded and shared; Ollama's environment variables in brackets.

    Attributes:
        keep_alive_s: How long a model stays loaded when idle; infinity keeps it for good
            [OLLAMA_KEEP_ALIVE].
        max_loaded_models: Models loaded at once; the idle one used least recently makes
            room [OLLAMA_MAX_LOADED_MODELS].
        num_parallel: Requests a model runs at once; the rest wait in order
            [OLLAMA_NUM_PARALLEL]. Ollama's default is 1. Ours is 4, as in llama.cpp: its
            continuous batching makes four streams nearly as cheap as one, and with one
            slot a forgotten stream would block everybody else of the same process. Memory
            for context grows with it.
        max_queue: Requests that may wait for a load; one more gets a 503
            [OLLAMA_MAX_QUEUE].
        context_length: Tokens per slot where the request names none, capped by what the
            model was trained for [OLLAMA_CONTEXT_LENGTH].
    """

    keep_alive_s: float = 300.0
    max_loaded_models: int = 3
    num_parallel: int = 4
    max_queue: int = 512
    context_length: int = 4096

    def __post_init__(self) -> None:
        """Refuse values no server could run with."""
        if self.keep_alive_s < 0:
            raise RequestError("keep_alive must be 0 or more seconds, or infinity for good")
        for name, least in (
            ("max_loaded_models", 1),
            ("num_parallel", 1),
            ("max_queue", 1),
            ("context_length", 4),
        ):
            if getattr(self, name) < least:
                raise RequestError(f"{name} must be at least {least}")
