"""What the server and the process of a model say to each other, and how it is framed.

A frame is its length in four bytes, little end first, and a message in JSON, whose whole numbers,
unlike those of MessagePack, have no limit. The server asks under numbers, several at once; every
ask ends with one `Answered` or `Failed`.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Generic, TypeAlias, TypeVar

import msgspec

from .engine import Conversation, Delta, EngineError, LoadPlan, Sampling

T = TypeVar("T")

_LENGTH = struct.Struct("<I")


class Message(msgspec.Struct, tag=True, frozen=True):
    """What goes in a frame."""


class Load(Message, frozen=True):
    """Load a model; the arguments of `llama.load_llama`. The first message, and only once."""

    path: str
    plan: LoadPlan
    template: str | None = None
    embedding: bool = False
    mean_pooling: bool = False
    adapters: Sequence[str] = ()
    projector: str | None = None


class Loaded(Message, frozen=True):
    """The model is there, and holds that much memory."""

    size_bytes: int
    vram_bytes: int


class Ask(Message, frozen=True):
    """Something to do for the model, under a number of the server's choice."""

    number: int


class Chat(Ask, frozen=True):
    """See `Engine.chat`."""

    conversation: Conversation
    sampling: Sampling


class Complete(Ask, frozen=True):
    """See `Engine.complete`."""

    prompt: str | Sequence[int]
    sampling: Sampling


class Render(Ask, frozen=True):
    """See `Engine.render`."""

    conversation: Conversation


class Tokenize(Ask, frozen=True):
    """See `Engine.tokenize`."""

    text: str


class Detokenize(Ask, frozen=True):
    """See `Engine.detokenize`."""

    tokens: Sequence[int]


class Embed(Ask, frozen=True):
    """See `Engine.embed`."""

    texts: Sequence[str | Sequence[int]]


class Go(Message, frozen=True):
    """So many more steps of a generation may be sent."""

    number: int
    steps: int


class Stop(Message, frozen=True):
    """Nobody wants the rest of a generation."""

    number: int


class Step(Message, frozen=True):
    """One step of a generation; an empty one only says that it goes on."""

    number: int
    delta: Delta


class Answered(Message, frozen=True):
    """What an ask came to, as the method of `Engine` returns it."""

    number: int
    value: Any


class Failed(Message, frozen=True):
    """The `EngineError` an ask, or with number 0 the load, came to."""

    number: int
    status: int
    text: str
    message: str
    kind: str
    excess: float

    @classmethod
    def of(cls, number: int, error: EngineError) -> Failed:
        """Put an error into a message."""
        return cls(number, error.status, error.text, error.message, error.kind, error.excess)

    @property
    def error(self) -> EngineError:
        """The error again."""
        return EngineError(self.status, self.text, self.message, self.kind, self.excess)


ToChild: TypeAlias = Load | Chat | Complete | Render | Tokenize | Detokenize | Embed | Go | Stop
FromChild: TypeAlias = Loaded | Step | Answered | Failed

FIRST_STEPS = 256
"""Steps a generation may be ahead of whoever reads it; see `Go`."""


class Writer:
    """Writes messages to a pipe. Several threads may use it."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._encoder = msgspec.json.Encoder()

    def write(self, message: Message) -> None:
        """Write one message. Raises `OSError` if nobody is there to read it."""
        data = self._encoder.encode(message)
        with self._lock:
            self._pipe.write(_LENGTH.pack(len(data)) + data)
            self._pipe.flush()


class Reader(Generic[T]):
    """Reads messages from a pipe; for one thread.

    Args:
        pipe: Where they come from.
        kind: Their type, a union.
    """

    def __init__(self, pipe: BinaryIO, kind: type[T]) -> None:
        self._pipe = pipe
        self._decoder = msgspec.json.Decoder(kind)

    def read(self) -> T | None:
        """The next message; None if the other side has ended, in the middle of one or not."""
        head = self._pipe.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(head)
        data = self._pipe.read(length)
        return self._decoder.decode(data) if len(data) == length else None


def as_arguments(load: Load) -> Mapping[str, Any]:
    """Keyword arguments of `llama.load_llama`, but for path and plan."""
    return {
        "template": load.template,
        "embedding": load.embedding,
        "mean_pooling": load.mean_pooling,
        "adapters": load.adapters,
        "projector": load.projector,
    }
