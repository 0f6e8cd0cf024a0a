"""What the operations of this room ask their driver for.

They decide over the answers of one host and the journal, and act on neither: a driver runs
the calls on its client and the entries on its journal. So a test can stop them anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from arriero._core.calls import Call
from arriero._core.effects import Operation
from arriero._core.governed import whole
from arriero._core.progress import Target
from arriero.errors import ArrieroError

if TYPE_CHECKING:
    from arriero.lifecycle.journal import Journal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Run an operation of the core on the host. Resumed with its result, or its error."""

    make: Callable[[Target], Operation[Any]]


@dataclass(frozen=True, slots=True)
class Note:
    """Do something with the journal. Resumed with what it gives."""

    act: Callable[[Journal], Any]


class Stopped(ArrieroError):
    """Thrown into work that shall end: it undoes what it began, and begins nothing more.

    It stays in this room: drivers go on with the signal or the cancelling that was its cause.
    """

    def __init__(self) -> None:
        super().__init__("stopped before it was done")


Work: TypeAlias = Generator[Ask | Note, Any, T]


def asked(call: Call[T]) -> Work[T]:
    """Make one call, and give its answer."""
    answer: T = yield Ask(partial(whole, call))
    return answer


def noted(act: Callable[[Journal], T]) -> Work[T]:
    """Do something with the journal, and give what it gives."""
    made: T = yield Note(act)
    return made
