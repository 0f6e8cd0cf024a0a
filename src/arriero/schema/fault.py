"""The two ways a type and a value can disappoint, inside this room.

Callers turn both into errors of `arriero.errors` that name the tool or the format.
"""

from __future__ import annotations


class NoSchema(Exception):
    """A type, parameter or default cannot be said in JSON Schema.

    Attributes:
        reason: What cannot be said.
        advice: What to write instead.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.reason}; {self.advice}"


class Misfit(ValueError):
    """A JSON value does not fit a type.

    Attributes:
        path: Where, from the outermost value, such as ``.items[0].name``; "" is all of it.
        reason: What is wrong there.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} at `${self.path}`" if self.path else self.reason


def kind_of(value: object) -> str:
    """Name the JSON type of `value`, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list() | tuple():
            return "an array"
        case dict():
            return "an object"
        case _:
            return type(value).__name__
