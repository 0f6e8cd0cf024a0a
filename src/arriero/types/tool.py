"""Tool definitions, as classes for code that builds them by hand.

A dict is sent as it is; these classes keep every keyword they do not name.

Source: Ollama v0.33.0-rc2, `api/types.go` Tool, ToolFunction, ToolProperty.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from arriero.types.record import Record


class Tool(Record, omit_defaults=False):
    """A function the model may ask to have called."""

    class Function(Record):
        """Its name, purpose and parameters."""

        class Parameters(Record, omit_defaults=False):
            """JSON Schema of its arguments: always an object."""

            class Property(Record):
                """JSON Schema of one argument."""

                type: str | Sequence[str] | None = None
                items: Any = None
                description: str | None = None
                enum: Sequence[Any] | None = None

            type: str | None = "object"
            defs: Any = msgspec.field(name="$defs", default=None)
            items: Any = None
            required: Sequence[str] | None = None
            properties: dict[str, Property] | None = None

        name: str | None = None
        description: str | None = None
        parameters: Parameters | None = None

    type: str | None = "function"
    function: Function | None = None
