"""Requests and answers are judged, in either colour, and what is refused goes nowhere."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arriero import (
    CallEnded,
    Content,
    ContentAnswer,
    ContentJudged,
    ContentRefused,
    ContentRequest,
    PolicyError,
    Refuse,
)
from arriero.errors import ArrieroError, RequestError, StreamIncomplete
from arriero.settings import Cache, Limits, Retry

from .scripted import Colour, reply

SECRET = "4242-4242"
ASK = [{"role": "user", "content": f"My card is {SECRET}"}]


def chat(text: str, *, done: bool = True, **more: Any) -> bytes:
    """Give a record of a chat."""
    message = {"role": "assistant", "content": text, **more}
    return json.dumps({"model": "m", "message": message, "done": done}).encode() + b"\n"


def stream_of(*texts: str) -> Any:
    """Give an answer in as many records, each a piece of its own."""
    return reply(*(chat(text, done=False) for text in texts), chat("", done=True))


def refuses(seen: Any) -> Any:
    """Refuse what holds the secret."""
    text = " ".join(seen.texts) if isinstance(seen, ContentRequest) else seen.text
    return Refuse("a card number") if SECRET in text else None


def redacts(seen: Any) -> Any:
    """Take the secret out."""
    if isinstance(seen, ContentRequest):
        return seen.mapped(lambda text: text.replace(SECRET, "[card]"))
    own = seen.response.message.content
    return seen.with_text(own.replace(SECRET, "[card]")) if SECRET in own else None


def breaks(seen: Any) -> Any:
    """Be broken, and quote what was judged, as exceptions do."""
    raise ValueError(f"cannot parse {seen!r} {getattr(seen, 'text', '')} {SECRET}")


def in_colour(colour: Colour, function: Callable[[Any], Any]) -> Any:
    """Make it async where it may be."""
    if not colour.is_async:
        return function

    async def later(seen: Any) -> Any:
        return function(seen)

    return later


def watched(colour: Colour, *answers: Any, **more: Any) -> tuple[Any, list[Any]]:
    """Give a client and what its observers see."""
    seen: list[Any] = []
    return colour.client(*answers, observers=[seen.append], **more), seen


def told(error: BaseException) -> str:
    """Give everything a log could write of an error."""
    import traceback

    return "".join(traceback.format_exception(error)) + repr(error.__dict__)


# Requests


def test_a_refused_request_is_not_sent(colour: Colour) -> None:
    """The reason is in the error, the event and the trail; the text is in none."""
    client, seen = watched(colour, content=Content(before=in_colour(colour, refuses)))
    with pytest.raises(ContentRefused) as caught:
        colour.do(client.chat("m", ASK))
    error = caught.value

    assert colour.script.sent == []
    assert isinstance(error, PolicyError)
    assert (error.reason, error.stage, error.phase) == ("a card number", "before", "prepare")
    assert str(error) == "POST /api/chat (http://server:80): a card number"
    assert SECRET not in told(error)
    assert pickle.loads(pickle.dumps(error)).stage == "before"
    judged = [event for event in seen if isinstance(event, ContentJudged)]
    assert [(one.stage, one.verdict, one.reason) for one in judged] == [
        ("before", "refused", "a card number")
    ]
    assert isinstance(seen[-1], CallEnded)
    assert seen[-1].error is error
    assert seen[-1].trail == ("content, before, refused: a card number",)


def test_a_redacted_request_is_what_is_sent(colour: Colour) -> None:
    """The caller's objects stay as they were, nested ones too."""
    client, seen = watched(
        colour, reply(chat("ok")), content=Content(before=in_colour(colour, redacts))
    )
    given = copy.deepcopy(ASK)
    colour.do(client.chat("m", given, options={"seed": 1}))

    sent = json.loads(colour.script.sent[0].body or b"")
    assert sent["messages"] == [{"role": "user", "content": "My card is [card]"}]
    assert sent["options"] == {"seed": 1}
    assert given == ASK
    judged = next(event for event in seen if isinstance(event, ContentJudged))
    assert (judged.verdict, judged.body) == ("redacted", sent)


def test_a_raw_request_is_redacted_too(colour: Colour) -> None:
    """What the caller wrote as bytes."""
    client = colour.client(reply(b"{}"), content=Content(before=in_colour(colour, redacts)))
    raw = json.dumps({"model": "m", "messages": ASK}).encode()
    colour.do(client.request("POST", "/api/chat", content=raw))

    sent = json.loads(colour.script.sent[0].body or b"")
    assert sent == {"model": "m", "messages": [{"role": "user", "content": "My card is [card]"}]}


