"""Chat: messages, tool calls, log probabilities and the response.

Source: Ollama v0.33.0-rc2, `api/types.go` Message, ToolCall, ChatResponse, Logprob.
"""

from typing import Any

from arriero.types.image import Image
from arriero.types.record import Record


class TokenLogprob(Record):
    """A token and how likely the model held it."""

    token: str = ""
    logprob: float = 0.0
    """Natural logarithm of the probability, ≤ 0."""
    bytes: list[int] | None = None
    """UTF-8 bytes of `token`: one token may be part of a character."""


class Logprob(TokenLogprob):
    """A sampled token with the most likely alternatives."""

    top_logprobs: list[TokenLogprob] | None = None


class Message(Record):
    """A turn of a conversation; in a stream, a piece of one."""

    class ToolCall(Record, kw_only=True):
        """A call the model wants made."""

        class Function(Record):
            """Name and arguments of the call."""

            index: int | None = None
            """Place of the call within one answer, from 0."""
            name: str = ""
            arguments: dict[str, Any] = {}

        id: str | None = None
        """Sent back as `Message.tool_call_id`; older servers give none."""
        type: str | None = None
        """``function``, where a client adds it; Ollama sends none."""
        function: Function

    role: str = ""
    """``system``, ``user``, ``assistant`` or ``tool``."""
    content: str | None = None
    thinking: str | None = None
    """The model's reasoning, apart from its answer."""
    images: list[Image | str] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_name: str | None = None
    """For role ``tool``: the function that ran."""
    tool_call_id: str | None = None
    """For role ``tool``: the id of the call this answers."""


class InferenceResponse(Record):
    """What chat and generate answers have in common. Durations are nanoseconds.

    Every metric may be absent: the server leaves out zeros, and sends none before the
    last record of a stream.
    """

    model: str | None = None
    """The name as it was asked for."""
    remote_model: str | None = None
    """Set when the answer came from another server: the model's name there."""
    remote_host: str | None = None
    """Set when the answer came from another server: its address."""
    created_at: str | None = None
    """RFC 3339 in UTC with up to nine fractional digits; text, as in `ollama`."""
    done: bool | None = None
    done_reason: str | None = None
    """``stop``, ``length``, ``load`` or ``unload``; absent if unknown."""
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    """Prompt tokens, cached ones included."""
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    """Tokens generated."""
    eval_duration: int | None = None
    logprobs: list[Logprob] | None = None

    @property
    def parsed(self) -> Any:
        """The object made from the answer when ``format`` was a class, else None."""
        return self.__dict__.get("_parsed")

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens generated a second, by the server's own numbers; None if it gave none."""
        if not self.eval_count or not self.eval_duration:
            return None
        return self.eval_count / self.eval_duration * 1e9


class ChatResponse(InferenceResponse, kw_only=True):
    """An answer to `chat`: whole, or one part of a stream."""

    message: Message


class GenerateResponse(InferenceResponse):
    """An answer to `generate`: whole, or one part of a stream."""

    response: str | None = None
    thinking: str | None = None
    context: list[int] | None = None
    """Token ids of prompt and answer, to be sent back; deprecated by Ollama."""
    tool_calls: list[Message.ToolCall] | None = None
    image: str | None = None
    """Base64 of a generated image; servers 0.14.3 to 0.32.5."""
    completed: int | None = None
    total: int | None = None
