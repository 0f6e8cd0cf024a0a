"""How hard a transfer is tried: sizes, waits, and when it is enough."""

from __future__ import annotations

from dataclasses import dataclass

from ..store.parts import Part
from .messages import Lost, Stalled, StatusRefused, TransferFailed


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard and how long is tried.

    Attributes:
        streams: Parts of one blob on their way at once.
        least_part_bytes: No part is shorter, but the last.
        most_part_bytes: No part is longer.
        retries: Failures in a row, without a byte in between, that end a transfer.
        first_wait_s: Wait after the first of them; each further one is twice as long.
        stall_s: Silence after which a part is asked for anew, or sent anew if nothing was taken.
        tick_s: Between two progress records.
        look_s: Between two looks at a download of another process.

    Source of the first five: Ollama v0.33.0-rc2, server/download.go; there stalls are not
    counted, so a registry that never says anything holds a pull for ever.
    """

    streams: int = 16
    least_part_bytes: int = 100_000_000
    most_part_bytes: int = 1_000_000_000
    retries: int = 6
    first_wait_s: float = 1.0
    stall_s: float = 30.0
    tick_s: float = 0.06
    look_s: float = 0.2


def split(total: int, pace: Pace) -> list[Part]:
    """Cut a blob into parts."""
    size = min(max(total // pace.streams, pace.least_part_bytes), pace.most_part_bytes)
    starts = range(0, total, size)
    return [Part(at, start, min(size, total - start)) for at, start in enumerate(starts)]


def whole(total: int) -> list[Part]:
    """Leave a blob in one piece."""
    return [Part(0, 0, total)] if total else []


class Patience:
    """Counts failures in a row and says how long to wait after each."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._failures = 0

    def progressed(self) -> None:
        """Start counting anew: a byte has arrived."""
        self._failures = 0

    def wait_s(self, error: TransferFailed) -> float:
        """Tell how long to wait before the next try.

        Raises:
            TransferFailed: there should be none.
        """
        is_passing = isinstance(error, Lost) or (
            isinstance(error, StatusRefused) and error.is_passing
        )
        if not is_passing:
            raise error
        self._failures += 1
        if self._failures >= self._pace.retries:
            raise TransferFailed(f"max retries exceeded: {error}") from error
        # The silence was a wait already.
        return 0.0 if isinstance(error, Stalled) else self._wait_s()

    def _wait_s(self) -> float:
        return self._pace.first_wait_s * 2.0 ** (self._failures - 1)
