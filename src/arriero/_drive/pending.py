"""The coroutine of an async call, which says what to write when ``await`` was forgotten."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class PendingCall(collections.abc.Coroutine[Any, Any, T]):
    """The coroutine of a call, which says what to write when ``await`` was forgotten."""

    __slots__ = ("_coroutine", "_name")

    def __init__(self, coroutine: Coroutine[Any, Any, T], name: str) -> None:
        self._coroutine = coroutine
        self._name = name

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """Resume the coroutine."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise inside the coroutine."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """End the coroutine."""
        self._coroutine.close()

    def _refuse(self, instead: str) -> NoReturn:
        self._coroutine.close()
        raise TypeError(f"AsyncClient.{self._name}() was not awaited: write '{instead}'")

    def __aiter__(self) -> NoReturn:
        self._refuse(f"async for part in await client.{self._name}(...)")

    def __iter__(self) -> NoReturn:
        self._refuse(f"async for part in await client.{self._name}(...)")

    def __aenter__(self) -> NoReturn:
        self._refuse(f"async with await client.{self._name}(...) as stream")

    def __enter__(self) -> NoReturn:
        self._refuse(f"async with await client.{self._name}(...) as stream")

    def __aexit__(self, *exc: object) -> NoReturn:
        raise AssertionError("not entered")

    def __exit__(self, *exc: object) -> None:
        """Never reached; without it, Python's own message would hide ours."""

    def __getitem__(self, key: object) -> NoReturn:
        self._refuse(f"(await client.{self._name}(...))[{key!r}]")

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "cr_", "gi_", "ag_")):  # what Python itself looks for
            return getattr(self._coroutine, name)
        return self._refuse(f"(await client.{self._name}(...)).{name}")


def pending(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Have a coroutine function give `PendingCall`s; it still says that it is one."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> PendingCall[Any]:
        return PendingCall(method(*args, **kwargs), method.__name__)

    # Frameworks ask before they decide whether to await.
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(call)
    else:
        marked: Any = call
        flags = marked.__code__.co_flags | inspect.CO_COROUTINE
        marked.__code__ = marked.__code__.replace(co_flags=flags)  # as `types.coroutine` does
    return call
