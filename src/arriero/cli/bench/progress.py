"""A count of what is done, where somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arriero.cli.bench.load import Level
    from arriero.cli.output import Output


@contextmanager
def counting(out: Output, level: Level, requests: int) -> Generator[Callable[[], None]]:
    """Give a function to call after each request; it shows how far `level` is."""
    if out.quiet or out.as_json or not out.errors.is_terminal or out.errors.is_dumb_terminal:
        yield lambda: None
        return

    def told() -> str:
        return f"{len(level.answers) + len(level.failures)} of {requests} requests"

    # One drawing for each request: a spinner would take time from what is measured.
    with out.errors.status(told(), refresh_per_second=0.5) as status:
        yield lambda: status.update(told())
