"""What `ensure` is told, and what it tells."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arriero.errors import RequestError


@dataclass(frozen=True, slots=True)
class PullPolicy:
    """How long a pull that goes wrong is tried again. A pull resumes where it stopped."""

    attempts: int = 5
    """Tries in a row that bring nothing new; one that brought bytes starts the count anew."""
    first_wait_s: float = 1.0
    """Wait before the second try; doubled for each further one."""
    max_wait_s: float = 30.0
    """Longest wait between tries."""
    stall_s: float | None = 60.0
    """Longest time without a new byte before a try is broken off; None waits for ever. The
    server restarts a part that stands still for 30 s by itself."""

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or self.attempts < 1:
            raise RequestError(f"PullPolicy.attempts takes 1 or more, not {self.attempts!r}")
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if field.name == "stall_s" and value is None:
                continue
            if isinstance(value, bool) or not (0 < value < math.inf):
                raise RequestError(f"PullPolicy.{field.name} takes seconds above 0, not {value!r}")

    def wait_s(self, failures: int) -> float:
        """Give the wait after so many fruitless tries in a row."""
        # 2**64 would be no float sooner than any list of attempts ends.
        return min(self.max_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 60))


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """A question a model has to answer before it is trusted.

    An embedding model is given `prompt` to embed, and passes with a vector of finite numbers
    that are not all zero.
    """

    prompt: str
    expect: str | None = None
    """Regular expression that has to be found in the answer; None is content with any text."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    """Added to ``temperature`` 0, ``seed`` 1 and ``num_predict`` 64."""
    timeout_s: float = 300.0
    """For loading the model and for the whole answer."""

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise RequestError("SmokeTest.prompt is required")
        if isinstance(self.timeout_s, bool) or not self.timeout_s > 0:
            raise RequestError(f"SmokeTest.timeout_s takes seconds above 0, not {self.timeout_s!r}")
        try:
            re.compile(self.expect or "")
        except re.error as cause:
            raise RequestError(
                f"SmokeTest.expect: {self.expect!r} is no regular expression: {cause}"
            ) from cause


@dataclass(frozen=True, slots=True)
class EnsureResponse:
    """A model that is there, and what it took."""

    model: str
    """Its name with tag, as the server lists it."""
    digest: str
    """``sha256:`` and 64 hex digits: the digest of its manifest."""
    size: int
    """Bytes on disk."""
    pulled: bool
    """False if it was there already."""
    attempts: int = 0
    """How often the pull was sent; 0 if never."""
