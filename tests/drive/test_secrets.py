"""A secret stays secret: a canary goes in everywhere, and must come out nowhere."""

from __future__ import annotations

import base64
import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arriero import OAuth2ClientCredentials, Retry, Tls, Token
from arriero._core.http import Fault, Request
from arriero.errors import ArrieroError

from .scripted import Colour, Script, reply
from .test_credentials import VERSION

CANARY = "c4naryXYZ"
PAIR = base64.b64encode(f"me:{CANARY}".encode()).decode()
NOT_SEEN = (CANARY, PAIR, PAIR.rstrip("="), quote(CANARY))

ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "token": lambda: {"auth": CANARY},
    "pair": lambda: {"auth": ("me", CANARY)},
    "callable": lambda: {"auth": lambda: CANARY},
    "kept token": lambda: {"auth": lambda: Token(CANARY, 3600)},
    "token with a line feed": lambda: {"auth": f"{CANARY}\n"},
    "mapping": lambda: {"auth": {"http://server": CANARY, "http://other": ("me", CANARY)}},
    "url": lambda: {"host": f"http://me:{CANARY}@server"},
    "header": lambda: {"headers": {"X-API-Key": CANARY, "Cookie": CANARY}},
    "proxy": lambda: {"proxy": f"http://me:{CANARY}@proxy:1"},
    "query": lambda: {"params": {"key": CANARY}},
    "tls": lambda: {"tls": Tls(cert="c", password=CANARY)},
    "oauth": lambda: {"auth": OAuth2ClientCredentials("http://server/t", "me", CANARY)},
    "oauth body": lambda: {
        "auth": OAuth2ClientCredentials("http://server/t", "me", CANARY, client_auth="body")
    },
}
ECHOES = {"refused": 401, "forbidden": 403, "broken": 500, "unavailable": 503, "wrong": 400}
"""Answers that repeat everything they were sent, in the body and in a header."""


@dataclass(frozen=True)
class Echo:
    """An answer made of what was sent."""

    make: Callable[[str], Any]


IN_BAND = {
    "error in the answer": Echo(lambda said: reply(line(error=said))),
    "error of an engine": Echo(lambda said: reply(line(error=json.dumps({"error": said})))),
    "error in an object": Echo(lambda said: reply(line(error={"message": said, "type": said}))),
    "error in the middle": Echo(lambda said: reply(CHAT, line(error=said, signin_url=said))),
    "a line of nonsense": Echo(lambda said: reply(CHAT, f"{said[:190]}\n".encode())),
    "wrong types": Echo(lambda said: reply(line(model=said, message=said, version=[said]))),
    "lost with a text": Echo(lambda said: Fault("lost", "head", said)),
    "cut with a text": Echo(lambda said: reply(CHAT, _caused(Fault("lost", "body", said), said))),
    "bad head": Echo(lambda said: _caused(Fault("protocol", "head", repr(said)), said)),
    "redirect to what was sent": Echo(lambda said: reply(status=307, location=f"ftp://x/{said}")),
}
"""The same in the other places where a server's words end in an error."""


def line(**fields: Any) -> bytes:
    """Give a record."""
    return json.dumps(fields).encode() + b"\n"


CHAT = line(model="m", message={"role": "assistant", "content": "a"}, done=False)


def _caused(fault: Fault, said: str) -> Fault:
    """Give a fault that a library's own error, with a text of its own, led to."""
    fault.__cause__ = ValueError(f"bad: {said}")
    return fault


ANSWERS: dict[str, Any] = {
    **ECHOES,
    **IN_BAND,
    "no connection": Fault("connect", "connect", "connection refused"),
    "lost": Fault("lost", "head", "reset"),
    "late": Fault("timeout", "head", "no answer in time"),
    "no http": Fault("protocol", "head", "not HTTP"),
    "pin": Fault("pin", "connect", "sha256/x"),
    "redirect": reply(status=307, location="http://other/x"),
    "redirect to nowhere": reply(status=307, location="ftp://other"),
    "no json": reply(b"{"),
    "nothing": reply(),
    "good": VERSION,
    "token": reply(f'{{"access_token":"{CANARY}","expires_in":3600}}'.encode()),
}


