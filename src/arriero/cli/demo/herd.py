"""Ten streams on the screen at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from arriero import ChatResponse

_TAIL_CHARS = 48
_PER_S = 15


class Telling:
    """What has arrived of several streams.

    Attributes:
        tokens: All tokens so far.
        ended: Streams that came to their proper end.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._counts = [0] * len(names)
        self._tails = [""] * len(names)
        self.tokens = 0
        self.ended = 0

    def hear(self, number: int, part: ChatResponse) -> None:
        """Take in a part of the stream `number`."""
        text = (part.message.content or "").replace("\n", " ")
        self._tails[number] = (self._tails[number] + text)[-_TAIL_CHARS:]
        if text:
            self._counts[number] += 1
            self.tokens += 1
        if part.done:
            self.ended += 1

    def shown_on(self, console: Console) -> Live:
        """Give a context in which the streams are shown as they grow; a pipe gets the end."""
        return Live(
            console=console,
            get_renderable=self._table,
            refresh_per_second=_PER_S,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        most = max(1, *self._counts)
        for name, count, tail in zip(self._names, self._counts, self._tails, strict=True):
            bar = "#" * round(16 * count / most)
            table.add_row(
                Text(f"{name:>9} ", "cyan"),
                Text(f"{count:4} tokens"),
                Text(f"{bar:<16}", "green"),
                Text(f"...{tail}", "dim", no_wrap=True, overflow="crop"),
            )
        return table
