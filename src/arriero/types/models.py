"""Models: lists, details, running ones, progress of pull, push and create.

Source: Ollama v0.33.0-rc2, `api/types.go` ListResponse, ShowResponse, ProcessResponse,
ProgressResponse.
"""

from datetime import datetime
from typing import Any

import msgspec

from arriero.types.chat import Message
from arriero.types.record import Record


class ByteSize(int):
    """A number of bytes that can say itself in larger units."""

    def human_readable(self, decimal: bool = False, separator: str = "") -> str:
        """Give it as text, such as ``2.3MiB``; `decimal` counts in powers of 1000."""
        step, units = (1000, "kMGTPE") if decimal else (1024, "KMGTPE")
        value, unit = float(self), ""
        for letter in units:
            if abs(value) < step:
                break
            value, unit = value / step, letter if decimal else f"{letter}i"
        return f"{value:.1f}{separator}{unit}B" if unit else f"{int(value)}{separator}B"


def _sized(value: int | None) -> ByteSize | None:
    return None if value is None else ByteSize(value)


class ModelDetails(Record):
    """What a model is made of."""

    parent_model: str | None = None
    format: str | None = None
    """``gguf`` or ``safetensors``."""
    family: str | None = None
    families: list[str] | None = None
    parameter_size: str | None = None
    """As text, such as ``8.0B``."""
    quantization_level: str | None = None
    """Such as ``Q4_K_M``."""
    context_length: int | None = None
    embedding_length: int | None = None


class ListResponse(Record):
    """The models a server has, newest first."""

    class Model(Record):
        """One of them."""

        name: str | None = None
        model: str | None = None
        """The same as `name`, tag included."""
        remote_model: str | None = None
        remote_host: str | None = None
        """Set for a model that runs elsewhere: using it sends prompts there."""
        modified_at: datetime | None = None
        size: int | None = None
        """Bytes on disk, as `ByteSize`."""
        digest: str | None = None
        """SHA-256 of the manifest, 64 hex digits."""
        details: ModelDetails | None = None
        capabilities: list[str] | None = None
        """A cheap guess; `show` knows better."""

        def __post_init__(self) -> None:
            self.size = _sized(self.size)

    models: list[Model] = []


class ProcessResponse(Record):
    """The models a server has loaded."""

    class Model(Record):
        """One of them."""

        name: str | None = None
        model: str | None = None
        size: int | None = None
        """Bytes in memory, as `ByteSize`."""
        digest: str | None = None
        details: ModelDetails | None = None
        expires_at: datetime | None = None
        """When it is unloaded if idle; may lie in the past while it works."""
        size_vram: int | None = None
        """Bytes of `size` on a GPU, as `ByteSize`; 0 runs on the CPU."""
        context_length: int | None = None
        """Tokens for each request."""

        def __post_init__(self) -> None:
            self.size = _sized(self.size)
            self.size_vram = _sized(self.size_vram)

    models: list[Model] = []


class ShowResponse(Record):
    """Everything a server says of one model."""

    license: str | None = None
    modelfile: str | None = None
    """A Modelfile that would make this model; its paths are the server's own."""
    parameters: str | None = None
    """A line for each, name and value; their order changes from call to call."""
    template: str | None = None
    system: str | None = None
    renderer: str | None = None
    parser: str | None = None
    details: ModelDetails | None = None
    messages: list[Message] | None = None
    remote_model: str | None = None
    remote_host: str | None = None
    modelinfo: dict[str, Any] = msgspec.field(name="model_info", default_factory=dict[str, Any])
    """Metadata of the weights; empty, never None, when the server sends none."""
    projector_info: dict[str, Any] | None = None
    tensors: list[dict[str, Any]] | None = None
    capabilities: list[str] | None = None
    """Such as ``completion``, ``tools``, ``thinking``, ``vision``, ``embedding``."""
    modified_at: datetime | None = None
    requires: str | None = None
    """Lowest server version the model asks for."""

    @property
    def model_info(self) -> dict[str, Any]:
        """The same as `modelinfo`, by its name on the wire."""
        return self.modelinfo

    @property
    def context_length(self) -> int | None:
        """Longest context the model was trained for, in tokens, if the metadata says."""
        architecture = self.modelinfo.get("general.architecture")
        value = self.modelinfo.get(f"{architecture}.context_length")
        return value if isinstance(value, int) else None


class StatusResponse(Record):
    """Outcome of a call that answers nothing else."""

    status: str | None = None


class ProgressResponse(StatusResponse):
    """A step of a pull, push or create.

    Layers may be skipped, `completed` may fall when a part is fetched again, and no total
    over all layers is announced.
    """

    digest: str | None = None
    total: int | None = None
    """Bytes of this layer."""
    completed: int | None = None
    """Bytes of this layer done; absent while 0."""
