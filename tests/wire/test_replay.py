"""Every recorded exchange, replayed through both clients.

What a client sends must be what was sent to the real server, and what it makes of the
answer must hold everything the real server said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arriero._core.http import Fault
from arriero.errors import (
    AccessDenied,
    ArrieroError,
    BadRequest,
    CapabilityError,
    ConnectionLost,
    ContextOverflow,
    ModelNotFound,
    RequestError,
    ServerBusy,
    ServerError,
    StatusError,
    StreamFailed,
    StreamIncomplete,
)
from arriero.types.raw import RawResponse
from tests.drive.conftest import scripted
from tests.drive.scripted import AsyncColour, Colour, Reply

from .cases import ALL, CORPUS, COUNT, Case
from .exceptions import FREE, HEADERS, MENDED, NOT_JSON, REFUSED, STRANGE
from .replay import (
    ROUTES,
    STREAMS,
    Plan,
    differences,
    error_text,
    free,
    line_error,
    same_request,
    typed,
)


@pytest.fixture(params=["sync", "async"], scope="module")
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    """Each of the clients in turn, on one event loop."""
    made = AsyncColour() if request.param == "async" else Colour()
    with pytest.MonkeyPatch.context() as patch:
        scripted(made, patch)
        yield made
    if isinstance(made, AsyncColour):
        made.runner.close()


def recorded(case: Case) -> Reply:
    """Give the recorded answer, to be read line by line."""
    end = [] if case.ended == "clean" else [Fault("lost", "body", case.ended)]
    return Reply(case.status, case.headers, [*case.pieces, *end])


def test_the_corpus_is_whole() -> None:
    """No case is missing, and none is without a file."""
    assert len(ALL) == COUNT
    assert len(list(CORPUS.rglob("*.request.json"))) == COUNT
    assert len(list(CORPUS.rglob("*.response.json"))) == COUNT


def test_the_exceptions_are_cases() -> None:
    """A case that is gone leaves the list too."""
    assert FREE.keys() <= ALL.keys()
    assert len(FREE) == 119
    assert len(TYPED) == COUNT - 119


TYPED = [case for case in ALL.values() if case.name not in FREE]
by_name = pytest.mark.parametrize("case", TYPED, ids=lambda case: case.name)


@by_name
def test_a_method_makes_the_recorded_exchange(colour: Colour, case: Case) -> None:
    """The request is the recorded one, and the answer comes out as the server gave it."""
    plan = typed(case)
    assert plan is not None, "no method: give a reason in FREE"
    client = colour.client(recorded(case))

    if plan.stream and case.status < 300:
        check_stream(colour, client, plan, case)
    else:
        check_whole(colour, client, plan, case)
    check_request(colour, plan, case)


def check_request(colour: Colour, plan: Plan, case: Case) -> None:
    """Method, path and JSON are those of the recording."""
    (sent,) = colour.script.sent
    path = case.path.replace("sha256-", "sha256:")
    assert sent.line == f"{case.method} http://server:80{path}"
    if case.body is None:
        assert sent.body is None
    else:
        assert sent.body is not None
        body = json.loads(sent.body)
        assert same_request(case.body, body, streams=plan.method in STREAMS), body
        assert sent.headers["content-type"] == "application/json"


def check_whole(colour: Colour, client: Any, plan: Plan, case: Case) -> None:
    """An answer without stream, or an error instead of one."""
    if plan.method == "blob_exists" and case.status in (200, 404):
        assert colour.do(plan.call(client)) is (case.status == 200)
    elif case.status >= 300:
        with pytest.raises(StatusError) as caught:
            answered(colour, plan, client)
        check_error(caught.value, case)
    elif not case.answer:
        assert colour.do(plan.call(client)).status == "success"
    elif (
        json.loads(case.answer).get("done") is False and "_debug_info" not in case.response["body"]
    ):
        with pytest.raises(StreamIncomplete) as cut:
            colour.do(plan.call(client))
        assert differences(json.loads(case.answer), cut.value.partial) == []
    else:
        made = colour.do(plan.call(client))
        assert differences(json.loads(case.answer), made) == []
        assert made.http.status == case.status
        assert made.http.headers == case.headers


def answered(colour: Colour, plan: Plan, client: Any) -> None:
    """Make a call, and read its stream if it is one."""
    made = colour.do(plan.call(client))
    if plan.stream:
        colour.list(made)


def check_error(error: StatusError, case: Case) -> None:
    """Class, status and the server's words."""
    assert (error.status_code, error.error) == (case.status, error_text(case))
    assert error.headers == case.headers
    assert type(error) in CLASSES
    assert error.call == f"{case.method} {case.path.replace('sha256-', 'sha256:')}"


def check_stream(colour: Colour, client: Any, plan: Plan, case: Case) -> None:
    """Record by record, up to the end it had."""
    lines = case.lines if case.lines is not None else [case.response["body"]]
    error = line_error(lines[-1])
    records = []
    stream = colour.do(plan.call(client))
    failure: ArrieroError | None = None
    try:
        while (record := colour.next(stream)) is not Colour.END:
            records.append(record)
    except ArrieroError as caught:
        failure = caught
    wanted = [json.loads(line) for line in lines[: -1 if error else None]]
    assert len(records) == len(wanted)
    for line, record in zip(wanted, records, strict=True):
        assert differences(line, record) == []
    assert stream.http.headers == case.headers
    if error is not None:
        assert isinstance(failure, StreamFailed)
        assert (failure.error, failure.status_code) == (error, -1)
    elif case.ended != "clean":
        assert isinstance(failure, ConnectionLost)
    elif not is_complete(wanted[-1]):
        assert isinstance(failure, StreamIncomplete)
    else:
        assert failure is None
    assert stream.complete is (failure is None)
    total = stream.response if failure is None else failure.partial
    check_total(plan, wanted, total, stream.text)


