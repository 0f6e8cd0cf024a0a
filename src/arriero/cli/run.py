"""`arriero run`: one question, one answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arriero.cli.asking import Effort, Images, KeepAlive, Options, System, Think
from arriero.cli.flow import Flow
from arriero.cli.inputs import piped_text, schema_of
from arriero.cli.names import ModelName
from arriero.cli.pairs import options_of, value_of
from arriero.cli.session import Session
from arriero.errors import CapabilityError, ParseError, RequestError

if TYPE_CHECKING:
    from arriero import Client, Message, Stream
    from arriero.cli.output import Output


def run(
    session: Session,
    model: ModelName,
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="What to answer.")
    ] = None,
    system: System = None,
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON Schema that the answer has to follow."),
    ] = None,
    images: Images = None,
    think: Think = None,
    effort: Effort = None,
    option: Options = None,
    keep_alive: KeepAlive = None,
) -> None:
    """Answer one prompt, and end.

    What is piped in is put below the prompt. The answer goes to stdout as it comes; reasoning
    goes to stderr. With --json: everything the server said, once it is complete.
    """
    from arriero import Image, Message

    question = Message(
        role="user",
        content=_question(prompt, piped_text()),
        images=[Image(value=path) for path in images or ()] or None,
    )
    shared: dict[str, Any] = {
        "format": None if schema is None else schema_of(schema),
        "think": effort or think,
        "options": options_of(option),
        "keep_alive": None if keep_alive is None else value_of(keep_alive),
    }
    with _answering(session.client, model, system, question, shared) as stream:
        teller = _Teller(session.out)
        for part in stream:
            teller.take(part)
    answer = stream.response
    assert answer is not None
    teller.end(answer)
    if schema is not None:
        _check_json(stream.text)


def _answering(
    client: Client, model: str, system: str | None, question: Message, shared: dict[str, Any]
) -> Stream[Any]:
    """Give the stream of an answer.

    Chat comes first, since servers take reasoning apart from the answer only there; a model
    that has no chat completes the prompt.
    """
    from arriero import Message

    asked = [Message(role="system", content=system)] if system else []
    stream: Stream[Any]
    try:
        stream = client.chat(model, [*asked, question], stream=True, **shared)
        return stream.open()
    except CapabilityError as error:
        if "does not support chat" not in error.error:
            raise
    stream = client.generate(
        model, question.content, system=system, images=question.images, stream=True, **shared
    )
    return stream


def _question(words: list[str] | None, piped: str | None) -> str:
    """Put together what to ask.

    Raises:
        RequestError: there is nothing.
    """
    question = "\n\n".join(part for part in (" ".join(words or ()), piped or "") if part.strip())
    if not question:
        raise RequestError(
            "run: nothing to answer; write a PROMPT, pipe one in, or take 'arriero chat MODEL'"
        )
    return question


class _Teller:
    """Writes an answer as it comes: the text to stdout, reasoning to stderr."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._flow = Flow(out)
        self._is_reasoning = False

    def take(self, part: Any) -> None:
        """Write one part, of chat or of generate."""
        if self._out.as_json:
            return
        said = part.get("message", part)
        if said.thinking and not self._out.quiet:
            self._is_reasoning = True
            self._out.aside(said.thinking)
        text = said.get("content") or said.get("response")
        if text:
            self._end_reasoning()
            self._flow.feed(text)

    def end(self, answer: Any) -> None:
        """Write what is left, and a remark if the answer was cut off."""
        self._end_reasoning()
        if self._out.as_json:
            self._out.document(answer.model_dump(mode="json", exclude_none=True))
        else:
            self._flow.end()
        if answer.done_reason == "length":
            self._out.remark("The answer was cut off: it reached num_predict or the context.")

    def _end_reasoning(self) -> None:
        if self._is_reasoning:
            self._out.aside("\n\n")
        self._is_reasoning = False


def _check_json(text: str) -> None:
    """Refuse an answer that is not whole JSON, though a schema was asked for.

    Raises:
        ParseError: it is not.
    """
    try:
        json.loads(text)
    except ValueError as cause:
        raise ParseError(f"not JSON: {cause}", text) from cause
