"""One answer: asked for, shown as it comes, and added to the conversation."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from arriero.cli.flow import Flow
from arriero.cli.printable import printable

if TYPE_CHECKING:
    from arriero import ChatResponse, Client
    from arriero.cli.chat.conversation import Conversation
    from arriero.cli.output import Output


class View(Protocol):
    """Where an answer is shown; used in ``with``."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *exc: object) -> None: ...

    def feed(self, text: str) -> None:
        """Add what has arrived."""


class PlainView:
    """The text as it is, with a line end behind it."""

    def __init__(self, out: Output) -> None:
        self._flow = Flow(out)

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *exc: object) -> None:
        self._flow.end()

    def feed(self, text: str) -> None:
        """Write it."""
        self._flow.feed(text)


def answer(
    out: Output, client: Client, conversation: Conversation, *, is_plain: bool
) -> ChatResponse | None:
    """Ask the conversation's last question, show the answer, and add it.

    Ctrl-C ends the answer: what had arrived is kept, so that the model knows what it said.

    Args:
        out: Where it is shown.
        client: Whom to ask.
        conversation: Ends with the question.
        is_plain: True shows Markdown as it is written.

    Returns:
        The whole answer; None if it was ended.

    Raises:
        ArrieroError: it failed; the question is then no longer in the conversation.
    """
    stream = client.chat(
        conversation.model,
        conversation.sent,
        stream=True,
        think=conversation.think,
        options=conversation.options or None,
        keep_alive=conversation.keep_alive,
    )
    is_stopped = False
    try:
        with stream:
            try:
                _show(out, stream, is_plain=is_plain or not out.is_terminal)
            except KeyboardInterrupt:
                is_stopped = True
        whole = stream.response
    except BaseException:
        conversation.take_back()
        raise
    if whole is not None and (whole.message.content or not is_stopped):
        conversation.messages.append(whole.message)
    elif is_stopped:
        conversation.take_back()
    return None if is_stopped else whole


def _show(out: Output, stream: Any, *, is_plain: bool) -> None:
    """Show the parts of an answer; nothing where programs read, which get it whole."""
    with ExitStack() as waiting, ExitStack() as stack:
        waiting.enter_context(_waiting(out))
        view: View | None = None
        is_reasoning = False
        for part in stream:
            waiting.close()
            if out.as_json:
                continue
            message = part.message
            if message.thinking and not out.quiet:
                is_reasoning = True
                out.aside(message.thinking)
            if message.content:
                if is_reasoning:
                    out.aside("\n\n")
                is_reasoning = False
                view = view or stack.enter_context(_view(out, is_plain=is_plain))
                view.feed(printable(message.content) if out.is_terminal else message.content)


def _waiting(out: Output) -> AbstractContextManager[Any]:
    """Show that something happens until the first part comes: models load for minutes."""
    if not out.is_terminal or out.as_json or out.console.is_dumb_terminal:
        return nullcontext()
    return out.console.status("", spinner="dots")


def _view(out: Output, *, is_plain: bool) -> Any:
    from arriero.cli.chat.markdown import MarkdownStream

    plain = is_plain or out.console.is_dumb_terminal
    return PlainView(out) if plain else MarkdownStream(out.console)
