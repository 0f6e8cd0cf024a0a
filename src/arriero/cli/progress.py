"""Progress of pull, push and create: bars on a terminal, lines in a log, JSON for programs.

Progress goes to stderr, except as JSON, where the records are the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from arriero.cli.amounts import bytes_of, duration_of
from arriero.cli.printable import printable
from arriero.errors import StreamFailed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from arriero import ProgressResponse
    from arriero.cli.output import Output


class Progress(Protocol):
    """Somewhere to show the steps of a transfer; used in ``with``."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def take(self, step: ProgressResponse) -> None:
        """Show one step."""


def progress_of(out: Output) -> Progress:
    """Give the way of showing progress that fits `out`."""
    if out.quiet:
        return Silence()
    if out.as_json:
        return JsonLines(out)
    if out.errors.is_terminal and not out.errors.is_dumb_terminal:
        return Bars(out)
    return Lines(lambda text: out.errors.print(text, soft_wrap=True))


def follow(out: Output, steps: Iterable[ProgressResponse]) -> None:
    """Show steps as they come, to the end or to the error that ends them."""
    with progress_of(out) as progress:
        for step in steps:
            progress.take(step)


def follow_pull(out: Output, model: str, steps: Iterable[ProgressResponse]) -> None:
    """Show the steps of a pull; an error says what a registry or a disk means by it."""
    from arriero._core.pulling import Advance, reason_of

    advance = Advance(0.0)

    def seen() -> Iterator[ProgressResponse]:
        for step in steps:
            advance.take(step, 0.0)
            yield step

    try:
        follow(out, seen())
    except StreamFailed as error:
        reason = reason_of(error, model, advance)
        if reason is error:
            raise
        raise reason from error


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def take(self, step: ProgressResponse) -> None:
        """Show nothing."""


class JsonLines(Silence):
    """Each step as the server sent it, a line of JSON."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def take(self, step: ProgressResponse) -> None:
        """Write one line."""
        self._out.line(step.model_dump(exclude_none=True))


@dataclass
class _Layer:
    """How far one layer has come, for `Lines`."""

    began_s: float
    began_bytes: int
    told_s: float
    is_done: bool = False


class Lines(Silence):
    """Plain lines: each new step, and of a layer every tenth second and its end.

    Args:
        write: Takes a line.
        clock: Seconds, monotonic.
    """

    every_s = 10.0

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._layers: dict[str, _Layer] = {}
        self._status = ""

    def take(self, step: ProgressResponse) -> None:
        """Write a line, if there is something new to say."""
        status = printable(step.status or "")
        if not step.total:
            if status != self._status:
                self._write(status)
            self._status = status
            return
        self._status = status
        self._take_layer(step.digest or status, status, step.completed or 0, step.total)

    def _take_layer(self, key: str, status: str, completed: int, total: int) -> None:
        now = self._clock()
        layer = self._layers.get(key)
        is_new = layer is None
        if layer is None:
            layer = self._layers[key] = _Layer(now, completed, now)
        is_done = completed >= total
        if layer.is_done or not (is_new or is_done or now - layer.told_s >= self.every_s):
            return
        layer.told_s, layer.is_done = now, is_done
        self._write(f"{status}: {_amount(layer, completed, total, now)}")


def _amount(layer: _Layer, completed: int, total: int, now: float) -> str:
    share = f"{bytes_of(completed)} of {bytes_of(total)} ({completed * 100 // total}%)"
    spent_s, moved = now - layer.began_s, completed - layer.began_bytes
    if moved <= 0 or spent_s <= 0:
        return share
    rate = moved / spent_s
    left = f", {duration_of((total - completed) / rate)} left" if completed < total else ""
    return f"{share}, {bytes_of(int(rate))}/s{left}"


class Bars(Silence):
    """A bar for each layer, with its rate and the time left; other steps are lines.

    Everything stays on the screen in the order in which it came.
    """

    def __init__(self, out: Output) -> None:
        self._console = out.errors
        self._bars: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._status = ""

    def __exit__(self, *exc: object) -> None:
        self._end_bars()

    def take(self, step: ProgressResponse) -> None:
        """Move a bar, or write a line below them."""
        status = printable(step.status or "")
        if step.total:
            self._move(step.digest or status, status, step.completed or 0, step.total)
        elif status != self._status:
            self._end_bars()
            self._console.print(status, soft_wrap=True, markup=False)
        self._status = status

    def _move(self, key: str, status: str, completed: int, total: int) -> None:
        if self._bars is None:
            self._bars = _bars_on(self._console)
            self._bars.start()
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(status, total=total)
        self._bars.update(self._tasks[key], completed=completed, total=total)

    def _end_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars = None
        self._tasks.clear()


def _bars_on(console: Console) -> RichProgress:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    # Never as wide as the terminal: it shows Ctrl-C as ^C behind the cursor, and a line that
    # wraps is drawn twice.
    bar = [BarColumn(bar_width=20), DownloadColumn()] if console.width >= 80 else []
    rate = [TransferSpeedColumn()] if console.width >= 50 else []
    return RichProgress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        TextColumn("{task.percentage:>3.0f}%"),
        *bar,
        *rate,
        TimeRemainingColumn(compact=True),
        console=console,
    )
