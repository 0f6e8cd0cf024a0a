"""Play a registry by script: answers in, requests out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from arriero.names import parse_name
from arriero.server.registry.challenge import Credentials
from arriero.server.registry.messages import Answer, Lost, Operation, Request
from arriero.server.registry.session import Access, Session

LLAMA = Credentials("llama", "wool")


def session(
    name: str = "reg.example/flock/ewe:v1",
    *,
    insecure: bool = False,
    credentials: Credentials | None = None,
) -> Session:
    """A session with a registry nobody has talked to yet."""
    return Session(parse_name(name), Access(insecure, credentials, "test"))


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """An answer; ``content_range`` is written ``content-range``."""
    return Answer(status, {name.replace("_", "-"): one for name, one in headers.items()}, body)


def challenge(text: str) -> Answer:
    """A 401."""
    return answer(401, www_authenticate=text)


@dataclass
class Played:
    """What came of an operation.

    Attributes:
        result: What it returned; None if it failed.
        error: What it raised; None if it did not.
        requests: What it asked.
    """

    requests: list[Request] = field(default_factory=list)
    result: Any = None
    error: Exception | None = None

    @property
    def asked(self) -> list[str]:
        """Methods and URLs."""
        return [f"{one.method} {one.url}" for one in self.requests]

    def proofs(self) -> list[str | None]:
        """The `Authorization` of each request."""
        return [dict(one.headers).get("Authorization") for one in self.requests]


def play(operation: Operation[Any], answers: Sequence[Answer | Lost]) -> Played:
    """Run an operation against a registry that gives these answers, all of them."""
    played, left = Played(), list(answers)
    try:
        played.requests.append(next(operation))
        while True:
            assert left, f"asked too often: {played.asked}"
            given = left.pop(0)
            if isinstance(given, Lost):
                played.requests.append(operation.throw(given))
            else:
                played.requests.append(operation.send(given))
    except StopIteration as done:
        played.result = done.value
    except AssertionError:
        raise
    except Exception as error:
        played.error = error
    assert not left, f"never asked for {left}"
    return played