def test_a_copy_that_was_not_changed_is_a_pass(colour: Colour) -> None:
    """A function that always gives one back has not redacted everything."""
    content = Content(before=redacts, after=lambda seen: seen)
    client, seen = watched(colour, reply(chat("ok")), content=content)
    colour.do(client.chat("m", [{"role": "user", "content": "hi"}]))
    assert not [event for event in seen if isinstance(event, ContentJudged)]


def test_changing_in_place_changes_nothing(colour: Colour) -> None:
    """What a function gets is a copy: only what it gives back counts."""

    def spoil(asked: ContentRequest) -> None:
        asked.body["messages"].clear()

    client = colour.client(reply(chat("ok")), content=Content(before=spoil))
    colour.do(client.chat("m", ASK))
    assert SECRET in (colour.script.sent[0].body or b"").decode()


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.generate("m", SECRET),
        lambda client: client.generate("m", "x", system=SECRET),
        lambda client: client.embed("m", ["x", SECRET]),
        lambda client: client.create("m", from_="x", system=SECRET),
        lambda client: client.request("POST", "/v1/chat/completions", json={"messages": ASK}),
        lambda client: client.chat("m", ASK, stream=True),
    ],
)  # fmt: skip
def test_every_call_with_a_text_is_judged(colour: Colour, call: Any) -> None:
    """Streams when they are opened."""
    client = colour.client(content=Content(before=in_colour(colour, refuses)))
    with pytest.raises(ContentRefused):
        colour.list(colour.do(call(client)))
    assert colour.script.sent == []


def test_calls_without_texts_are_not_judged(colour: Colour) -> None:
    """Nor is a body that is a file."""
    client = colour.client(
        reply(b"{}"), reply(status=404), reply(status=201), content=Content(before=breaks)
    )
    colour.do(client.show("m"))
    colour.do(client.create_blob(__file__))


def test_a_body_that_is_no_json_cannot_be_judged(colour: Colour) -> None:
    """So it is refused, unless the policy fails open."""
    client = colour.client(content=Content(before=refuses))
    with pytest.raises(ContentRefused, match="no JSON object"):
        colour.do(client.request("POST", "/api/chat", content=b"\xff"))
    client = colour.client(reply(), content=Content(before=refuses, fails_open=True))
    colour.do(client.request("POST", "/api/chat", content=b"\xff"))
    assert len(colour.script.sent) == 1


@pytest.mark.parametrize("change", [{"model": "x:cloud"}, {"stream": True}])
def test_a_function_may_not_change_what_a_call_is(colour: Colour, change: Any) -> None:
    """Another model, or another kind of answer, was not asked for."""

    def swap(asked: ContentRequest) -> ContentRequest:
        asked.body.update(change)
        return asked

    client = colour.client(content=Content(before=swap))
    with pytest.raises(ContentRefused, match="changed model or stream"):
        colour.do(client.chat("m", ASK))
    assert colour.script.sent == []


def test_a_request_is_judged_before_it_waits_and_before_it_is_shared(colour: Colour) -> None:
    """The place in the queue is not taken, and the kept answer is that of what is sent."""
    client = colour.client(
        limits=Limits(concurrency=1, queue=0), content=Content(before=refuses), cache=Cache()
    )
    with pytest.raises(ContentRefused):
        colour.do(client.chat("m", ASK, options={"temperature": 0}))


# Broken functions


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize(
    ("function", "reason"),
    [(breaks, "the function raised ValueError"), (lambda seen: "x", "the function gave str")],
)
def test_a_broken_function_refuses(colour: Colour, stage: str, function: Any, reason: str) -> None:
    """What its exception quotes reaches no log."""
    content: Any = {stage: in_colour(colour, function)}
    client, seen = watched(colour, reply(chat(SECRET)), content=Content(**content))
    with pytest.raises(ContentRefused) as caught:
        colour.do(client.chat("m", ASK))
    assert (caught.value.reason, caught.value.stage) == (reason, stage)
    assert SECRET not in told(caught.value)
    assert seen[-1].response is None

    client, seen = watched(colour, reply(chat("ok")), content=Content(**content, fails_open=True))
    assert colour.do(client.chat("m", ASK)).message.content == "ok"
    assert [one.verdict for one in seen if isinstance(one, ContentJudged)] == ["not judged"]