@pytest.fixture
def log() -> Any:
    """All that is logged, at every level."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def echo(made: int | Echo, request: Request) -> Any:
    """What a talkative server says of a request."""
    sent = [value for name, value in request.headers if name not in ("accept", "user-agent")]
    sent += [value.partition(" ")[2] for value in sent]
    if PAIR in "".join(sent):
        sent.append(CANARY)
    if isinstance(request.body, bytes):
        sent.append(request.body.decode())
    said = " ".join(sent)
    if isinstance(made, Echo):
        return made.make(said)
    body = json.dumps({"error": said, "error_description": f"{said} and {said}"}).encode()
    return reply(body, status=made, www_authenticate=said)


class Talkative(Script):
    """A server whose errors repeat what they were sent."""

    def begin(self, request: Request) -> Any:
        made = super().begin(request)
        return echo(made, request) if isinstance(made, int | Echo) else made


def shown(thing: Any) -> str:
    """Everything a log or a debugger's user would see of an object."""
    return f"{thing!r} {thing} {vars(thing) if hasattr(thing, '__dict__') else ''}"


def shown_of_error(error: BaseException) -> str:
    """The same of an error, with its traceback and all that is chained to it."""
    text = "".join(traceback.format_exception(error)) + shown(error)
    if isinstance(error, ArrieroError):
        text += pickle.dumps(error).decode("latin-1") + repr(copy.copy(error).__dict__)
    return text


def require_unseen(text: str) -> None:
    """Fail if a form of the canary is in it."""
    for form in NOT_SEEN:
        at = text.find(form)
        assert at < 0, text[max(0, at - 200) : at + 100]


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    kind=st.sampled_from(sorted(ARGUMENTS)),
    answers=st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=4),
    streams=st.booleans(),
)
def test_no_error_and_no_object_shows_a_secret(
    colour: Colour, log: Any, kind: str, answers: list[str], streams: bool
) -> None:
    """Whatever was given and whatever happens: in no text, traceback, pickle or log."""
    given = [ANSWERS[name] for name in answers] + [ANSWERS["refused"]] * 12
    try:
        client = colour.client(**{"retry": Retry.none(), **ARGUMENTS[kind]()})
        colour.script.__class__ = Talkative
        colour.script.answers = given
        texts = [shown(each) for each in (client._setup, client._target, *_sources(client))]
        texts += [repr(client), client.host]
        if streams:
            colour.list(colour.do(client.chat("m", [], stream=True)))
        else:
            colour.do(client.version())
    except Exception as error:
        texts = [shown_of_error(error)]
    texts += [repr(sent.request) for sent in colour.script.sent if kind != "query"]
    require_unseen("\n".join([*texts, log.getvalue()]))


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("answer", sorted({*ECHOES, *IN_BAND}))
@pytest.mark.parametrize("kind", ["token", "pair", "header"])
def test_what_a_server_repeats_of_a_secret_is_in_no_error(
    colour: Colour, kind: str, answer: str, streams: bool
) -> None:
    """In a status, in a stream, in what is no JSON, and in what the transport says."""
    client = colour.client(**ARGUMENTS[kind]())
    colour.script.__class__ = Talkative
    colour.script.answers = [ANSWERS[answer]] * 4

    def ask() -> None:
        made = colour.do(client.chat("m", [], stream=streams))
        if streams:
            colour.list(made)

    with pytest.raises(ArrieroError) as caught:
        ask()
    require_unseen(shown_of_error(caught.value))


def _sources(client: Any) -> list[Any]:
    return [part for each in client._setup.sources.values() for part in (each, each.provider)]


@pytest.mark.parametrize("kind", sorted(set(ARGUMENTS) - {"callable", "kept token", "query"}))
def test_a_client_with_a_secret_is_not_pickled(colour: Colour, kind: str) -> None:
    """A pickle goes into queues, caches and files; the error says what to do instead."""
    client = colour.client(**ARGUMENTS[kind]())
    with pytest.raises(TypeError, match="cannot be pickled: give auth as a function") as caught:
        pickle.dumps(client)
    require_unseen(shown_of_error(caught.value))


@pytest.mark.parametrize(
    "holder", [Token(CANARY, 5), OAuth2ClientCredentials("https://idp", "me", CANARY)]
)
def test_what_holds_a_secret_shows_and_pickles_none(holder: Any) -> None:
    """It may be copied within the process."""
    require_unseen(shown(holder))
    with pytest.raises(TypeError, match="holds a secret and cannot be pickled") as caught:
        pickle.dumps(holder)
    require_unseen(shown_of_error(caught.value))
    assert copy.deepcopy(holder) == copy.copy(holder) == holder


def test_what_a_request_carries_is_not_shown() -> None:
    """Neither headers nor body: prompts are nobody's business either."""
    request = Request("POST", "http://h", (("authorization", CANARY),), CANARY.encode())
    require_unseen(repr(request))


def test_the_canary_can_be_found() -> None:
    """The test above could fail."""
    with pytest.raises(AssertionError):
        require_unseen(f"...{PAIR}...")
