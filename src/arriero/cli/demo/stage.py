"""What the demo puts on the screen: colours on a terminal, plain text in a pipe."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from arriero import Client

_MARGIN = 11


class Stage:
    """Where scenes show themselves."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._column = 0
        self._word = ""

    def opening(self, url: str, client: Client) -> None:
        """Say what runs where."""
        names = ", ".join(str(model.model) for model in client.list().models)
        self.note(
            f"arriero's embedded server speaks Ollama's protocol at {url}, in this program.\n"
            f"Models: {names}. They are one file of 2.2 million parameters, a toy that knows"
            " llamas and little else; the answers are real inference by llama.cpp."
        )

    def title(self, text: str) -> None:
        """Begin a section."""
        self.console.print()
        self.console.rule(Text(text, "bold"), align="left", characters=self._dash())

    def _dash(self) -> str:
        return "-" if self.console.options.ascii_only else "\N{BOX DRAWINGS LIGHT HORIZONTAL}"

    def code(self, *parts: Callable[..., Any] | type) -> None:
        """Show the source of what is about to run."""
        text = "\n\n".join(textwrap.dedent(inspect.getsource(part)).rstrip() for part in parts)
        text = textwrap.indent(text, "    ") + "\n"
        if self.console.is_terminal:
            self.console.print(
                Syntax(text, "python", theme="ansi_dark", background_color="default")
            )
        else:
            self.console.print(Text(text), soft_wrap=True)

    def said(self, who: str, text: str) -> None:
        """Show a whole message, or anything else that has a name."""
        self.speaker(who)
        self.piece(text)
        self.end_of_message()

    def speaker(self, who: str) -> None:
        """Begin a message that arrives in pieces; see `piece`."""
        self.console.print(Text(f"{who:>{_MARGIN - 2}}  ", "cyan"), end="")
        self._column = _MARGIN

    def piece(self, text: str, *, dim: bool = False) -> None:
        """Show a piece of a message where the last one ended, word by word."""
        style = "dim" if dim else ""
        for char in text:
            if char.isspace():
                self._end_word(style)
            self._word += char
        self.console.file.flush()

    def end_of_message(self, *, dim: bool = False) -> None:
        """End a message that arrived in pieces."""
        self._end_word("dim" if dim else "")
        self.console.print()

    def _end_word(self, style: str) -> None:
        """Show the word that has been collected, the blank before it included."""
        word, self._word = self._word, ""
        if self._column + len(word) > self.console.width:
            word = word.lstrip()
            self._out("\n" + " " * _MARGIN)
            self._column = _MARGIN
        self._out(word, style)
        self._column += len(word)

    def _out(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style), end="", soft_wrap=True)

    def note(self, text: str) -> None:
        """Show a remark or a measurement."""
        self.console.print(Text(text, "italic"))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table whose first column is text and whose others are numbers."""
        table = Table(box=None, pad_edge=False, padding=(0, 1))
        table.add_column(head[0], no_wrap=True)
        for name in head[1:]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def failed(self, text: str) -> None:
        """Say that a scene failed."""
        self.console.print(Text(f"FAILED  {text}", "bold red"))

    def closing(self, seconds: float, failures: int) -> None:
        """Say how it went."""
        self.console.print()
        self.console.rule(characters=self._dash())
        if failures:
            self.failed(f"{failures} of the sections above failed.")
        else:
            self.note(f"All of it in {seconds:.1f} s. Next: arriero serve, and README.md.")
