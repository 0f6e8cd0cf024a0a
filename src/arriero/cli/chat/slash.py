"""What begins with a slash is for the program, not for the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arriero.cli.models.catalogue import sheet_of
from arriero.cli.pairs import refuse_slip, value_of
from arriero.errors import RequestError

if TYPE_CHECKING:
    from arriero import Client
    from arriero.cli.chat.conversation import Conversation
    from arriero.cli.output import Output


@dataclass
class Desk:
    """What the commands act on."""

    out: Output
    client: Client
    conversation: Conversation
    shows_statistics: bool = False
    is_over: bool = False
    asks_again: bool = False
    """True if the last question is to be asked once more."""


@dataclass(frozen=True)
class Slash:
    """A command."""

    words: str
    """Its name, and what follows it."""
    help: str
    run: Callable[[Desk, str], None]

    @property
    def name(self) -> str:
        """The first word."""
        return self.words.split()[0]


def _set(desk: Desk, rest: str) -> None:
    options = desk.conversation.options
    name, _, text = rest.replace("=", " ", 1).partition(" ")
    if not name:
        shown = ", ".join(f"{key}={value}" for key, value in options.items())
        desk.out.remark(shown or "No options are set: the model's own hold.")
    elif text.strip():
        refuse_slip(name)
        options[name] = value_of(text.strip())
        desk.out.remark(f"{name} is {options[name]}.")
    else:
        options.pop(name, None)
        desk.out.remark(f"{name} is the model's own again.")


def _system(desk: Desk, rest: str) -> None:
    if not rest:
        desk.out.remark(desk.conversation.system or "No system text is set: the model's own holds.")
    elif rest == "-":
        desk.conversation.system = None
        desk.out.remark("The system text is the model's own again.")
    else:
        desk.conversation.system = rest
        desk.out.remark("The system text is set.")


_THINK = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


def _think(desk: Desk, rest: str) -> None:
    if rest:
        desk.conversation.think = None if rest == "-" else _THINK.get(rest.lower(), rest)
    think = desk.conversation.think
    told = {"None": "as the model has it", "True": "on", "False": "off"}
    desk.out.remark(f"Reasoning is {told.get(str(think), think)}.")


def _stats(desk: Desk, rest: str) -> None:
    desk.shows_statistics = _THINK.get(rest.lower(), not desk.shows_statistics)
    desk.out.remark(f"Statistics are {'shown' if desk.shows_statistics else 'hidden'}.")


def _show(desk: Desk, rest: str) -> None:
    desk.out.text(sheet_of(desk.client.show(rest or desk.conversation.model)))


def _model(desk: Desk, rest: str) -> None:
    if rest:
        desk.client.show(rest)  # raises if there is no such model
        desk.conversation.model = rest
    desk.out.remark(f"The model is {desk.conversation.model}.")


def _clear(desk: Desk, rest: str) -> None:
    desk.conversation.messages.clear()
    desk.out.remark("The conversation is forgotten.")


def _again(desk: Desk, rest: str) -> None:
    question = desk.conversation.last_question()
    if question is None:
        desk.out.remark("Nothing was asked yet.")
        return
    desk.conversation.take_back()
    desk.conversation.messages.append(question)
    desk.asks_again = True


def _save(desk: Desk, rest: str) -> None:
    path = _path(rest, "/save")
    desk.conversation.save(path)
    desk.out.remark(f"Saved to {path}.")


def _load(desk: Desk, rest: str) -> None:
    path = _path(rest, "/load")
    desk.conversation.load(path)
    conversation = desk.conversation
    desk.out.remark(f"{len(conversation.messages)} messages with {conversation.model}.")


def _path(rest: str, name: str) -> Path:
    if not rest:
        raise RequestError(f"{name} takes the name of a file")
    return Path(rest).expanduser()


def _bye(desk: Desk, rest: str) -> None:
    desk.is_over = True


def _help(desk: Desk, rest: str) -> None:
    desk.out.pairs([*((one.words, one.help) for one in SLASHES), ("", ""), *_KEYS])


_KEYS = (
    ("Alt-Enter", 'a new line; or write """ before and after several'),
    ("a picture", "write its path in the question"),
    ("Ctrl-C", "stops an answer"),
    ("Ctrl-D", "ends"),
)

SLASHES = (
    Slash("/set NAME VALUE", "set an option, such as temperature 0; without VALUE: unset", _set),
    Slash("/system TEXT", "set the system text; - for the model's own", _system),
    Slash("/think on|off|LEVEL", "reason first or not; - for the model's own way", _think),
    Slash("/show", "show what the model is and can do", _show),
    Slash("/model NAME", "go on with another model", _model),
    Slash("/again", "ask the last question once more", _again),
    Slash("/clear", "forget the conversation", _clear),
    Slash("/save FILE", "write the conversation to a file", _save),
    Slash("/load FILE", "go on with a saved one", _load),
    Slash("/stats", "show or hide tokens and times of answers", _stats),
    Slash("/help", "show this", _help),
    Slash("/bye", "end", _bye),
)
_OTHER_NAMES = {"/?": "/help", "/exit": "/bye", "/quit": "/bye"}


def obey(desk: Desk, text: str) -> None:
    """Do what a line beginning with a slash says.

    Raises:
        RequestError: there is no such command, or it lacks something.
    """
    name, _, rest = text.partition(" ")
    name = _OTHER_NAMES.get(name, name)
    slash = next((one for one in SLASHES if one.name == name), None)
    if slash is None:
        raise RequestError(f"no command {name}; {_near(name)}")
    slash.run(desk, rest.strip())


def _near(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [one.name for one in SLASHES], 1)
    return f"did you mean {near[0]}?" if near else "/help shows what there is"


def is_command(text: str) -> bool:
    """Tell whether a line is for the program: a slash and one word; paths have another."""
    word: Any = text.split(maxsplit=1)[0] if text.strip() else ""
    return word.startswith("/") and "/" not in word[1:] and "." not in word