def test_a_function_may_raise_the_refusal(colour: Colour) -> None:
    """As it would in a helper several calls deep."""

    def deep(asked: ContentRequest) -> None:
        raise ContentRefused("no cards")

    client = colour.client(content=Content(before=deep))
    with pytest.raises(ContentRefused, match="no cards"):
        colour.do(client.chat("m", ASK))


def test_a_sync_client_says_that_it_cannot_await() -> None:
    """And leaves no coroutine behind."""
    from arriero import Client

    async def later(seen: Any) -> None: ...

    with Client(content=Content(before=later)) as client:
        with pytest.raises(RequestError, match=r"Content\.before is async: use AsyncClient"):
            client.chat("m", ASK)


@pytest.mark.parametrize("settings", [{"before": 1}, {"hold": True}, {"after": refuses, "hold": 1}])
def test_settings_are_checked(settings: Any) -> None:
    """When they are made."""
    with pytest.raises(RequestError, match=r"^Content\."):
        Content(**settings)
    with pytest.raises(RequestError, match="says why"):
        Refuse(" ")


# Whole answers


def test_a_refused_answer_is_not_given(colour: Colour) -> None:
    """Nor shown to observers; it is not asked for again."""
    client, seen = watched(
        colour, reply(chat(f"It is {SECRET}")), content=Content(after=in_colour(colour, refuses)),
        retry=Retry(first_wait_s=0),
    )  # fmt: skip
    with pytest.raises(ContentRefused) as caught:
        colour.do(client.chat("m", ASK))
    error = caught.value
    assert (error.stage, error.phase, error.attempts, error.partial) == ("after", "body", 1, None)
    assert SECRET not in told(error)
    assert seen[-1].response is None
    assert len(colour.script.sent) == 1


def test_a_redacted_answer_keeps_its_facts(colour: Colour) -> None:
    """Status and headers stay; an object made of its text is made anew."""
    from dataclasses import make_dataclass

    kind = make_dataclass("Card", [("number", str)])
    text = json.dumps({"number": SECRET})
    client, seen = watched(
        colour, reply(chat(text)), content=Content(after=in_colour(colour, redacts))
    )
    answer = colour.do(client.chat("m", ASK, format=kind))
    assert answer.message.content == '{"number": "[card]"}'
    assert answer.parsed == kind("[card]")
    assert answer.http.status == 200
    assert seen[-1].response.message.content == '{"number": "[card]"}'


@pytest.mark.parametrize("stream", [False, True])
def test_changing_an_answer_in_place_changes_nothing(colour: Colour, stream: bool) -> None:
    """Nor what observers and the stream's own total have of it."""

    def spoil(seen: ContentAnswer) -> None:
        seen.response.message.content = "spoilt"

    client, seen = watched(colour, reply(chat("ok")), content=Content(after=spoil))
    made = colour.do(client.chat("m", ASK, stream=stream))
    got = colour.list(made)[0] if stream else made
    assert got.message.content == seen[-1].response.message.content == "ok"


def test_a_refusal_is_not_tried_again_whatever_the_rule(colour: Colour) -> None:
    """The same text could come again, and be taken for a better one."""
    client = colour.client(
        stream_of(SECRET), stream_of("fine"), content=Content(after=in_colour(colour, refuses)),
        retry=Retry(first_wait_s=0, rule=lambda error: True, continue_stream=True),
    )  # fmt: skip
    stream = colour.do(client.chat("m", ASK, stream=True))
    with pytest.raises(ContentRefused):
        colour.list(stream)
    assert len(colour.script.sent) == 1


def test_raw_answers_are_judged_too(colour: Colour) -> None:
    """By their bytes as text."""
    client = colour.client(reply(SECRET.encode()), content=Content(after=refuses))
    with pytest.raises(ContentRefused):
        colour.do(client.request("POST", "/v1/messages", json={}))


# Streams


def test_a_stream_stops_at_the_record_that_is_refused(colour: Colour) -> None:
    """What came before was given; the server stops, and nothing is asked for again."""
    client, seen = watched(
        colour, stream_of("one ", "4242", "-4242", " end"),
        content=Content(after=in_colour(colour, refuses)), retry=Retry(first_wait_s=0),
    )  # fmt: skip
    stream = colour.do(client.chat("m", ASK, stream=True))
    got = [colour.next(stream).message.content for _ in range(2)]
    with pytest.raises(ContentRefused) as caught:
        colour.next(stream)

    assert got == ["one ", "4242"]  # the half of it that no function could know
    assert caught.value.partial.message.content == stream.text == "one 4242"
    assert colour.script.events[-1] == "abort"
    assert len(colour.script.sent) == 1
    assert (seen[-1].outcome, seen[-1].response.message.content) == ("failed", "one 4242")


