"""`arriero chat`: a talk with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arriero.cli.asking import Effort, KeepAlive, Options, System, Think
from arriero.cli.names import ModelName
from arriero.cli.pairs import options_of, value_of
from arriero.cli.session import Session

if TYPE_CHECKING:
    from arriero.cli.chat.reader import Reader
    from arriero.cli.chat.slash import Desk


def chat(
    session: Session,
    model: ModelName,
    system: System = None,
    think: Think = None,
    effort: Effort = None,
    option: Options = None,
    keep_alive: KeepAlive = None,
    pull: Annotated[
        bool, typer.Option("--pull", help="Pull the model first if the server does not have it.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Show Markdown as the model writes it.")
    ] = False,
    stats: Annotated[
        bool, typer.Option("--stats", help="Show tokens and times of each answer.")
    ] = False,
    history: Annotated[
        bool,
        typer.Option(
            "--history/--no-history", help="Keep questions in a file, for the arrow keys."
        ),
    ] = True,
) -> None:
    """Talk with a model; /help inside shows the commands.

    Ctrl-C stops an answer and keeps what was said; Ctrl-D ends. Paths of pictures in a question
    are sent as pictures. No tools are offered to the model. What is piped in is read line by
    line, a question each, and the first failure ends it.
    """
    from arriero.cli.chat.conversation import Conversation
    from arriero.cli.chat.presence import make_present
    from arriero.cli.chat.reader import Editor, reader_of
    from arriero.cli.chat.slash import SLASHES, Desk
    from arriero.cli.chat.terminal import keys_unseen

    conversation = Conversation(
        model,
        system=system,
        options=options_of(option) or {},
        think=effort or think,
        keep_alive=None if keep_alive is None else value_of(keep_alive),
    )
    make_present(session, model, pulls=pull)
    desk = Desk(session.out, session.client, conversation, shows_statistics=stats)
    reader = reader_of({one.name: one.help for one in SLASHES}, keeps_history=history)
    if not isinstance(reader, Editor):
        _talk(desk, reader, is_plain=plain, survives=False)
        return
    session.out.remark(f"{model} at {session.client.host}. /help for help, Ctrl-D to end.")
    with keys_unseen():
        _talk(desk, reader, is_plain=plain, survives=True)


def _talk(desk: Desk, reader: Reader, *, is_plain: bool, survives: bool) -> None:
    """Read and answer until the end.

    Args:
        desk: What is talked with.
        reader: Where questions come from.
        is_plain: True shows Markdown as it is written.
        survives: True tells errors and goes on; False ends with the first, and at Ctrl-C.
    """
    from arriero.cli.exits import tell
    from arriero.errors import ArrieroError

    while not desk.is_over:
        try:
            text = reader.read()
        except KeyboardInterrupt:
            if not survives:
                raise
            desk.out.remark("Ctrl-D or /bye ends.")
            continue
        if text is None:
            return
        try:
            is_done = _do(desk, text, is_plain=is_plain)
        except ArrieroError as error:
            if not survives:
                raise
            tell(error)
            continue
        if not is_done:
            if not survives:
                raise KeyboardInterrupt
            desk.out.remark("(stopped)")


def _do(desk: Desk, text: str, *, is_plain: bool) -> bool:
    """Do what one line asks for; False if Ctrl-C ended it."""
    from arriero.cli.chat.answer import answer
    from arriero.cli.chat.pictures import pictures_in
    from arriero.cli.chat.slash import is_command, obey
    from arriero.cli.chat.statistics import statistics_of

    if not text:
        return True
    if is_command(text):
        obey(desk, text)
        if not desk.asks_again:
            return True
        desk.asks_again = False
    else:
        question, pictures = pictures_in(text)
        for path in pictures:
            desk.out.remark(f"With the picture {path}.")
        desk.conversation.ask(question, pictures)
    whole = answer(desk.out, desk.client, desk.conversation, is_plain=is_plain)
    if whole is None:
        return False
    if desk.out.as_json:
        desk.out.line(whole.model_dump(mode="json", exclude_none=True))
    elif desk.shows_statistics:
        desk.out.remark(statistics_of(whole))
    return True
