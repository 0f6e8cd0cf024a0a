"""Where questions come from: a line editor on a terminal, plain lines otherwise.

The editor is prompt_toolkit: it takes pasted text of many lines as one question, which
readline cannot, works on Windows, and is kept in good repair.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from arriero.cli.inputs import lines_of

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

_FENCE = '"""'


class Reader(Protocol):
    """Gives questions until there are no more."""

    def read(self) -> str | None:
        """Give the next question; None at the end. Raises KeyboardInterrupt at Ctrl-C."""


class Lines:
    """Questions from a pipe or a file: a line each, or several between triple quotes."""

    def __init__(self, file: Iterable[bytes], name: str = "stdin") -> None:
        self._lines: Iterator[str] = lines_of(file, name)

    def read(self) -> str | None:
        """Give the next question."""
        text = next(self._lines, None)
        while text is not None and is_open(text):
            more = next(self._lines, None)
            if more is None:
                break
            text += f"\n{more}"
        return None if text is None else unfenced(text)


class Editor:
    """Questions typed at a terminal, with history, completion and several lines.

    Args:
        commands: Words to complete, with their meanings.
        history: File to keep questions in; None keeps them for this session only.
    """

    def __init__(self, commands: dict[str, str], history: Path | None) -> None:
        self._session = _session(commands, history)

    def read(self) -> str | None:
        """Give the next question."""
        try:
            return unfenced(self._session.prompt(">>> ", prompt_continuation="... "))
        except EOFError:
            return None


def _session(commands: dict[str, str], history: Path | None) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    return PromptSession(
        history=InMemoryHistory() if history is None else FileHistory(history),
        completer=WordCompleter(list(commands), meta_dict=commands, sentence=True),
        complete_while_typing=False,
        enable_history_search=True,
        enable_open_in_editor=True,
        multiline=True,
        key_bindings=_keys(),
    )


def _keys() -> Any:
    """Let Enter send, except inside triple quotes; Alt-Enter makes a new line.

    Ctrl-J is Enter: that is what the terminal makes of it when it is typed ahead.
    """
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter")
    @keys.add("c-j")
    def _(event: Any) -> None:
        if is_open(event.current_buffer.text):
            event.current_buffer.insert_text("\n")
        else:
            event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: Any) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def is_open(text: str) -> bool:
    """Tell whether triple quotes were opened and not closed."""
    stripped = text.strip()
    if not stripped.startswith(_FENCE):
        return False
    return len(stripped) < 2 * len(_FENCE) or not stripped.endswith(_FENCE)


def unfenced(text: str) -> str:
    """Give a question without the triple quotes around it."""
    stripped = text.strip()
    if not stripped.startswith(_FENCE):
        return stripped
    return stripped.removeprefix(_FENCE).removesuffix(_FENCE).strip("\n")


def history_file() -> Path | None:
    """Give the file with earlier questions, in a folder only its owner can read.

    None if `OLLAMA_NOHISTORY` is set, or there is no such folder to be had.
    """
    from platformdirs import user_state_path

    if os.environ.get("OLLAMA_NOHISTORY", "").lower() not in ("", "0", "f", "false"):
        return None
    folder = user_state_path("arriero")
    path = folder / "chat_history"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError:
        return None
    return path


def reader_of(commands: dict[str, str], *, keeps_history: bool) -> Reader:
    """Give the reader that fits what stdin is."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return Editor(commands, history_file() if keeps_history else None)
    return Lines(sys.stdin.buffer)