def test_a_stream_is_redacted_record_by_record(colour: Colour) -> None:
    """What it adds up to is what was given; it is told once."""
    client, seen = watched(
        colour, stream_of(f"a {SECRET} b ", f"{SECRET}."),
        content=Content(after=in_colour(colour, redacts)),
    )  # fmt: skip
    stream = colour.do(client.chat("m", ASK, stream=True))
    texts = [part.message.content for part in colour.list(stream)]
    assert texts == ["a [card] b ", "[card].", ""]
    assert stream.response.message.content == stream.text == "a [card] b [card]."
    assert stream.complete
    assert len([one for one in seen if isinstance(one, ContentJudged)]) == 1
    assert seen[-1].outcome == "ok"


def test_a_held_stream_is_judged_as_a_whole(colour: Colour) -> None:
    """Passed, it comes as it was; redacted, in one record; refused, not at all."""
    parts = ("It is 4242", "-4242", ".")
    for function, expected in ((lambda seen: None, [*parts, ""]), (redacts, ["It is [card]."])):
        content = Content(after=in_colour(colour, function), hold=True)
        client = colour.client(stream_of(*parts), content=content)
        stream = colour.do(client.chat("m", ASK, stream=True))
        assert [part.message.content for part in colour.list(stream)] == expected
        assert stream.text == "".join(expected)

    content = Content(after=in_colour(colour, refuses), hold=True)
    client, seen = watched(colour, stream_of(*parts), content=content)
    stream = colour.do(client.chat("m", ASK, stream=True))
    with pytest.raises(ContentRefused) as caught:
        colour.next(stream)
    assert (caught.value.partial, stream.text, seen[-1].response) == (None, "", None)
    assert SECRET not in told(caught.value)


def test_a_held_stream_that_breaks_off_gives_nothing(colour: Colour) -> None:
    """It was never judged."""
    content = Content(after=in_colour(colour, refuses), hold=True)
    client = colour.client(reply(chat("half", done=False)), content=content)
    stream = colour.do(client.chat("m", ASK, stream=True))
    with pytest.raises(StreamIncomplete) as caught:
        colour.next(stream)
    assert caught.value.partial is None


@settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(st.text("4-2 ", min_size=1, max_size=6), max_size=8), st.booleans(), st.integers(1, 99)
)
def test_no_refused_text_is_given(colour: Colour, texts: list[str], hold: bool, cut: int) -> None:
    """However records fall and bytes are cut: what was given never holds the secret."""
    body = b"".join(chat(text, done=False) for text in texts) + chat("", done=True)
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
    client = colour.client(
        reply(*pieces), content=Content(after=in_colour(colour, refuses), hold=hold)
    )
    stream = colour.do(client.chat("m", ASK, stream=True))
    got, error = "", None
    try:
        while (part := colour.next(stream)) is not colour.END:
            got += part.message.content
    except ArrieroError as caught:
        error = caught
    assert SECRET not in got
    assert SECRET not in stream.text
    assert isinstance(error, ContentRefused) == (SECRET in "".join(texts))
    assert got == ("".join(texts) if error is None else got)
    assert not (hold and error is not None and got)
    colour.do(stream.close())


def test_an_answer_shows_its_end(colour: Colour) -> None:
    """So that a function may judge the rest when nothing more will come."""
    ends: list[tuple[str, bool]] = []

    def note(seen: ContentAnswer) -> None:
        ends.append((seen.text, seen.is_last))

    client = colour.client(stream_of("a", "b"), content=Content(after=note))
    colour.list(colour.do(client.chat("m", ASK, stream=True)))
    assert ends == [("a", False), ("ab", False), ("ab", True)]


def test_only_the_last_of_records_that_come_together_is_the_end(colour: Colour) -> None:
    """They may all be there when the first is judged."""
    ends: list[bool] = []
    client = colour.client(
        reply(chat("a", done=False) + chat("b", done=False) + chat("", done=True)),
        content=Content(after=lambda seen: ends.append(seen.is_last)),
    )
    colour.list(colour.do(client.chat("m", ASK, stream=True)))
    assert ends == [False, False, True]
