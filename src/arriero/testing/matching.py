"""Which questions a rule, a fault or an assertion is about."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from arriero.errors import RequestError
from arriero.names import InvalidName, parse_name, split_source
from arriero.server.engines.script import Question

Says: TypeAlias = str | re.Pattern[str] | Callable[[str], bool]
"""A piece of a text, a pattern found in it, or a function that decides."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a question must be like. What is None does not matter.

    Attributes:
        model: Its model; ``llama3.2`` and ``llama3.2:latest`` are one.
        says: What its last message says, see `Says`.
        tool: A tool it offers while it is not the result of a call.
        result_of: The tool whose result its last message is.
    """

    model: str | None = None
    says: Says | None = None
    tool: str | None = None
    result_of: str | None = None

    def __post_init__(self) -> None:
        """Refuse a model no request could name. Raises `RequestError`."""
        if self.model is not None and _folded(self.model) is None:
            raise RequestError(f"{self.model!r} is not a model name; use letters, digits, _ - .")

    def fits(self, question: Question) -> bool:
        """Tell whether a question is like that."""
        return (
            (self.model is None or _folded(self.model) == _folded(question.model))
            and (self.says is None or _says(self.says, question.text))
            and (self.tool is None or (self.tool in question.tools and not question.result_of))
            and (self.result_of is None or self.result_of == question.result_of)
        )

    def __str__(self) -> str:
        """The conditions, for messages."""
        given = {
            "model": self.model,
            "says": self.says,
            "tool": self.tool,
            "result_of": self.result_of,
        }
        return ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)


def _says(wanted: Says, text: str) -> bool:
    if isinstance(wanted, str):
        return wanted in text
    if isinstance(wanted, re.Pattern):
        return wanted.search(text) is not None
    return wanted(text)


def _folded(model: str) -> str | None:
    try:
        return parse_name(split_source(model.strip())[0]).folded
    except (InvalidName, ValueError):
        return None
