"""The closed set of things an operation may ask its driver to do.

An operation is a generator: it yields an effect, is resumed with the effect's result, or
has a `Fault` thrown into it, and returns its value. Times are absolute, by the clock the
driver gave the operation; None has no limit.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from arriero._core.http import Request
from arriero._core.images import ImageSource

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and read the head of its answer. Resumed with a `Head`."""

    request: Request
    connect_s: float | None
    until: float | None


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the rest of the answer that is open. Resumed with bytes; the answer is closed."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the answer that is open, unread. Resumed with None."""


@dataclass(frozen=True, slots=True)
class LoadImage:
    """Read an image's bytes. Resumed with them, or has OSError thrown in."""

    source: ImageSource


@dataclass(frozen=True, slots=True)
class HashFile:
    """Read a file once. Resumed with (``sha256:...``, size in bytes), or has OSError thrown in."""

    path: str


@dataclass(frozen=True, slots=True)
class Authorize:
    """Call the user's token provider. Resumed with the token."""


Effect: TypeAlias = Send | ReadBody | Drop | LoadImage | HashFile | Authorize
Operation: TypeAlias = Generator[Effect, Any, T]
