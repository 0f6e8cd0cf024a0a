"""What holds for both clients: one suite, run in each colour."""

from __future__ import annotations

import gc
import hashlib
import inspect
import pickle
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arriero
from arriero import AsyncClient, Client
from arriero._core.http import Fault
from arriero.errors import (
    AccessDenied,
    ArrieroError,
    CallCancelled,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    ModelNotFound,
    ParseError,
    ProtocolError,
    RequestError,
    ServerBusy,
    StreamFailed,
    StreamIncomplete,
)
from arriero.settings import Timeouts, Tls

from .scripted import HANG, AsyncColour, Colour, Reply, reply

PART = b'{"response":"a"}\n'
LAST = b'{"response":"","done":true,"done_reason":"stop"}\n'
VERSION = reply(b'{"version":"1"}', b"", b"")
TINY = Timeouts(connect_s=5, first_token_s=0.02, idle_s=0.02)


def lost(**more: Any) -> Fault:
    """Give the fault of a connection that broke."""
    return Fault("lost", more.pop("phase", "head"), "connection reset", **more)


# Whole answers


def test_an_answer_is_read_to_its_end_and_given_back(colour: Colour) -> None:
    """Open, read until nothing is left, close: the connection can be kept."""
    client = colour.client(reply(b'{"ver', b'sion":', b'"1"}'))

    assert colour.do(client.version()).version == "1"
    assert colour.script.events == ["open", "read", "read", "read", "read", "close"]


def test_an_empty_answer_is_read_once(colour: Colour) -> None:
    """Nothing is nothing."""
    client = colour.client(reply())

    assert colour.do(client.copy("a", "b")).status == "success"
    assert colour.script.events == ["open", "read", "close"]


def test_a_redirect_drops_the_first_answer(colour: Colour) -> None:
    """It is closed before the next request goes out."""
    client = colour.client(reply(b"moved", status=307, location="/x"), VERSION)

    assert colour.do(client.version()).http.attempts == 2
    assert colour.script.events[:3] == ["open", "close", "open"]
    assert [sent.line for sent in colour.script.sent] == [
        "GET http://server:80/api/version",
        "GET http://server:80/x",
    ]


def test_a_stale_connection_is_not_noticed(colour: Colour) -> None:
    """The request is sent again at once."""
    client = colour.client(lost(reused=True), VERSION)

    assert colour.do(client.version()).http.attempts == 2


@pytest.mark.parametrize(
    ("answer", "cls", "phase"),
    [
        (Fault("connect", "connect", "refused"), ConnectFailed, "connect"),
        (lost(phase="send"), ConnectionLost, "send"),
        (lost(), ConnectionLost, "head"),
        (Fault("protocol", "head", "no HTTP"), ProtocolError, "head"),
        (reply(lost(phase="body")), ConnectionLost, "body"),
        (reply(b"half", lost(phase="body")), ConnectionLost, "body"),
        (reply(b"<html>"), ProtocolError, "body"),
        (reply(b'{"error":"model \'m\' not found"}', status=404), ModelNotFound, "head"),
        (reply(b"", status=503), ServerBusy, "head"),
        (reply(lost(phase="body"), status=503), ServerBusy, "head"),
        (reply(b'{"done":false}'), StreamIncomplete, "body"),
        (reply(b'{"error":"broke"}'), StreamFailed, "body"),
    ],
)
def test_an_error_carries_the_facts_of_its_call(
    colour: Colour, answer: Any, cls: type[ArrieroError], phase: str
) -> None:
    """Call, host, phase, attempts; and no answer is left open."""
    client = colour.client(answer)

    with pytest.raises(cls) as caught:
        colour.do(client.generate("m", "hi"))
    error = caught.value
    assert (error.call, error.host) == ("POST /api/generate", "http://server:80")
    assert (error.phase, error.attempts) == (phase, 1)
    opened = isinstance(answer, Reply)
    assert [event for event in colour.script.events if event in ("close", "abort")] == (
        ["close" if answer.pieces[-1:] and isinstance(answer.pieces[-1], bytes) else "abort"]
        if opened
        else []
    )


