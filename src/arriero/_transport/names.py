"""Names of hosts into addresses, within an absolute deadline.

The system's resolver takes its own time, which nobody can shorten: a name server that is gone
costs half a minute. So a name is asked for in a thread, and whoever wants it waits as long as
there is time. Callers that want the same name at the same time share one thread, so a
resolver that hangs costs one for each name. Addresses written as such, and this machine, cost
no thread.
"""

from __future__ import annotations

import copy
import os
import socket
import threading
from concurrent.futures import Future
from time import monotonic
from typing import Any, TypeAlias

Addresses: TypeAlias = "list[tuple[Any, Any, int, str, Any]]"
"""As `socket.getaddrinfo` gives them."""

_asking: dict[tuple[int, str, int], Future[Addresses]] = {}
"""What is being asked for; with the process, as threads do not live on in a child."""


class UnansweredName(TimeoutError):
    """The time is over, and the resolver still thinks."""


def addresses_of(host: str, port: int, until: float | None) -> Addresses:
    """Give the addresses of a host.

    Raises:
        UnansweredName: `until` passed.
        OSError: there is no such name.
        UnicodeError: there can be none.
    """
    if until is None or is_known(host):
        return _looked_up(host, port)
    key = (os.getpid(), host, port)
    mine: Future[Addresses] = Future()
    found = _asking.setdefault(key, mine)
    if found is mine:
        _ask(key, mine)
    try:
        return found.result(max(0.0, until - monotonic()))
    except TimeoutError:
        if not found.done():
            raise UnansweredName(f"no answer to what the address of {host!r} is") from None
        raise
    except (OSError, UnicodeError) as error:
        raise copy.copy(error) from None  # one object must not be raised in many threads


def is_known(host: str) -> bool:
    """Tell whether no name server has to be asked: for an address, or this machine (RFC 6761)."""
    return ":" in host or host == "localhost" or host.replace(".", "").isdigit()


def _looked_up(host: str, port: int) -> Addresses:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _ask(key: tuple[int, str, int], asked: Future[Addresses]) -> None:
    _, host, port = key

    def ask() -> None:
        try:
            found = _looked_up(host, port)
        except BaseException as error:
            _asking.pop(key, None)
            asked.set_exception(error)
        else:
            _asking.pop(key, None)
            asked.set_result(found)

    try:
        threading.Thread(target=ask, name="arriero-names", daemon=True).start()
    except RuntimeError:  # there are no more threads, or the interpreter is ending
        ask()
