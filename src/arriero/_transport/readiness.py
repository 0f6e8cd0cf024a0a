"""What a socket would do at once, asked of the system."""

from __future__ import annotations

import math
import select


def is_ready(number: int, wait_s: float | None, *, or_for_writing: bool = False) -> bool:
    """Say whether a socket has something to read, its end included.

    Args:
        number: The socket's file number.
        wait_s: How long to wait for it; 0 does not, None as long as it takes.
        or_for_writing: True if it also counts, and ends the wait, that it takes what is
            written.
    """
    if not hasattr(select, "poll"):  # Windows, where `select` takes any number; gevent
        writing = [number] if or_for_writing else []
        return any(select.select([number], writing, writing, wait_s))
    asking = select.poll()
    asking.register(number, select.POLLIN | select.POLLOUT if or_for_writing else select.POLLIN)
    return bool(asking.poll(None if wait_s is None else math.ceil(wait_s * 1000)))
