"""Continue a rendered prompt, cutting it if it is too long.

Source: Ollama v0.33.0-rc2, llm/server.go Completion.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from .engines.engine import Delta, EngineError, Finish, LoadPlan, Sampling
from .inference import OVERFLOW, deltas
from .scheduler import Lease

NO_IMAGES = (
    '{"error":{"code":400,"message":"Multimodal data provided, but model does not support '
    'multimodal requests.","type":"invalid_request_error"}}'
)
"""What llama.cpp answers to images on a completion of a text model."""

_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten "
    "the prompt, adjust the context length in settings, or use a model with a longer context "
    "length"
)


@dataclass(frozen=True, slots=True)
class Completion:
    """One generation from a rendered prompt.

    Attributes:
        lease: The loaded model; its slot is held.
        prompt: The prompt.
        sampling: How to pick tokens.
        truncate: Whether a prompt that is too long is cut.
        shift: Whether the model was loaded to shift its context; nothing is cut without.
    """

    lease: Lease
    prompt: str
    sampling: Sampling
    truncate: bool
    shift: bool

    async def steps(self, done: list[Finish], written: list[str]) -> AsyncGenerator[Delta]:
        """Generate; texts are appended to `written`, the end to `done`.

        Raises:
            EngineError: the engine refused or broke, or the prompt is too long.
        """
        engine = self.lease.engine
        prompt: str | Sequence[int] = self.prompt
        for may_cut in (self.truncate, False):
            run = partial(engine.complete, prompt, self.sampling)
            try:
                async with aclosing(deltas(self.lease, run, done)) as steps:
                    async for delta in steps:
                        written.append(delta.text)
                        yield delta
                return
            except EngineError as error:
                if not may_cut or error.kind != OVERFLOW:
                    raise
            if not self.shift:
                raise EngineError(400, _TOO_LONG)
            tokens = await self.lease.run(partial(engine.tokenize, self.prompt))
            prompt = cut_prompt(tokens, self.lease.plan, int(self.sampling.options["num_keep"]))


def cut_prompt(tokens: Sequence[int], plan: LoadPlan, keep: int) -> list[int]:
    """Cut the middle out of a prompt so that about half of the context stays free.

    Args:
        tokens: The prompt.
        plan: How the model is loaded.
        keep: Tokens at the start that stay; negative keeps as many as can be.
    """
    longest = plan.context_length
    kept = min(keep if keep >= 0 else len(tokens), longest - 4)
    rest = (longest - kept) // 2
    return [*tokens[:kept], *tokens[len(tokens) - rest :]]