def is_complete(last: dict[str, Any]) -> bool:
    """Tell whether a record is a last one."""
    return bool(last.get("done") or last.get("status") == "success" or "_debug_info" in last)


def check_total(plan: Plan, wanted: list[dict[str, Any]], total: Any, text: str) -> None:
    """What the records add up to."""
    if not wanted:
        assert total is None
    elif plan.method == "chat":
        joined = "".join(line["message"].get("content") or "" for line in wanted)
        thinking = "".join(line["message"].get("thinking") or "" for line in wanted)
        calls = [call for line in wanted for call in line["message"].get("tool_calls") or []]
        assert (text, total.message.content) == (joined, joined)
        assert (total.message.thinking or "") == thinking
        assert differences(calls, total.message.tool_calls or []) == []
    elif plan.method == "generate":
        joined = "".join(line.get("response") or "" for line in wanted)
        assert (text, total.response) == (joined, joined)
    else:
        assert differences(wanted[-1], total) == []
    if wanted and plan.method in ("chat", "generate"):
        probabilities = [each for line in wanted for each in line.get("logprobs") or []]
        assert differences(probabilities, total.logprobs or []) == []
        for key in ("model", "done", "done_reason", "eval_count", "total_duration", "context"):
            assert total.get(key) == wanted[-1].get(key)


@pytest.mark.parametrize("name", FREE)
def test_anything_can_be_sent_by_hand(colour: Colour, name: str) -> None:
    """What no method says goes by `request`, untouched, and the answer comes untouched."""
    case = ALL[name]
    client = colour.client(recorded(case), follow_redirects=False)
    made = colour.do(free(case).call(client))

    assert isinstance(made, RawResponse)
    assert (made.status, made.headers, made.content) == (case.status, case.headers, case.answer)
    (sent,) = colour.script.sent
    assert sent.line == f"{case.method} http://server:80{case.path}"
    if case.content is not None:
        assert sent.body == case.content
    elif case.body is not None:
        assert sent.body is not None
        assert json.loads(sent.body) == case.body
    for header, value in case.own_headers.items():
        assert sent.headers[header.lower()] == value


@pytest.mark.parametrize("name", [name for name, reason in FREE.items() if reason == REFUSED])
def test_what_the_server_refuses_is_not_sent(colour: Colour, name: str) -> None:
    """Each of these was an error of the server's; here it is one before anything is sent."""
    plan = typed(ALL[name])
    assert plan is not None
    client = colour.client()

    with pytest.raises(RequestError):
        colour.do(plan.call(client))
    assert ALL[name].status >= 400
    assert colour.script.sent == []


@pytest.mark.parametrize("name", FREE)
def test_an_exception_is_one(name: str) -> None:
    """Each reason is true: a case that a method can make is made by it."""
    case, reason = ALL[name], FREE[name]
    plan = typed(case)
    if reason in (REFUSED, MENDED):
        assert plan is not None
    elif reason == HEADERS:
        assert set(case.own_headers) != {"Host"} or not case.own_headers["Host"].startswith("127.")
    elif reason == NOT_JSON:
        assert case.content is not None
    else:
        assert plan is None
        assert ((case.method, case.path) in ROUTES) is (reason == STRANGE)


@pytest.mark.parametrize("stored", ["blobs/post-ok", "blobs/post-again"])
def test_a_recorded_blob_is_uploaded(colour: Colour, tmp_path: Path, stored: str) -> None:
    """Asked for first, then sent under the digest the server knows it by."""
    case, path = ALL[stored], tmp_path / "blob"
    path.write_bytes(case.content or b"")
    missing = ALL["blobs/head-missing"]
    colour_client = colour.client(recorded(missing), recorded(case))

    digest = colour.do(colour_client.create_blob(path))
    assert case.path == f"/api/blobs/{digest}"
    assert [sent.request.method for sent in colour.script.sent] == ["HEAD", "POST"]
    assert colour.script.sent[1].body == case.content


def test_every_class_of_error_is_recorded() -> None:
    """How the answers of a real server fall into our classes."""
    colour, found = Colour(), Counter[str]()
    with pytest.MonkeyPatch.context() as patch:
        scripted(colour, patch)
        for case in TYPED:
            plan = typed(case)
            assert plan is not None
            try:
                answered(colour, plan, colour.client(recorded(case)))
            except ArrieroError as error:
                found[type(error).__name__] += 1
            else:
                found["answered"] += 1

    assert found == OUTCOMES


CLASSES = {
    AccessDenied,
    BadRequest,
    CapabilityError,
    ContextOverflow,
    ModelNotFound,
    ServerBusy,
    ServerError,
    StatusError,
}

OUTCOMES = {
    "answered": 218,
    "AccessDenied": 2,
    "BadRequest": 29,
    "CapabilityError": 13,
    "ConnectionLost": 4,
    "ContextOverflow": 8,
    "ModelNotFound": 9,
    "ServerBusy": 4,
    "ServerError": 20,
    "StreamFailed": 17,
    "StreamIncomplete": 3,
}
