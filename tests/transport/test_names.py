"""Names are asked for within the time there is, and addresses not at all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from arriero import Client, DeadlineExceeded, Timeouts
from arriero._core.http import Fault
from arriero._transport import names
from arriero._transport.interface import TransportSettings
from arriero._transport.over_asyncio import AsyncioTransport

from .adapters import LIMIT_S, Adapter, fetch, get, made
from .peer import Peer, answering, whole

REAL = socket.getaddrinfo


class Resolver:
    """A resolver that hangs until it is let go, and then knows every name."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.was_asked = threading.Event()
        self.threads: set[str] = set()
        self.go_on = threading.Event()

    def __call__(self, host: str, port: int, **how: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        self.asked.append(host)
        self.was_asked.set()
        if names.is_known(host):
            return REAL(host, port, **how)
        self.go_on.wait()
        return REAL("127.0.0.1", port, **how)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """Put it in the place of the system's."""
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.go_on.set()


@pytest.fixture(params=["socket", "asyncio"])
def transport(request: pytest.FixtureRequest) -> Iterator[Adapter]:
    """Each transport of our own; httpx asks itself."""
    adapter = made(request.param, TransportSettings())
    yield adapter
    adapter.close()


def test_a_resolver_that_hangs_costs_what_connecting_may(
    resolver: Resolver, transport: Adapter
) -> None:
    """The fault comes while the resolver still thinks, and says what was waited for."""
    with pytest.raises(Fault, match=r"what the address of 'llm\.internal' is") as caught:
        transport.open(get("http://llm.internal/"), connect_s=0.05)
    assert (caught.value.kind, caught.value.phase) == ("timeout", "connect")
    assert not resolver.go_on.is_set()


def test_the_budget_is_named(resolver: Resolver) -> None:
    """It is `connect_s`, as for a host that does not answer."""
    with Client("http://llm.internal", timeouts=Timeouts(connect_s=0.05)) as client:
        with pytest.raises(DeadlineExceeded) as caught:
            client.version()
    assert (caught.value.budget, caught.value.phase) == ("connect_s", "connect")
    assert "what the address of 'llm.internal' is" in str(caught.value.__cause__)


def test_callers_share_one_question(resolver: Resolver) -> None:
    """A resolver that hangs costs one thread for a name, however many ask."""

    def ask(number: int) -> str:
        asker = made(("socket", "asyncio")[number % 2])
        with contextlib.closing(asker), pytest.raises(Fault) as caught:
            asker.open(get("http://llm.internal/"), connect_s=0.05)
        return caught.value.kind

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(8))) == {"timeout"}
    assert resolver.was_asked.wait(LIMIT_S)
    assert resolver.asked == ["llm.internal"]


def test_what_the_resolver_says_late_serves_who_still_waits(
    resolver: Resolver, transport: Adapter
) -> None:
    """Who gave up has not ended the question."""
    with Peer(answering(whole(b"hi"))) as peer:
        url = peer.url.replace("127.0.0.1", "llm.internal")
        with pytest.raises(Fault):
            transport.open(get(url), connect_s=0.05)
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(fetch, transport, get(url))
            resolver.go_on.set()
            assert waiting.result() == b"hi"


def test_addresses_and_kept_connections_need_no_thread(
    resolver: Resolver, transport: Adapter
) -> None:
    """They cost what they did: an address is read in place, a kept connection not at all."""
    with Peer(answering(whole(), whole())) as peer:
        for _ in "ab":
            fetch(transport, get(peer.url))
    assert resolver.asked == ["127.0.0.1"]
    assert resolver.threads == {threading.current_thread().name}


def test_a_name_that_is_not_found_fails_in_every_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With an error of its own: one object in many threads would mix up their tracebacks."""
    gone = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def fails(*_: Any, **__: Any) -> Any:
        raise gone

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(socket.gaierror) as caught:
        names.addresses_of("llm.internal", 80, monotonic() + 5)
    assert caught.value is not gone
    assert caught.value.args == gone.args
    assert not names._asking


def test_without_a_deadline_it_is_asked_in_place(resolver: Resolver) -> None:
    """Nobody gives up, so no thread is needed."""
    resolver.go_on.set()
    assert names.addresses_of("llm.internal", 80, None)
    assert resolver.threads == {threading.current_thread().name}


def test_a_resolver_that_hangs_holds_up_no_loop(resolver: Resolver) -> None:
    """`asyncio.run` ends while the resolver thinks, which then finds nobody to tell."""

    async def main() -> weakref.ref[Any]:
        transport = AsyncioTransport(TransportSettings())
        opening = asyncio.ensure_future(transport.open(get("http://llm.internal/"), connect_s=9))
        assert await asyncio.to_thread(resolver.was_asked.wait, LIMIT_S)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(main())
    assert not resolver.go_on.is_set()
    gc.collect()
    assert loop() is None


def test_who_is_cancelled_ends_no_others_question(resolver: Resolver) -> None:
    """They share it, and each stops waiting for itself."""

    async def main(url: str) -> None:
        transport = AsyncioTransport(TransportSettings())
        first, second = (
            asyncio.ensure_future(transport.open(get(url), connect_s=LIMIT_S)) for _ in "ab"
        )
        assert await asyncio.to_thread(resolver.was_asked.wait, LIMIT_S)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        resolver.go_on.set()
        answer = await second
        assert await answer.read() == b"hi"
        await answer.close()
        await transport.close()

    with Peer(answering(whole(b"hi"))) as peer:
        asyncio.run(main(peer.url.replace("127.0.0.1", "llm.internal")))
    assert resolver.asked.count("llm.internal") == 1
