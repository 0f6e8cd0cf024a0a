"""Bytes, durations and times in words short enough for a column."""

from __future__ import annotations

from datetime import datetime

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def bytes_of(count: int | None) -> str:
    """Give a number of bytes in powers of 1000, such as ``4.7 GB``, as Ollama does."""
    from arriero.types.models import ByteSize

    return "-" if count is None else ByteSize(count).human_readable(decimal=True, separator=" ")


def duration_of(seconds: float) -> str:
    """Give a duration by its two largest units, such as ``1h 05m`` or ``42s``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def when(moment: datetime | None, now: datetime) -> str:
    """Give a time as seen from `now`, such as ``3 hours ago`` or ``in 4 minutes``.

    Args:
        moment: With a time zone, as the server sends it.
        now: With a time zone.
    """
    if moment is None:
        return "-"
    seconds = (moment - now).total_seconds()
    name, size = next((unit for unit in _UNITS if abs(seconds) >= unit[1]), _UNITS[-1])
    count = int(abs(seconds) // size)
    amount = f"{count} {name}{'' if count == 1 else 's'}"
    return f"in {amount}" if seconds > 0 else f"{amount} ago"


def counted(count: int, name: str) -> str:
    """Write a number with what is counted: ``1 model``, ``2 models``."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
