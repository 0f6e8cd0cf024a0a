"""The client behind the module-level functions."""

from __future__ import annotations

from typing import Any

from arriero._sync.client import Client

_LAZY = frozenset({"_arguments", "_closed", "_given_client", "_setup", "_target"})


class DefaultClient(Client):
    """A client that reads the environment when it is first used, not when it is made.

    ``from arriero import chat`` makes one; a wrong `OLLAMA_HOST` then fails the first
    call, where it can be handled, and not the import.
    """

    def __init__(self) -> None:
        pass  # deferred to the first use

    def __getattr__(self, name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        super().__init__()
        return self.__dict__[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return DefaultClient, ()


default_client = DefaultClient()
