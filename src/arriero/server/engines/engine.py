"""The line between the server and whatever runs a model.

Engine methods block; the scheduler calls them on worker threads, never more at once than
the model has slots. Nothing here knows HTTP or asyncio, so an engine that plays back a
script fits behind the same protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call; `arguments` is decoded JSON, normally an object."""

    id: str
    index: int
    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Delta:
    """What one step of generation added; fields that got nothing are empty.

    Attributes:
        text: Visible answer.
        thinking: Reasoning, without its tags.
        logprobs: Entries in wire form (`token`, `logprob`, `bytes`, `top_logprobs`), one
            per sampled token.
        tool_calls: Calls that are complete with this step; engines report theirs at the end.
    """

    text: str = ""
    thinking: str = ""
    logprobs: Sequence[Mapping[str, Any]] = ()
    tool_calls: Sequence[ToolCall] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """How a generation ended.

    Attributes:
        reason: ``stop`` or ``length``.
        prompt_tokens: Tokens of the prompt, cached ones included.
        prompt_ns: Time spent on the prompt.
        output_tokens: Sampled tokens.
        output_ns: Time spent on them.
        tool_calls: Every call of the answer, complete, in order.
    """

    reason: str
    prompt_tokens: int
    prompt_ns: int
    output_tokens: int
    output_ns: int
    tool_calls: Sequence[ToolCall] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to pick tokens.

    Attributes:
        options: Values under Ollama's option names, types checked.
        max_tokens: Upper bound of the output; None lets the engine's own bound rule.
        format: JSON Schema the text must match, or None.
        top_logprobs: Alternatives per token to report; None reports no logprobs.
    """

    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    max_tokens: int | None = None
    format: Mapping[str, Any] | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat prompt before its template is applied.

    Attributes:
        messages: In the form chat templates expect: `role`, `content`, `tool_calls` with
            arguments as text, `tool_call_id`, `name`.
        tools: Tool definitions; empty offers none.
        think: Whether the template should open the reasoning.
        effort: Level of reasoning for templates that know levels, or None.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    think: bool = False
    effort: str | None = None


class EngineError(Exception):
    """The engine refused or broke.

    Attributes:
        status: HTTP status that fits; 400 for a bad prompt, 500 for a fault.
        text: What to tell the caller, verbatim; may itself be JSON.
        message: The plain message inside `text`.
        kind: The engine's own error type, or "".
        excess: For a prompt that is too long, the part of it that is too much, 0 to 1.
    """

    def __init__(
        self, status: int, text: str, message: str = "", kind: str = "", excess: float = 0.0
    ) -> None:
        super().__init__(status, text, message, kind, excess)
        self.status = status
        self.text = text
        self.message = message or text
        self.kind = kind
        self.excess = excess


Emit: TypeAlias = Callable[[Delta], bool]
"""Takes a step of generation; answers True to stop the generation now."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Everything that decides how a model is loaded; a changed plan means a reload.

    Attributes:
        context_length: Tokens each slot can hold.
        slots: Requests run at once.
        batch: Prompt tokens per step; None means 512.
        gpu_layers: Layers to put on a GPU; -1 lets the engine choose.
        threads: CPU threads; 0 lets the engine choose.
        main_gpu: The GPU to use; None lets the engine choose.
        use_mmap: Map the file instead of reading it; None lets the engine choose.
        shift: Drop old tokens when the context is full instead of stopping.
    """

    context_length: int
    slots: int
    batch: int | None = None
    gpu_layers: int = -1
    threads: int = 0
    main_gpu: int | None = None
    use_mmap: bool | None = None
    shift: bool = True


class Engine(Protocol):
    """A loaded model. Methods block and may be called from several threads at once.

    All raise `EngineError`.
    """

    @property
    def is_broken(self) -> bool:
        """Whether it can answer nothing any more, and has to be loaded anew."""
        ...

    @property
    def size_bytes(self) -> int:
        """Memory the model holds, about."""
        ...

    @property
    def vram_bytes(self) -> int:
        """The part of `size_bytes` that lies on a GPU."""
        ...

    def chat(self, conversation: Conversation, sampling: Sampling, emit: Emit) -> Finish:
        """Answer a conversation; the template is the model's own.

        A last message from the assistant is continued, and the answer includes it.
        """
        ...

    def complete(self, prompt: str | Sequence[int], sampling: Sampling, emit: Emit) -> Finish:
        """Continue a prompt as it stands."""
        ...

    def render(self, conversation: Conversation) -> str:
        """Apply the model's template and return the prompt."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text`; names of special tokens count as those tokens."""
        ...

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Text of `tokens`."""
        ...

    def embed(self, texts: Sequence[str | Sequence[int]]) -> tuple[list[list[float]], int]:
        """Return one unit vector per text, and the tokens read in all."""
        ...

    def close(self) -> None:
        """Give everything back. Call once, after the last call has returned."""
        ...
