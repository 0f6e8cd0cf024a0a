"""Pull a model that a call asks for and its server lacks: `Client(auto_pull=...)`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import cast

from arriero._core.api.ensure import ensure
from arriero._core.effects import Operation
from arriero._core.governor import Governor
from arriero._core.progress import Provide, Target
from arriero._core.registry import checked_name
from arriero.errors import RequestError
from arriero.settings import Timeouts


def provider(allowed: object) -> Provide:
    """Give what pulls a missing model if it may be pulled.

    Args:
        allowed: True for every model, or an iterable of names; ``*`` stands for any characters.

    Raises:
        RequestError: neither, or a name that can never match.
    """
    patterns = _patterns(allowed)

    def provide(target: Target, model: str, timeouts: Timeouts) -> Operation[bool]:
        name = checked_name(model, "auto_pull")
        if not any(fnmatchcase(name.folded, pattern) for pattern in patterns):
            return False
        # Within the permit and the time of the call that waits for it.
        free = dataclasses.replace(target, governor=Governor(clock=target.clock), provide=None)
        yield from ensure(free, model, timeouts=timeouts)
        return True

    return provide


def _patterns(allowed: object) -> tuple[str, ...]:
    if allowed is True:
        return ("*",)
    if isinstance(allowed, str) or not isinstance(allowed, Iterable):
        raise RequestError(f"auto_pull: True, or a list of model names, not {allowed!r}")
    made: list[str] = []
    for name in cast("Iterable[object]", allowed):
        if not isinstance(name, str):
            raise RequestError(f"auto_pull: names are texts, not {type(name).__name__}")
        # A star is no letter of a name; what stands for it while the name is read is one.
        made.append(checked_name(name.replace("*", _STAR), "auto_pull").folded.replace(_STAR, "*"))
    return tuple(made)


_STAR = "0any0"
