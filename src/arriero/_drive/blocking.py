"""Sync calls where they stop an event loop."""

from __future__ import annotations

import sys
import warnings


class BlockingCallWarning(RuntimeWarning):
    """A sync call was made inside a running event loop, which it blocks."""


_warned = False


def warn_if_in_loop() -> None:
    """Warn once, at the caller's line, if this thread runs an event loop.

    Notebooks always run one and block it on purpose.
    """
    global _warned
    if _warned or "ipykernel" in sys.modules:
        return
    import asyncio

    # `get_running_loop` would raise at every call that is made where it should be.
    if asyncio._get_running_loop() is None:
        return
    _warned = True
    frame = sys._getframe(2)
    warnings.warn(
        f"Client.{frame.f_code.co_name}() blocks the running event loop; write"
        f" 'await AsyncClient().{frame.f_code.co_name}(...)' instead",
        BlockingCallWarning,
        stacklevel=4,
    )
