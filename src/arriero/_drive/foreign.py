"""Errors that are also what existing handlers catch.

Code written for the `ollama` package catches `httpx.ConnectError` and `httpx.ReadTimeout`,
because they leak from it. Where httpx is loaded, ours inherit from the matching class.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from arriero.errors import ArrieroError, ConnectFailed, ConnectionLost, DeadlineExceeded


def recognisable(error: ArrieroError) -> ArrieroError:
    """Make `error` an instance of httpx's matching class too, if httpx is loaded."""
    httpx = sys.modules.get("httpx")
    if httpx is None:
        return error
    name = _matching(error)
    foreign = getattr(httpx, name, None) if name else None
    if isinstance(foreign, type):
        error.__class__ = _both(type(error), foreign)
        cast("Any", error)._request = None  # what httpx's own errors have
    return error


def _matching(error: ArrieroError) -> str | None:
    if type(error) is ConnectFailed:
        return "ConnectError"
    if type(error) is ConnectionLost:
        return "RemoteProtocolError"
    if type(error) is DeadlineExceeded:
        return "ConnectTimeout" if error.phase == "connect" else "ReadTimeout"
    return None


_made: dict[tuple[type, type], type[ArrieroError]] = {}


def _both(ours: type[ArrieroError], theirs: type) -> type[ArrieroError]:
    made = _made.get((ours, theirs))
    if made is not None:
        return made

    def reduce(self: ArrieroError) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name != "_request"}
        return ours, self.args, state

    namespace = {
        "__doc__": ours.__doc__,
        "__module__": ours.__module__,
        "__qualname__": ours.__qualname__,
        "__reduce__": reduce,  # a class made here cannot be found by name
    }
    made = cast("type[ArrieroError]", type(ours.__name__, (ours, theirs), namespace))
    return _made.setdefault((ours, theirs), made)
