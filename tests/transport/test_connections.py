"""Connections: made, kept, reused, shared out, dropped."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from arriero._core.http import Fault
from arriero._transport.interface import TransportSettings
from arriero._transport.over_sockets import SocketTransport, _Pool
from arriero.settings import Pool

from ..ports import closed_port
from .adapters import Adapter, AsyncAdapter, SyncAdapter, fetch, get, made, post, rest_of
from .peer import CHUNKED, WAIT_S, Line, Peer, Received, answering, chunk, whole


def test_refused_connections_are_connect_faults(adapter: Adapter) -> None:
    """Nothing was sent, so the core may repeat the call."""
    with closed_port() as port, pytest.raises(Fault) as caught:
        adapter.open(get(f"http://127.0.0.1:{port}/"))
    assert (caught.value.kind, caught.value.phase) == ("connect", "connect")
    assert "refused" in caught.value.reason


def test_unknown_names_are_connect_faults(adapter: Adapter) -> None:
    """RFC 6761 reserves .invalid, so nobody has this name."""
    with pytest.raises(Fault) as caught:
        adapter.open(get("http://nobody.invalid/"))
    assert (caught.value.kind, caught.value.phase) == ("connect", "connect")


@pytest.mark.parametrize("host", [".", "a..b", "a" * 70])
def test_names_that_cannot_be_are_connect_faults(adapter: Adapter, host: str) -> None:
    """Python refuses them before it asks; to the caller they are not found either."""
    with pytest.raises(Fault) as caught:
        fetch(adapter, get(f"http://{host}:80/"))
    assert (caught.value.kind, caught.value.phase) == ("connect", "connect")


def test_a_connection_serves_again(adapter: Adapter) -> None:
    """After a body read to its end, the next request goes over the same connection."""
    with Peer(answering(whole(), CHUNKED + chunk(b"x") + b"0\r\n\r\n", whole())) as peer:
        reused = []
        for _ in range(3):
            answer = adapter.open(post(peer.url))
            rest_of(answer)
            answer.close()
            reused.append(answer.reused)
        assert peer.accepted == 1
    assert reused == [False, True, True]


@pytest.mark.parametrize("field", ["Connection: close", "connection: Close"])
def test_a_connection_ends_when_the_server_says_so(adapter: Adapter, field: str) -> None:
    """``Connection: close`` is obeyed."""
    with Peer(answering(whole(fields=f"{field}\r\n"))) as peer:
        fetch(adapter, get(peer.url))
        fetch(adapter, get(peer.url))
        assert peer.accepted == 2


def test_closing_early_closes_the_connection(adapter: Adapter) -> None:
    """An answer that is left in the middle takes its connection along: the server must stop."""

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        line.drain()

    with Peer(script) as peer:
        answer = adapter.open(post(peer.url))
        assert answer.read() == b"one"
        answer.close()
        answer.close()
        peer.wait_ended()


def test_surplus_bytes_end_the_connection(adapter: Adapter, name: str) -> None:
    """What follows an answer unasked must not be taken for the next answer."""
    if name.startswith("httpx"):
        pytest.skip("httpcore takes surplus bytes for the next answer")
    with Peer(answering(whole(b"mine") + whole(b"not mine"))) as peer:
        assert fetch(adapter, get(peer.url)) == b"mine"
        assert fetch(adapter, get(peer.url)) == b"mine"
        assert peer.accepted == 2


def test_a_connection_closed_while_idle_is_not_used(adapter: Adapter) -> None:
    """A server closes idle connections; the next request finds a fresh one."""

    def once(line: Line) -> None:
        line.request()
        line.send(whole())
        line.close()

    with Peer(once) as peer:
        fetch(adapter, post(peer.url))
        peer.wait_ended()
        if isinstance(adapter, AsyncAdapter):
            adapter.run(asyncio.sleep(0.02))
        assert fetch(adapter, post(peer.url)) == b"{}"


def test_a_connection_closed_under_a_request_says_so(adapter: Adapter) -> None:
    """The core may repeat what was lost on a reused connection."""

    def script(line: Line) -> None:
        line.request()
        line.send(whole())
        line.request()
        line.close()

    with Peer(script) as peer:
        fetch(adapter, post(peer.url))
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url))
    assert (caught.value.kind, caught.value.phase) == ("lost", "head")
    assert caught.value.reused


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20"], ids=["silent", "begun"])
def test_a_connection_that_ends_before_the_head_is_lost(
    adapter: Adapter, is_reset: bool, said: bytes
) -> None:
    """The request was sent, and what became of it is unknown."""

    def script(line: Line) -> None:
        line.request()
        line.send(said)
        if is_reset:
            line.reset()
        else:
            line.close()

    with Peer(script) as peer:
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url))
    assert (caught.value.kind, caught.value.phase) == ("lost", "head")
    assert not caught.value.reused


def test_max_connections_makes_calls_wait(make: Callable[..., Adapter]) -> None:
    """A call beyond the limit waits within its connect time, and no longer."""
    adapter = make(TransportSettings(pool=Pool(max_connections=1)))
    may_end = threading.Event()

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        assert may_end.wait(WAIT_S)
        line.send(b"0\r\n\r\n")
        answering(whole())(line)

    with Peer(script) as peer:
        first = adapter.open(post(peer.url))
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url), connect_s=0.15, wait_s=None)
        assert (caught.value.kind, caught.value.phase) == ("timeout", "connect")
        may_end.set()
        assert rest_of(first) == b"one"
        first.close()
        assert fetch(adapter, post(peer.url)) == b"{}"
        assert peer.accepted == 1


@pytest.mark.parametrize("way", ["close", "abort", "lost"])
def test_every_end_of_an_answer_frees_its_place(make: Callable[..., Adapter], way: str) -> None:
    """However an answer ends, the next call gets a connection."""
    adapter = make(TransportSettings(pool=Pool(max_connections=1)))

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"x"))
        if way == "lost":
            line.close()
        line.drain()

    with Peer(script) as peer:
        for _ in range(3):
            answer = adapter.open(post(peer.url))
            assert answer.read() == b"x"
            if way == "lost":
                with pytest.raises(Fault):
                    answer.read()
            if way == "abort":
                answer.abort()
            answer.close()


def test_a_waiting_call_gets_the_connection_that_comes_free(make: Callable[..., Adapter]) -> None:
    """Waiting ends when another call does."""
    adapter = make(TransportSettings(pool=Pool(max_connections=1)))
    if isinstance(adapter, AsyncAdapter):
        pytest.skip("needs two threads")
    with Peer(answering(whole())) as peer:
        first = adapter.open(post(peer.url))
        rest_of(first)
        timer = threading.Timer(0.1, first.close)
        timer.start()
        assert fetch(adapter, post(peer.url)) == b"{}"
        timer.join()


def test_who_waits_for_a_place_is_told_that_the_transport_is_closed(
    make: Callable[..., Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, at once: no place will come free for whoever closes."""
    adapter = make(TransportSettings(pool=Pool(max_connections=1)))
    if isinstance(adapter, AsyncAdapter):
        pytest.skip("needs threads")
    if not isinstance(adapter.transport, SocketTransport):
        pytest.skip("another library's pool")
    wait, waiting = _Pool.acquire, threading.Semaphore(0)

    def acquire(pool: _Pool, until: float | None) -> None:
        waiting.release()
        wait(pool, until)

    monkeypatch.setattr(_Pool, "acquire", acquire)
    with Peer(answering(CHUNKED + chunk(b"one"))) as peer, ThreadPoolExecutor(3) as threads:
        first = adapter.open(post(peer.url))
        assert first.read() == b"one"
        waiters = [threads.submit(adapter.open, post(peer.url), connect_s=None) for _ in range(3)]
        for _ in range(4):
            assert waiting.acquire(timeout=WAIT_S)
        adapter.transport.close()
        for one in waiters:
            with pytest.raises(Fault) as caught:
                one.result(WAIT_S)
            assert caught.value.kind == "closed"
        first.abort()


