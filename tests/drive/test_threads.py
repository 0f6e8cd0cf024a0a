"""What only the sync client has: threads, Ctrl-C, a warning inside event loops."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import arriero
from arriero import BlockingCallWarning, Client
from arriero._drive import blocking
from arriero._transport.interface import AbortHandle
from arriero.errors import CallCancelled, ClientClosed

from .conftest import scripted
from .scripted import HANG, PART, VERSION, Colour, ScriptedTransport, reply

WaitsFor = Callable[[Callable[[], object]], None]


@pytest.fixture
def colour(monkeypatch: pytest.MonkeyPatch) -> Colour:
    """The sync client alone."""
    made = Colour()
    scripted(made, monkeypatch)
    return made


class Outcome:
    """What a function did in a thread of its own."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self.value: Any = None
        self._function = function
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.value = self._function()
        except BaseException as error:  # handed to the test
            self.error = error

    def wait(self) -> None:
        """Wait until it is over."""
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.mark.parametrize(
    ("answer", "phase"), [(HANG, "head"), (reply(HANG), "body"), (reply(PART, HANG), "body")]
)
def test_another_thread_may_cancel(colour: Colour, answer: Any, phase: str) -> None:
    """A thread that waits for the head or for a record gets the error at once."""
    client = colour.client(answer)
    stream = client.generate("m", "hi", stream=True)
    outcome = Outcome(lambda: list(stream))
    assert colour.script.hanging.wait(60)
    stream.cancel()
    outcome.wait()

    assert isinstance(outcome.error, CallCancelled)
    assert (outcome.error.call, outcome.error.phase) == ("POST /api/generate", phase)
    assert colour.script.events[-1] == "abort"


def test_cancelling_while_a_head_arrives_is_not_lost(colour: Colour) -> None:
    """The moment between the head and the first reading counts too."""
    client = colour.client(reply(PART, PART))
    stream = client.generate("m", "hi", stream=True)
    detach = stream._handle.detach

    class Handle(AbortHandle):
        __slots__ = ()

        def detach(self) -> None:
            super().detach()
            self.abort()

    stream._handle = Handle()
    assert detach is not None

    with pytest.raises(CallCancelled):
        next(stream)
    assert colour.script.events[-1] in ("abort", "read")
    assert "abort" in colour.script.events


@pytest.mark.parametrize("answer", [KeyboardInterrupt(), reply(KeyboardInterrupt())])
def test_an_interrupt_ends_a_whole_answer(colour: Colour, answer: Any) -> None:
    """Ctrl-C goes through, and the socket is closed."""
    client = colour.client(answer)

    with pytest.raises(KeyboardInterrupt):
        client.generate("m", "hi")
    assert colour.script.events[-1] == ("open" if isinstance(answer, BaseException) else "abort")


def test_an_interrupt_ends_a_stream(colour: Colour) -> None:
    """What arrives after it is lost, so there is no more."""
    client = colour.client(reply(PART, KeyboardInterrupt(), PART))
    stream = client.generate("m", "hi", stream=True)
    next(stream)

    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert colour.script.events[-1] == "abort"
    assert list(stream) == []
    assert not stream.complete


def test_an_error_inside_with_closes_the_answer(colour: Colour) -> None:
    """Whatever the caller's own code does."""
    client = colour.client(reply(PART, PART))

    def use() -> None:
        with client.generate("m", "hi", stream=True) as stream:
            raise ZeroDivisionError(next(stream))

    with pytest.raises(ZeroDivisionError):
        use()
    assert colour.script.events[-1] == "close"


def test_threads_share_a_client(colour: Colour) -> None:
    """Each gets its own answer."""
    client = colour.client(*[VERSION] * 20)
    outcomes = [Outcome(client.version) for _ in range(20)]
    for outcome in outcomes:
        outcome.wait()

    assert [outcome.value.version for outcome in outcomes] == ["1"] * 20


