"""What the scripts of the core's tests are written with: a clock, a server, an ending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arriero._core.effects import Effect, Operation
from arriero._core.governor import Governor
from arriero._core.host import parse_host
from arriero._core.http import Fault, Head
from arriero._core.progress import Target
from arriero.settings import Timeouts

JSON = {"content-type": "application/json"}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def target(host: str = "http://server:80", *, clock: Clock | None = None, **more: Any) -> Target:
    """Give a client's knowledge of its server, with limits that are easy to add up.

    No policies, unless `more` names them.
    """
    settings: dict[str, Any] = {
        "headers": (),
        "user_agent": "test",
        "timeouts": Timeouts(connect_s=1, first_token_s=10, idle_s=5),
        "max_line_bytes": 1 << 20,
        **more,
    }
    clock = clock or Clock()
    names = ("retry", "limits", "breaker", "observers", "random", "answers", "shared")
    policies = {name: settings.pop(name) for name in names if name in settings}
    governor = Governor(clock=clock, **policies)
    return Target(base=parse_host(host), clock=clock, governor=governor, **settings)


def head(status: int = 200, **headers: str) -> Head:
    """Give the head of an answer; ``retry_after`` is written ``retry-after``."""
    return Head(status, {name.replace("_", "-"): value for name, value in headers.items()})


def returned(operation: Operation[Any], last: Any) -> Any:
    """Resume an operation with its last result, and give what it returns."""
    return ended(lambda: operation.send(last))


def ended(resume: Callable[[], Effect]) -> Any:
    """Give what an operation returns when `resume` runs it; fail if it asks for more."""
    try:
        effect = resume()
    except StopIteration as done:
        return done.value
    raise AssertionError(f"asked for {effect} instead of ending")


def lost(*, reused: bool = False, phase: Any = "head") -> Fault:
    """Give the fault of a connection that broke."""
    return Fault("lost", phase, "connection reset", reused=reused)