def test_only_so_many_connections_are_kept(make: Callable[..., Adapter]) -> None:
    """Beyond `Pool.keep_idle`, connections are closed after use."""
    adapter = make(TransportSettings(pool=Pool(keep_idle=1)))
    all_open = threading.Barrier(4)

    def script(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        all_open.wait(WAIT_S)
        line.send(b"0\r\n\r\n")
        answering(whole())(line)

    with Peer(script) as peer:
        answers = [adapter.open(post(peer.url)) for _ in range(3)]
        all_open.wait(WAIT_S)
        for answer in answers:
            assert rest_of(answer) == b"one"
            answer.close()
        peer.wait_ended()
        peer.wait_ended()
        assert fetch(adapter, post(peer.url)) == b"{}"
        assert peer.accepted == 3


def test_closing_keeps_open_answers(make: Callable[..., Adapter], name: str) -> None:
    """Open answers outlive the transport; idle connections do not."""
    if name.startswith("httpx"):
        pytest.skip("a client of httpx closes everything")
    adapter = make()

    def streaming(line: Line) -> None:
        line.request()
        line.send(CHUNKED + chunk(b"one"))
        line.pause(0.1)
        line.send(chunk(b"two") + b"0\r\n\r\n")
        line.drain()

    with Peer(streaming, answering(whole())) as peer:
        stream = adapter.open(post(peer.url))
        fetch(adapter, post(peer.url))
        if isinstance(adapter, AsyncAdapter):
            adapter.run(adapter.transport.close())
        else:
            adapter.close()
        peer.wait_ended()
        assert rest_of(stream) == b"onetwo"
        stream.close()
        if isinstance(adapter, AsyncAdapter):
            adapter.run(asyncio.sleep(0.01))
        peer.wait_ended()
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url))
        assert caught.value.kind == "closed"


