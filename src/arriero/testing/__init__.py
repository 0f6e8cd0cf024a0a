"""Test doubles for code that talks to Ollama, over real sockets and for any client.

* `ScriptedServer`: answers by rule, needs no model.
* `FaultProxy`: stands in front of a real server and spoils what it says.
* `Cassette`: records a real server and plays it back.
* `faults`: what can go wrong, for all three.

Needs the extra ``testing``. The pytest fixtures are in `arriero.testing.plugin`, which pytest
finds by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import faults
    from .cassette import Cassette
    from .matching import Match
    from .proxy import FaultProxy
    from .received import Received
    from .rules import Rule
    from .scripted import ScriptedServer

_PLACES = {
    "Cassette": "cassette",
    "FaultProxy": "proxy",
    "Match": "matching",
    "Received": "received",
    "Rule": "rules",
    "ScriptedServer": "scripted",
}

__all__ = (
    "Cassette",
    "FaultProxy",
    "Match",
    "Received",
    "Rule",
    "ScriptedServer",
    "faults",
)


def __getattr__(name: str) -> Any:
    """Fetch a name when it is first used: pytest imports this package at every start."""
    import importlib

    if name not in _PLACES and name != "faults":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .controlled import require_extra

    require_extra()
    if name == "faults":
        return importlib.import_module(f"{__name__}.faults")
    value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
