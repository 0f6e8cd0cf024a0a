"""The embedded server: Ollama's protocol over llama.cpp.

Needs the extra ``server``. Importing this loads nothing else; names are fetched at first use, so
that the process of a model need not load the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import Application, RequestLine
    from .foreground import run
    from .running import Models, Server, create_app, serve

__all__ = ("Application", "Models", "RequestLine", "Server", "create_app", "run", "serve")

_HOMES = {"Application": "app", "RequestLine": "app", "run": "foreground"}


def __getattr__(name: str) -> object:
    """Fetch a public name at first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'running')}", __name__), name)