def test_many_threads_share_a_transport(make: Callable[..., Adapter]) -> None:
    """32 threads get their own answers, each."""
    adapter = make()
    if isinstance(adapter, AsyncAdapter):
        pytest.skip("an async transport belongs to one loop")

    def echo(line: Line) -> None:
        while True:
            line.send(whole(line.request().body))

    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(5):
            body = f"{number}-{turn}".encode()
            try:
                if fetch(adapter, post(peer.url, body)) != body:
                    wrong.append(body)
            except Fault as fault:
                wrong.append(fault)

    with Peer(echo) as peer:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert peer.accepted <= 32


def test_many_tasks_share_a_transport(make: Callable[..., Adapter]) -> None:
    """32 tasks get their own answers, each."""
    adapter = make()
    if not isinstance(adapter, AsyncAdapter):
        pytest.skip("a sync transport has no tasks")
    transport = adapter.transport

    def echo(line: Line) -> None:
        while True:
            line.send(whole(line.request().body))

    async def work(number: int) -> None:
        for turn in range(5):
            body = f"{number}-{turn}".encode()
            answer = await transport.open(post(peer.url, body), connect_s=5)
            got = b""
            while data := await answer.read():
                got += data
            assert got == body
            await answer.close()

    async def everyone() -> None:
        await asyncio.gather(*(work(number) for number in range(32)))

    with Peer(echo) as peer:
        adapter.run(everyone())


def test_ipv6_addresses_are_hosts(adapter: Adapter) -> None:
    """An address in brackets is dialled, and sent as Host with them."""
    seen: list[Received] = []
    try:
        peer = Peer(answering(whole(), requests=seen), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with peer:
        assert fetch(adapter, get(peer.url)) == b"{}"
    assert seen[0].headers["host"] == f"[::1]:{peer.port}"


def test_a_family_of_addresses_this_machine_lacks_is_passed_over(
    adapter: Adapter, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container without IPv6 still finds ::1 in its list of hosts."""
    if name.startswith("httpx"):
        pytest.skip("httpcore connects")
    real = socket.getaddrinfo

    def with_odd_one(*args: Any, **how: Any) -> Any:
        odd = (socket.AF_APPLETALK, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0))
        return [odd, *real(*args, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", with_odd_one)
    with Peer(answering(whole())) as peer:
        assert fetch(adapter, get(peer.url)) == b"{}"


def _child(run: Callable[[], bool]) -> None:
    os._exit(0 if run() else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_makes_its_own_connections(make: Callable[..., Adapter]) -> None:
    """Parent and child both go on; neither writes into the other's connection."""
    adapter = make()
    if isinstance(adapter, AsyncAdapter):
        pytest.skip("an async transport belongs to one loop")
    with Peer(answering(whole())) as peer:
        fetch(adapter, post(peer.url))
        context = multiprocessing.get_context("fork")
        child = context.Process(
            target=_child, args=(lambda: fetch(adapter, post(peer.url)) == b"{}",)
        )
        child.start()
        child.join(10)
        assert child.exitcode == 0
        answer = adapter.open(post(peer.url))
        assert rest_of(answer) == b"{}"
        answer.close()
        assert answer.reused
        assert peer.accepted == 2
        child.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_can_discard(name: str) -> None:
    """A child drops its parent's connections without disturbing them."""
    adapter = made(name)
    if not isinstance(adapter, AsyncAdapter):
        pytest.skip("sync transports notice a fork themselves")
    with Peer(answering(whole())) as peer:
        fetch(adapter, post(peer.url))

        def discard() -> bool:
            adapter.transport.discard()
            return True

        context = multiprocessing.get_context("fork")
        child = context.Process(target=_child, args=(discard,))
        child.start()
        child.join(10)
        assert child.exitcode == 0
        answer = adapter.open(post(peer.url))
        assert rest_of(answer) == b"{}"
        answer.close()
        assert answer.reused
        child.close()
    adapter.close()


@pytest.mark.parametrize("is_open", [False, True], ids=["idle", "open"])
def test_a_transport_whose_loop_is_gone_is_discarded(name: str, is_open: bool) -> None:
    """Each `asyncio.run` has its transport; the last one's is dropped in silence."""
    for _ in range(3):
        adapter = made(name)
        if not isinstance(adapter, AsyncAdapter):
            pytest.skip("a sync transport has no loop")
        with Peer(answering(whole(b"{}"))) as peer:
            answer = adapter.open(post(peer.url))
            if not is_open:
                rest_of(answer)
                answer.close()
            adapter.loop.run_until_complete(adapter.loop.shutdown_default_executor())
            adapter.loop.close()
            adapter.transport.discard()
            adapter.transport.discard()
            del answer
            peer.wait_ended()


def test_a_closed_transport_refuses(make: Callable[..., Adapter]) -> None:
    """After `close`, which may be repeated, nothing is sent."""
    adapter = make()
    with Peer(answering(whole())) as peer:
        fetch(adapter, post(peer.url))
        if isinstance(adapter, SyncAdapter):
            adapter.close()
            adapter.close()
        elif isinstance(adapter, AsyncAdapter):
            adapter.run(adapter.transport.close())
            adapter.run(adapter.transport.close())
        with pytest.raises(Fault) as caught:
            adapter.open(post(peer.url))
        assert (caught.value.kind, caught.value.phase) == ("closed", "prepare")
