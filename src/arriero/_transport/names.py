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
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from concurrent.futures import Future

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
        return looked_up(host, port)
    question = asked(host, port)
    try:
        question.exception(max(0.0, until - monotonic()))
    except TimeoutError:
        raise UnansweredName(unanswered(host)) from None
    return answer_to(question)


def asked(host: str, port: int) -> Future[Addresses]:
    """Ask for a name, or join whoever does so already. Nobody can end the question."""
    from concurrent.futures import Future  # here, as it brings logging

    key = (os.getpid(), host, port)
    mine: Future[Addresses] = Future()
    found = _asking.setdefault(key, mine)
    if found is mine:
        _ask(key, mine)
    return found


def answer_to(question: Future[Addresses]) -> Addresses:
    """Give the answer to a question that is done. Raises OSError, UnicodeError: as above."""
    error = question.exception()
    if error is None:
        return question.result()
    raise copy.copy(error)  # one object must not be raised in many threads


def unanswered(host: str) -> str:
    """Say that the time is over, and the resolver still thinks."""
    return f"no answer to what the address of {host!r} is"


def is_known(host: str) -> bool:
    """Tell whether no name server has to be asked: for an address, or this machine (RFC 6761)."""
    return ":" in host or host == "localhost" or host.replace(".", "").isdigit()


def looked_up(host: str, port: int) -> Addresses:
    """Ask in place, which takes what it takes unless the host is known."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _ask(key: tuple[int, str, int], asked: Future[Addresses]) -> None:
    _, host, port = key

    def ask() -> None:
        try:
            found = looked_up(host, port)
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