def test_threads_that_begin_together_keep_one_transport(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are closed at once: nobody could close them later."""
    together = threading.Barrier(4)

    def slowly(*_: Any, **__: Any) -> ScriptedTransport:
        together.wait(60)
        return ScriptedTransport(colour.script)

    monkeypatch.setattr("arriero._transport.choose.transport_for", slowly)
    client = colour.client(*[VERSION] * 4)
    outcomes = [Outcome(client.version) for _ in range(4)]
    for outcome in outcomes:
        outcome.wait()

    assert [outcome.value.version for outcome in outcomes] == ["1"] * 4
    assert colour.script.events.count("shut") == 3
    client.close()
    assert colour.script.events.count("shut") == 4


def test_closing_while_a_transport_is_made_closes_it(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes too late to be used."""

    def closing(*_: Any, **__: Any) -> ScriptedTransport:
        client.close()
        return ScriptedTransport(colour.script)

    monkeypatch.setattr("arriero._transport.choose.transport_for", closing)
    client = colour.client(VERSION)

    with pytest.raises(ClientClosed):
        client.version()
    assert colour.script.events == ["shut"]


# Event loops


def in_loop(function: Callable[[], Any]) -> Any:
    """Call a function inside a running event loop."""

    async def main() -> Any:
        return function()

    return asyncio.run(main())


@pytest.fixture
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a fresh process."""
    monkeypatch.setattr(blocking, "_warned", False)


def test_a_blocking_call_in_a_loop_warns_once(colour: Colour, unwarned: None) -> None:
    """At the caller's line, with what to write instead; the call works all the same."""
    client = colour.client(*[VERSION] * 3)

    def twice() -> Any:
        client.version()
        return client.version()

    with pytest.warns(BlockingCallWarning) as caught:
        assert in_loop(twice).version == "1"
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        "Client.version() blocks the running event loop; write"
        " 'await AsyncClient().version(...)' instead"
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.generate("m", "hi", stream=True),
        lambda client: client.load("m"),
        lambda client: client.create_blob(__file__),
    ],
)
def test_every_call_in_a_loop_warns(
    colour: Colour, unwarned: None, call: Callable[[Client], Any]
) -> None:
    """Streams, and calls of several requests, at the caller's line too."""
    client = colour.client(reply(b'{"done":true}'))

    with pytest.warns(BlockingCallWarning) as caught:
        in_loop(lambda: call(client))
    assert caught[0].filename == __file__


def test_no_loop_no_warning(colour: Colour, unwarned: None) -> None:
    """In other threads, and in notebooks, which always run a loop, nothing is said."""
    client = colour.client(*[VERSION] * 2)

    async def main() -> Any:
        return await asyncio.to_thread(client.version)

    assert client.version().version == "1"
    assert asyncio.run(main()).version == "1"


@pytest.mark.parametrize("name", ["version", "load"])
def test_a_program_without_event_loops_gets_none(
    colour: Colour, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The check for a loop does not load asyncio."""
    client = colour.client(VERSION if name == "version" else reply(b'{"done":true}'))
    monkeypatch.delitem(sys.modules, "asyncio")
    getattr(client, name)(*(["m"] if name == "load" else []))

    assert "asyncio" not in sys.modules


def test_notebooks_are_not_told(
    colour: Colour, unwarned: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, blocking is what everybody wants."""
    monkeypatch.setitem(sys.modules, "ipykernel", blocking)
    client = colour.client(VERSION)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert in_loop(client.version).version == "1"


# One lazy default client


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A default client as in a fresh process."""
    from arriero._default import DefaultClient

    return DefaultClient()


def test_the_default_client_reads_the_environment_when_it_is_used(
    colour: Colour, default: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before, and once."""
    monkeypatch.setenv("OLLAMA_HOST", "http://later:1")
    colour.client(VERSION, VERSION)
    default.version()
    monkeypatch.setenv("OLLAMA_HOST", "http://never:1")
    default.version()

    assert [sent.line for sent in colour.script.sent] == ["GET http://later:1/api/version"] * 2
    assert default.host == "http://later:1"


def test_a_wrong_host_fails_the_first_call(default: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it can be handled; and every later call too, until it is mended."""
    monkeypatch.setenv("OLLAMA_HOST", "host:port")
    for _ in range(2):
        with pytest.raises(arriero.RequestError, match="host:port"):
            default.version()
    monkeypatch.setenv("OLLAMA_HOST", "host")

    assert default.host == "http://host:11434"


def test_the_default_client_has_no_other_attributes(default: Any) -> None:
    """A typing error is an AttributeError."""
    with pytest.raises(AttributeError, match="no attribute 'chatt'"):
        default.chatt  # noqa: B018  # the access is the test


def test_the_default_client_travels_unmade(default: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of it reads the environment of where it is used."""
    data = pickle.dumps(default)
    monkeypatch.setenv("OLLAMA_HOST", "http://there:1")

    assert pickle.loads(data).host == "http://there:1"


def test_module_functions_are_the_default_clients_methods() -> None:
    """One client behind all of them."""
    from arriero._default import default_client

    assert arriero.chat.__self__ is default_client  # type: ignore[attr-defined]  # a bound method
    assert arriero.list.__self__ is default_client  # type: ignore[attr-defined]  # likewise
