"""`Ticket`: something a call waits for, and how whoever waits is woken."""

from __future__ import annotations

from collections.abc import Callable


class Ticket:
    """Becomes ready once. One waits for it, any thread may make it ready.

    Attributes:
        is_ready: True from then on.
    """

    __slots__ = ("_wake", "is_ready")

    def __init__(self) -> None:
        self.is_ready = False
        self._wake: Callable[[], None] | None = None

    def ready(self) -> None:
        """Make it ready, and wake whoever waits."""
        self.is_ready = True
        wake = self._wake
        if wake is not None:
            wake()

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called when it is ready, at once if it is already.

        Called twice if both sides come at the same time: without a lock, that is the side
        to err on.
        """
        self._wake = wake
        if self.is_ready:
            wake()
