"""Answers of calls that nothing is known of."""

from dataclasses import dataclass
from typing import Any

import msgspec

from arriero.errors import ProtocolError
from arriero.types.record import Record


class RawRecord(Record):
    """A record of a stream nothing is known of; all of its fields are there by name."""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A whole answer, as it came."""

    status: int
    headers: dict[str, str]
    """Lower-case names."""
    content: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 become U+FFFD."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Decode the body.

        Raises:
            ProtocolError: it is no JSON.
        """
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
            raise ProtocolError(f"the body is no JSON: {cause}") from cause