@pytest.mark.parametrize(("answer", "phase"), [(HANG, "head"), (reply(HANG), "body")])
def test_an_answer_that_does_not_come_in_time_is_given_up(
    colour: Colour, answer: Any, phase: str
) -> None:
    """`first_token_s` covers the head and the body of a whole answer."""
    client = colour.client(answer, timeouts=TINY)

    with pytest.raises(DeadlineExceeded) as caught:
        colour.do(client.generate("m", "hi"))
    assert (caught.value.budget, caught.value.phase) == ("first_token_s", phase)
    assert not caught.value.retryable


def test_the_total_covers_everything(colour: Colour) -> None:
    """It is named when it runs out first."""
    client = colour.client(HANG, timeouts=Timeouts(total_s=0.02))

    with pytest.raises(DeadlineExceeded) as caught:
        colour.do(client.version())
    assert caught.value.budget == "total_s"


# Streams


def test_nothing_is_sent_before_the_first_record_is_asked_for(colour: Colour) -> None:
    """Making a stream costs nothing; then records come as they arrive."""
    client = colour.client(reply(PART + PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    assert colour.script.events == []
    assert (stream.response, stream.text, stream.complete, stream.http) == (None, "", False, None)
    assert "not sent" in repr(stream)

    assert colour.next(stream).response == "a"
    assert "open" in repr(stream)
    assert colour.script.events == ["open", "read"]
    assert colour.next(stream).response == "a"
    assert colour.script.events == ["open", "read"]
    assert colour.next(stream).done is True
    assert stream.complete
    assert colour.next(stream) is Colour.END
    assert colour.script.events == ["open", "read", "read", "read", "close"]
    assert "ended" in repr(stream)
    assert colour.next(stream) is Colour.END
    assert (stream.text, stream.response.response) == ("aa", "aa")
    assert stream.response.http == stream.http
    assert stream.http.attempts == 1


def test_entering_sends_at_once(colour: Colour) -> None:
    """So an error of the call is raised there."""
    client = colour.client(reply(PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert colour.enter(stream) is stream
    assert colour.script.events == ["open"]
    assert len(colour.list(stream)) == 2
    colour.leave(stream)
    assert colour.script.events.count("close") == 1
    assert colour.do(stream.open()) is stream


def test_leaving_early_stops_the_server(colour: Colour) -> None:
    """The answer is not read to its end, so its connection is not kept."""
    client = colour.client(reply(PART, PART, HANG))
    stream = colour.enter(colour.do(client.generate("m", "hi", stream=True)))
    colour.next(stream)
    colour.leave(stream)

    assert colour.script.events[-1] in ("close", "abort")
    assert colour.script.events.count("read") == 1
    assert colour.next(stream) is Colour.END
    assert "closed" in repr(stream)
    assert stream.text == "a"


def test_closing_discards_what_was_not_read(colour: Colour) -> None:
    """After `close` there are no more records, even if some had arrived."""
    client = colour.client(reply(PART + PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    colour.do(stream.close())
    colour.do(stream.close())

    assert colour.next(stream) is Colour.END


def test_a_stream_closed_before_it_began_sends_nothing(colour: Colour) -> None:
    """It is an empty one."""
    client = colour.client()
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.do(stream.close())

    assert colour.next(stream) is Colour.END
    assert colour.script.sent == []


def test_a_forgotten_stream_is_ended(colour: Colour) -> None:
    """Dropping the last reference closes the socket, which stops the server's work."""
    client = colour.client(reply(PART, HANG))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    del stream
    gc.collect()

    assert colour.script.events[-1] == "abort"


@pytest.mark.parametrize(
    ("pieces", "cls"),
    [
        ((PART,), StreamIncomplete),
        ((PART, b'{"resp'), StreamIncomplete),
        ((PART + b'{"error":"broke"}\n',), StreamFailed),
        ((PART, b'{"error":"broke"}\n'), StreamFailed),
        ((PART, b"<html>\n"), ProtocolError),
        ((PART, lost(phase="body")), ConnectionLost),
        ((PART, HANG), DeadlineExceeded),
    ],
)
def test_a_broken_stream_gives_what_came_and_raises(
    colour: Colour, pieces: Any, cls: type[ArrieroError]
) -> None:
    """Records first, then the error with them as its partial; then nothing more."""
    client = colour.client(reply(*pieces), timeouts=Timeouts(idle_s=0.02))
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert colour.next(stream).response == "a"
    with pytest.raises(cls) as caught:
        colour.next(stream)
    error = caught.value
    assert error.partial.response == "a"
    assert (error.call, error.host) == ("POST /api/generate", "http://server:80")
    assert (error.phase, error.attempts, error.retryable) == ("body", 1, False)
    assert colour.script.events[-1] in ("abort", "close")
    assert not stream.complete
    assert colour.next(stream) is Colour.END
    if cls is DeadlineExceeded:
        assert error.budget == "idle_s"  # type: ignore[attr-defined]  # it is one


@pytest.mark.parametrize(("answer", "phase"), [(HANG, "head"), (reply(HANG), "first_token")])
def test_the_first_record_has_its_own_budget(colour: Colour, answer: Any, phase: str) -> None:
    """However long the pauses between records may be."""
    client = colour.client(answer, timeouts=Timeouts(first_token_s=0.02, idle_s=60))
    stream = colour.do(client.generate("m", "hi", stream=True))

    with pytest.raises(DeadlineExceeded) as caught:
        colour.next(stream)
    assert (caught.value.budget, caught.value.phase) == ("first_token_s", phase)
    assert caught.value.partial is None


def test_a_stream_that_is_done_waits_for_its_end_a_moment_only(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All has arrived: a server that does not close costs a connection, not an error."""
    monkeypatch.setattr("arriero._core.reading.GRACE_S", 0.01)
    client = colour.client(reply(PART + LAST, HANG))
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert len(colour.list(stream)) == 2
    assert stream.complete


def test_a_refused_stream_raises_when_it_is_read(colour: Colour) -> None:
    """As the call without stream would."""
    client = colour.client(reply(b'{"error":"model \'m\' not found"}', status=404))
    stream = colour.do(client.generate("m", "hi", stream=True))

    with pytest.raises(ModelNotFound) as caught:
        colour.next(stream)
    assert caught.value.partial is None


def test_cancelling_before_the_first_record_sends_nothing(colour: Colour) -> None:
    """The next step gets the error, and so does every other."""
    client = colour.client()
    stream = colour.do(client.generate("m", "hi", stream=True))
    stream.cancel()

    for _ in range(2):
        with pytest.raises(CallCancelled) as caught:
            colour.next(stream)
        assert caught.value.call == "POST /api/generate"
        assert caught.value.host == "http://server:80"
    assert colour.script.sent == []


def test_cancelling_between_records_ends_the_stream(colour: Colour) -> None:
    """What had arrived is given out first; then the error says why there is no more."""
    client = colour.client(reply(PART + PART, LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    stream.cancel()
    assert colour.script.events[-1] == "abort"

    assert colour.next(stream).response == "a"
    with pytest.raises(CallCancelled) as caught:
        colour.next(stream)
    assert caught.value.partial.response == "aa"


def test_cancelling_what_has_ended_does_nothing(colour: Colour) -> None:
    """Its connection may serve another call by now."""
    client = colour.client(reply(PART + LAST))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.list(stream)
    stream.cancel()

    assert "abort" not in colour.script.events
    assert colour.next(stream) is Colour.END


def test_the_object_of_a_format_comes_with_the_response(colour: Colour) -> None:
    """Whole and streamed; text that does not fit is raised with its response."""
    good = reply(b'{"response":"[1]","done":true}\n')
    bad = reply(b'{"response":"no","done":true}\n')
    client = colour.client(good, good, bad, bad)

    assert colour.do(client.generate("m", "hi", format=list[int])).parsed == [1]
    stream = colour.do(client.generate("m", "hi", format=list[int], stream=True))
    colour.list(stream)
    assert stream.response.parsed == [1]
    with pytest.raises(ParseError) as caught:
        colour.do(client.generate("m", "hi", format=list[int]))
    assert caught.value.response.response == "no"
    stream = colour.do(client.generate("m", "hi", format=list[int], stream=True))
    colour.list(stream)
    with pytest.raises(ParseError, match="POST /api/generate"):
        stream.response  # noqa: B018  # the access is the test


def test_a_wrong_argument_fails_before_anything_is_sent(colour: Colour) -> None:
    """Nothing was opened."""
    client = colour.client()

    with pytest.raises(RequestError, match="model is required"):
        colour.do(client.chat("", []))
    assert colour.script.events == []


# Files


@pytest.mark.parametrize("kind", [str, Path])
def test_an_image_is_read_from_disk(colour: Colour, tmp_path: Path, kind: Any) -> None:
    """When the request is sent."""
    path = tmp_path / "a.png"
    client = colour.client(reply(b'{"done":true}'))
    path.write_bytes(b"hi")
    colour.do(client.generate("m", "hi", images=kind(path)))

    assert b'"images":["aGk="]' in colour.script.sent[0].body


def test_an_image_may_be_an_open_file(colour: Colour, tmp_path: Path) -> None:
    """Read from where it stands."""
    path = tmp_path / "a.png"
    path.write_bytes(b"hi")
    client = colour.client(reply(b'{"done":true}'))
    with path.open("rb") as file:
        colour.do(client.generate("m", "hi", images=file))

    assert b'"images":["aGk="]' in colour.script.sent[0].body


def test_an_image_that_is_not_there_is_named(colour: Colour, tmp_path: Path) -> None:
    """The system's reason comes with it."""
    client = colour.client()

    with pytest.raises(RequestError, match=r"none\.png' cannot be read: No such file"):
        colour.do(client.generate("m", "hi", images=tmp_path / "none.png"))


def test_a_blob_is_uploaded_unless_it_is_there(colour: Colour, tmp_path: Path) -> None:
    """HEAD, then POST of the file itself; only HEAD the second time."""
    path = tmp_path / "blob"
    path.write_bytes(b"x" * 3_000_000)
    digest = f"sha256:{hashlib.sha256(b'x' * 3_000_000).hexdigest()}"
    client = colour.client(reply(status=404), reply(status=201), reply())

    assert colour.do(client.create_blob(path)) == digest
    assert colour.do(client.create_blob(str(path))) == digest
    assert [sent.request.method for sent in colour.script.sent] == ["HEAD", "POST", "HEAD"]
    assert colour.script.sent[1].body == b"x" * 3_000_000


@pytest.mark.parametrize("path", ["/nowhere/at/all", 5, None])
def test_a_path_that_cannot_be_read_is_refused(colour: Colour, path: Any) -> None:
    """With an error of ours."""
    client = colour.client()

    with pytest.raises(RequestError):
        colour.do(client.create_blob(path))


# Loading


def test_an_embedding_model_is_loaded_the_other_way(colour: Colour) -> None:
    """By embedding nothing, if it cannot generate."""
    client = colour.client(
        reply(b'{"error":"\\"m\\" does not support generate"}', status=400),
        reply(b'{"embeddings":[]}'),
    )

    assert colour.do(client.load("m")) is None
    assert [sent.request.url[-8:] for sent in colour.script.sent] == ["generate", "pi/embed"]


def test_vectors_as_an_array(colour: Colour) -> None:
    """As bytes where the server can, as lists where it cannot."""
    client = colour.client(
        reply(b'{"data":[{"embedding":"AACAPwAAAEA="}]}'),
        reply(b"404 page not found", status=404),
        reply(b'{"embeddings":[[1,2]]}'),
    )

    for _ in range(2):
        made = colour.do(client.embed_array("m", "a"))
        assert made.tolist() == [[1, 2]]
        assert made.dtype == np.float32
    assert [sent.line for sent in colour.script.sent] == [
        "POST http://server:80/v1/embeddings",
        "POST http://server:80/v1/embeddings",
        "POST http://server:80/api/embed",
    ]


# Configuration


def test_a_closed_client_makes_no_calls(colour: Colour) -> None:
    """Neither whole nor streamed; the error knows its call."""
    client = colour.client(VERSION, VERSION)
    colour.do(client.version())
    colour.do(client.close())
    assert colour.script.events[-1] == "shut"
    colour.do(client.close())

    with pytest.raises(ClientClosed) as caught:
        colour.do(client.version())
    assert (caught.value.call, caught.value.host) == ("GET /api/version", "http://server:80")
    stream = colour.do(client.generate("m", "hi", stream=True))
    with pytest.raises(ClientClosed):
        colour.next(stream)


def test_a_client_is_a_context(colour: Colour) -> None:
    """Leaving it closes it."""
    client = colour.client(VERSION)

    assert colour.enter(client) is client
    colour.do(client.version())
    colour.leave(client)
    with pytest.raises(ClientClosed):
        colour.do(client.version())


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("tok", "Bearer tok"),
        (("us", "pw"), "Basic dXM6cHc="),
        (lambda: "fresh", "Bearer fresh"),
    ],
)
def test_credentials_are_sent(colour: Colour, auth: Any, header: str) -> None:
    """A token, a pair, or a callable asked for each call."""
    client = colour.client(VERSION, auth=auth)
    colour.do(client.version())

    assert colour.script.sent[0].headers["authorization"] == header


def test_a_token_provider_is_asked_each_time(colour: Colour) -> None:
    """So that it can refresh what it gives."""
    tokens = iter(["one", "two"])
    client = colour.client(VERSION, VERSION, auth=lambda: next(tokens))
    colour.do(client.version())
    colour.do(client.version())

    assert [sent.headers["authorization"] for sent in colour.script.sent] == [
        "Bearer one",
        "Bearer two",
    ]


@pytest.mark.parametrize("auth", ["s3cret\n", ("us", "s3cret"), "s3cret"])
def test_secrets_are_not_shown(colour: Colour, auth: Any) -> None:
    """Not in a repr of a client or of what it is made of, not in an error."""
    client = colour.client(
        reply(b"no", status=401),
        host="http://user:hunter2@server",
        auth=auth,
        headers={"x-key": "k3y"},
        tls=Tls(cert="c", password="pa55"),
        proxy="http://me:pr0xy@proxy:1",
    )
    with pytest.raises((AccessDenied, RequestError)) as caught:
        colour.do(client.version())

    shown = (repr(client), str(caught.value), repr(caught.value), repr(client._target))
    shown += (repr(client._setup), pickle.dumps(caught.value).decode("latin-1"))
    shown += (repr([sent.request for sent in colour.script.sent]), client.host)
    for secret in ("s3cret", "hunter2", "k3y", "pa55", "pr0xy", "czNjcmV0"):
        assert secret not in "".join(shown)


def test_a_key_goes_to_its_own_cloud_only(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OLLAMA_API_KEY` is sent to ollama.com, by the web tools and by a client of it."""
    monkeypatch.setenv("OLLAMA_API_KEY", "key")
    client = colour.client(VERSION, reply(b'{"results":[{"title":"t"}]}'), reply(b"{}"))
    colour.do(client.version())
    assert colour.do(client.web_search("q")).results[0].title == "t"
    colour.do(client.web_fetch("http://x"))
    cloud = colour.script.sent
    assert "authorization" not in cloud[0].headers
    assert [sent.headers.get("authorization") for sent in cloud[1:]] == ["Bearer key"] * 2

    client = colour.client(VERSION, host="https://ollama.com")
    colour.do(client.version())
    assert colour.script.sent[0].headers["authorization"] == "Bearer key"


def test_the_web_tools_need_a_key(colour: Colour) -> None:
    """Nothing is sent without."""
    client = colour.client()

    for call in (client.web_search, client.web_fetch):
        with pytest.raises(RequestError, match="OLLAMA_API_KEY"):
            colour.do(call("x"))


def token_of_pickles() -> str:
    """A provider that is found by its name."""
    return "t"


def test_a_pickled_client_is_the_same_anew(colour: Colour) -> None:
    """Its configuration travels, its connections do not."""
    client = colour.client(
        VERSION,
        host="http://h:1/x",
        timeouts=Timeouts(idle_s=1),
        headers={"a": "b"},
        auth=token_of_pickles,
    )
    colour.do(client.version())
    again = pickle.loads(pickle.dumps(client))

    assert type(again) is type(client)
    assert (again.host, again.timeouts) == ("http://h:1/x", Timeouts(idle_s=1))
    assert again._target.headers == (("a", "b"),)
    assert again._setup.sources["http://h:1"].provider.ask is token_of_pickles
    untimed = pickle.loads(pickle.dumps(colour.client(timeout=None)))
    assert untimed.timeouts == Timeouts.none()


def test_a_client_over_another_cannot_be_pickled(colour: Colour) -> None:
    """It holds sockets that are not ours."""
    client = colour.client(http_client=object())

    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)


def test_the_wrong_colour_is_told_so(colour: Colour) -> None:
    """A type error that says what to write."""
    client = colour.client()
    stream = colour.do(client.generate("m", "hi", stream=True))
    if colour.is_async:
        with pytest.raises(TypeError, match=r"^AsyncClient is used with 'async with'; for 'with'"):
            with client:
                pass
        with pytest.raises(TypeError, match=r"^this stream is async: write 'async for'"):
            iter(stream)
        with pytest.raises(TypeError, match=r"^this stream is async: write 'async with'"):
            with stream:
                pass
    else:
        other = AsyncColour()
        for wrong, message in (
            (client, r"^Client is used with 'with'; for 'async with' take AsyncClient$"),
            (stream, r"^this stream is sync: write 'with', or take it from AsyncClient$"),
        ):
            with pytest.raises(TypeError, match=message):
                other.do(entered(wrong))
        with pytest.raises(TypeError, match=r"^this stream is sync: write 'for'"):
            aiter(stream)
        other.runner.close()


async def entered(context: Any) -> None:
    """Enter a context the asynchronous way."""
    async with context:
        pass


# httpx


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (Fault("connect", "connect", "refused"), "ConnectError"),
        (lost(), "RemoteProtocolError"),
        (Fault("timeout", "connect", "slow"), "ConnectTimeout"),
        (Fault("timeout", "head", "slow"), "ReadTimeout"),
        (reply(lost(phase="body")), "RemoteProtocolError"),
    ],
)
def test_handlers_of_httpx_errors_keep_working(colour: Colour, answer: Any, name: str) -> None:
    """Where httpx is loaded, our errors are its errors too, and still pickle as ours."""
    import httpx

    client = colour.client(answer)
    with pytest.raises(getattr(httpx, name)) as caught:
        colour.do(client.version())

    assert isinstance(caught.value, ArrieroError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, ArrieroError)
    assert str(again) == str(caught.value)
    assert again.__dict__ == {
        key: value for key, value in caught.value.__dict__.items() if key != "_request"
    }


def test_httpx_is_not_loaded_for_that(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without httpx our errors are ours alone."""
    monkeypatch.delitem(sys.modules, "httpx", raising=False)
    client = colour.client(Fault("connect", "connect", "refused"))

    with pytest.raises(ConnectFailed) as caught:
        colour.do(client.version())
    assert type(caught.value) is ConnectFailed
    assert "httpx" not in sys.modules


# Both are one


def public(cls: type) -> dict[str, Any]:
    """Give the public methods of a class."""
    return {
        name: member
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_") and callable(member)
    }


def test_both_clients_have_the_same_methods() -> None:
    """Name by name, parameter by parameter."""
    ours, theirs = public(Client), public(AsyncClient)

    assert set(ours) == set(theirs)
    for name, method in ours.items():
        assert [
            (each.name, each.kind, each.default)
            for each in inspect.signature(method).parameters.values()
        ] == [
            (each.name, each.kind, each.default)
            for each in inspect.signature(theirs[name]).parameters.values()
        ], name
        assert method.__doc__ == theirs[name].__doc__, name


def test_both_streams_have_the_same_methods() -> None:
    """`aclose` is the one that only tasks know, by its usual name."""
    assert {*public(arriero.Stream)} == {*public(arriero.AsyncStream)} - {"aclose"}


def test_an_image_file_that_is_closed_is_a_request_error(colour: Colour) -> None:
    """What its `read` raises does not cross the API."""
    file = BytesIO(b"x")
    file.close()

    client = colour.client()

    with pytest.raises(RequestError, match="closed file"):
        colour.do(client.generate("m", "hi", images=[file]))
