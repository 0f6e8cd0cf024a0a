"""Policies in both colours: waiting, waking, cancelling, and permits that come back."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import pytest

from arriero import AsyncClient, Client, TryEnded
from arriero.errors import (
    CallCancelled,
    ClientClosed,
    ConnectionLost,
    LimitReached,
    RequestError,
    ServerBusy,
    StreamIncomplete,
)
from arriero.settings import Breaker, CallPolicy, Limits, Retry, Timeouts

from .conftest import scripted
from .scripted import HANG, LAST, PART, Colour, Script, lost, reply

BUSY = reply(b"{}", status=503)
ANSWER = reply(b'{"response":"a","done":true}')
QUICK = Retry(attempts=3, first_wait_s=0.001)
ONE = Limits(concurrency=1)


def running(client: Any) -> tuple[int, int]:
    """Give how many calls run and wait."""
    seen = client.statistics()
    return seen.running, seen.waiting


def test_a_failed_call_is_tried_again(colour: Colour) -> None:
    """Unless it is told not to."""
    client = colour.client(BUSY, ANSWER, BUSY, retry=QUICK)

    assert colour.do(client.generate("m", "hi")).http.attempts == 2
    with pytest.raises(ServerBusy):
        colour.do(client.generate("m", "hi", policy=CallPolicy(retry=Retry.none())))


def test_calls_are_tried_again_by_default(colour: Colour) -> None:
    """Three times in all."""
    client = colour.client(*[BUSY] * 3, retry=None)
    with pytest.raises(ServerBusy) as caught:
        colour.do(client.version())
    assert caught.value.attempts == 3


def test_a_stream_that_breaks_before_its_first_record_is_opened_again(colour: Colour) -> None:
    """Its reader sees one stream."""
    client = colour.client(reply(lost("body")), BUSY, reply(PART, LAST), retry=QUICK)
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert [part.response for part in colour.list(stream)] == ["a", ""]
    assert (stream.complete, stream.http.attempts) == (True, 3)
    assert client.statistics().ok == 1


def test_a_stream_that_breaks_later_is_not(colour: Colour) -> None:
    """What arrived comes with the error."""
    client = colour.client(reply(PART, lost("body")), retry=QUICK)
    stream = colour.do(client.generate("m", "hi", stream=True))

    assert colour.next(stream).response == "a"
    with pytest.raises(ConnectionLost) as caught:
        colour.next(stream)
    assert caught.value.partial.response == "a"
    assert client.statistics().failed == {"ConnectionLost": 1}


def test_a_cut_stream_is_continued_if_that_is_wanted(colour: Colour) -> None:
    """One stream, one text; the seam is told."""
    rest = reply(b'{"response":"b","done":true}\n')
    retry = Retry(first_wait_s=0.001, continue_stream=True)
    client = colour.client(reply(PART, b""), BUSY, rest, retry=retry)
    stream = colour.do(client.generate("m", "hi", raw=True, stream=True))

    assert [part.response for part in colour.list(stream)] == ["a", "b"]
    assert (stream.text, stream.response.http.resumed_at) == ("ab", (1,))
    assert (client.statistics().resumed, client.statistics().retries) == (1, 1)


def test_a_stream_that_cannot_be_opened_again_raises_the_last_error(colour: Colour) -> None:
    """With what had arrived before."""
    retry = Retry(attempts=2, first_wait_s=0.001, continue_stream=True)
    client = colour.client(reply(PART, b""), BUSY, retry=retry)
    stream = colour.do(client.generate("m", "hi", raw=True, stream=True))
    colour.next(stream)
    with pytest.raises(ServerBusy) as caught:
        colour.next(stream)
    assert caught.value.partial.response == "a"


# Permits


def test_a_stream_holds_its_permit_until_it_ends(colour: Colour) -> None:
    """To its last record, and not longer."""
    client = colour.client(reply(PART, LAST), limits=ONE)
    stream = colour.do(client.generate("m", "hi", stream=True))
    assert running(client) == (0, 0)
    colour.next(stream)
    assert running(client) == (1, 0)
    colour.list(stream)
    assert running(client) == (0, 0)


@pytest.mark.parametrize("end", ["close", "leave", "drop", "cancel", "fail"])
def test_a_stream_gives_its_permit_back_however_it_ends(colour: Colour, end: str) -> None:
    """Closed, left, forgotten, cancelled or broken."""
    client = colour.client(reply(PART, lost("body")), limits=ONE)
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.enter(stream)
    colour.next(stream)
    assert running(client) == (1, 0)
    if end == "close":
        closing = stream.close()
        if colour.is_async:
            colour.do(closing)
    elif end == "leave":
        colour.leave(stream)
    elif end == "cancel":
        stream.cancel()
        with pytest.raises(CallCancelled):
            colour.next(stream)
    elif end == "fail":
        with pytest.raises(ConnectionLost):
            colour.next(stream)
    del stream
    gc.collect()
    assert running(client) == (0, 0)
    seen = client.statistics()
    assert (seen.started, seen.cancelled + sum(seen.failed.values())) == (1, 1)


def test_a_call_that_finds_no_place_is_refused(colour: Colour) -> None:
    """At once, and told apart from a busy server."""
    client = colour.client(reply(PART, HANG), limits=Limits(concurrency=1, queue=0))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    with pytest.raises(LimitReached, match="this client's queue is full: 0 calls wait, 1 run"):
        colour.do(client.generate("m", "hi"))
    closing = stream.close()
    if colour.is_async:
        colour.do(closing)


def test_waiting_ends_with_the_time_there_is(colour: Colour) -> None:
    """The driver wakes by itself."""
    client = colour.client(reply(PART, HANG), limits=Limits(concurrency=1, max_wait_s=0.01))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)
    with pytest.raises(LimitReached, match="max_wait_s"):
        colour.do(client.generate("m", "hi"))
    assert running(client) == (1, 0)
    closing = stream.close()
    if colour.is_async:
        colour.do(closing)


def test_limits_of_httpx_are_still_limits_of_connections(colour: Colour) -> None:
    """The argument has that meaning in the `ollama` package."""
    import httpx

    client = colour.client(ANSWER, limits=httpx.Limits(max_connections=3))
    assert client._setup.transport.pool.max_connections == 3
    with pytest.raises(RequestError, match=r"limits: a Limits, or an httpx\.Limits, not 5"):
        colour.client(limits=5)


# Threads


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Colour:
    """The sync client alone."""
    made = Colour()
    scripted(made, monkeypatch)
    return made


def in_thread(work: Any) -> tuple[threading.Thread, list[Any]]:
    """Begin `work` on a thread; what it gives or raises comes into the list."""
    made: list[Any] = []

    def run() -> None:
        try:
            made.append(work())
        except BaseException as error:
            made.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, made


def until(condition: Any) -> None:
    """Wait for what another thread is about to do."""
    while not condition():
        time.sleep(0.001)


def test_a_thread_waits_for_the_permit_of_another(threads: Colour) -> None:
    """It goes on as soon as the other has ended."""
    client = threads.client(reply(PART, LAST), ANSWER, limits=ONE)
    stream = client.generate("m", "hi", stream=True)
    next(stream)
    thread, made = in_thread(lambda: client.generate("m", "hi").response)
    until(lambda: running(client) == (1, 1))
    list(stream)
    thread.join()
    assert made == ["a"]


def test_a_stream_is_cancelled_while_it_waits_for_its_turn(threads: Colour) -> None:
    """From another thread, at once; it leaves the queue."""
    client = threads.client(reply(PART, HANG), limits=ONE)
    running_stream = client.generate("m", "hi", stream=True)
    next(running_stream)
    waiting = client.generate("m", "hi", stream=True)
    thread, made = in_thread(waiting.open)
    until(lambda: running(client) == (1, 1))
    waiting.cancel()
    thread.join()
    assert isinstance(made[0], CallCancelled)
    assert running(client) == (1, 0)
    running_stream.close()
    assert running(client) == (0, 0)


def test_a_stream_is_cancelled_while_it_waits_to_try_again(threads: Colour) -> None:
    """The longest wait between two tries ends at once."""
    client = threads.client(reply(b"{}", status=503, retry_after="60"), retry=Retry())
    stream = client.generate("m", "hi", stream=True)
    thread, made = in_thread(stream.open)
    until(lambda: client.statistics().retries == 1)
    stream.cancel()
    thread.join()
    assert isinstance(made[0], CallCancelled)


def test_closing_a_client_wakes_whoever_waits(threads: Colour) -> None:
    """They find it closed."""
    client = threads.client(reply(PART, HANG), limits=ONE)
    stream = client.generate("m", "hi", stream=True)
    next(stream)
    thread, made = in_thread(lambda: client.generate("m", "hi"))
    until(lambda: running(client) == (1, 1))
    client.close()
    thread.join()
    assert isinstance(made[0], ClientClosed)
    stream.close()


@pytest.mark.parametrize("streams", [False, True])
def test_closing_a_client_ends_a_wait_for_the_next_try(threads: Colour, streams: bool) -> None:
    """At once, not when the wait of up to a minute is over; nothing is sent again."""
    client = threads.client(reply(b"{}", status=503, retry_after="60"), retry=Retry())

    def ask() -> Any:
        made = client.generate("m", "hi", stream=streams)
        return list(made) if streams else made

    thread, made = in_thread(ask)
    until(lambda: client.statistics().retries == 1)
    client.close()
    thread.join()
    assert isinstance(made[0], ClientClosed)
    assert len(threads.script.sent) == 1
    assert not client._sleepers


@pytest.mark.slow
def test_threads_lose_no_permit(threads: Colour) -> None:
    """A thousand calls, streams left early among them, on eight threads: all end, none leaks."""
    limits = Limits(concurrency=3, per_model={"a": 1}, queue=2000)
    client = threads.client(limits=limits, breaker=Breaker())
    threads.script = Script([reply(PART, LAST) for _ in range(2000)])

    def work(number: int) -> None:
        for turn in range(125):
            policy = CallPolicy(tenant=str(number % 3), priority=turn % 2)
            stream = client.generate("ab"[turn % 2], "hi", stream=True, policy=policy)
            next(stream)
            if turn % 3:
                list(stream)
            elif turn % 2:
                stream.close()
            del stream

    workers = [in_thread(lambda number=number: work(number)) for number in range(8)]
    for thread, _ in workers:
        thread.join()
    assert [made for _, made in workers] == [[None]] * 8
    gc.collect()
    seen = client.statistics()
    assert (seen.running, seen.waiting, seen.started) == (0, 0, 1000)
    assert seen.ok + seen.cancelled == 1000


# Tasks


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Colour:
    """The async client alone."""
    made = Colour()
    scripted(made, monkeypatch)
    return made


def test_a_task_that_is_cancelled_in_the_queue_leaves_it(tasks: Colour) -> None:
    """Its place goes to the next."""

    async def run() -> None:
        tasks.script = Script([reply(PART, HANG), ANSWER])
        client = AsyncClient("http://server:80", limits=ONE, retry=Retry.none())
        stream = await client.generate("m", "hi", stream=True)
        await anext(stream)
        waiting = [asyncio.create_task(_ask(client)) for _ in range(2)]
        await asyncio.sleep(0)
        assert running(client) == (1, 2)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert running(client) == (1, 1)
        await stream.close()
        assert await waiting[1] == "a"
        assert running(client) == (0, 0)

    asyncio.run(run())


async def _ask(client: AsyncClient) -> Any:
    return (await client.generate("m", "hi")).response


def test_a_stream_is_cancelled_while_its_task_waits(tasks: Colour) -> None:
    """`cancel` ends the wait, not the task."""

    async def run() -> None:
        tasks.script = Script([reply(PART, HANG)])
        client = AsyncClient("http://server:80", limits=ONE)
        stream = await client.generate("m", "hi", stream=True)
        await anext(stream)
        waiting = await client.generate("m", "hi", stream=True)
        task = asyncio.create_task(anext_of(waiting))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(CallCancelled):
            await task
        assert running(client) == (1, 0)
        await stream.close()

    asyncio.run(run())


async def anext_of(stream: Any) -> Any:
    """Give the next record, as a coroutine a task can run."""
    return await anext(stream)


@pytest.mark.parametrize("streams", [False, True])
def test_closing_a_client_ends_a_tasks_wait_for_the_next_try(tasks: Colour, streams: bool) -> None:
    """As for threads."""

    async def run() -> None:
        tasks.script = Script([reply(b"{}", status=503, retry_after="60")])
        failed = asyncio.Event()

        def watch(event: Any) -> None:
            if isinstance(event, TryEnded):
                failed.set()

        client = AsyncClient("http://server:80", observers=[watch])
        task = asyncio.create_task(_open(client) if streams else _ask(client))
        await failed.wait()
        await client.close()
        with pytest.raises(ClientClosed):
            await task
        assert not client._sleepers

    asyncio.run(run())
    assert len(tasks.script.sent) == 1


async def _open(client: AsyncClient) -> None:
    await (await client.generate("m", "hi", stream=True)).open()


def test_closing_a_client_wakes_the_tasks_of_other_loops(tasks: Colour) -> None:
    """A wait ends on its own loop, whoever closes."""
    tasks.script = Script([reply(b"{}", status=503, retry_after="60")])
    client = AsyncClient("http://server:80")
    thread, made = in_thread(lambda: asyncio.run(_ask(client)))
    until(lambda: client.statistics().retries == 1)
    asyncio.run(client.close())
    thread.join()
    assert isinstance(made[0], ClientClosed)


def test_a_loop_that_ends_takes_its_waiting_calls_along(tasks: Colour) -> None:
    """Another loop finds the permits free."""
    client = AsyncClient("http://server:80", limits=ONE, retry=Retry.none())

    async def leave() -> None:
        stream = await client.generate("m", "hi", stream=True)
        await anext(stream)
        waiting = asyncio.create_task(_ask(client))
        await asyncio.sleep(0)
        assert running(client) == (1, 1)
        waiting.cancel()
        await stream.close()

    async def come() -> Any:
        return await _ask(client)

    tasks.script = Script([reply(PART, HANG), ANSWER])
    asyncio.run(leave())
    assert asyncio.run(come()) == "a"
    assert running(client) == (0, 0)


@pytest.mark.slow
def test_tasks_lose_no_permit_wherever_they_are_cancelled(tasks: Colour) -> None:
    """Cancelled after every number of steps of the loop that a call can take."""

    async def run() -> None:
        client = AsyncClient("http://server:80", limits=ONE, retry=QUICK)
        for steps in range(40):
            tasks.script = Script([BUSY, reply(PART, LAST), *[ANSWER] * 4])
            calls = [asyncio.create_task(_read(client)) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for call in calls[:2]:
                call.cancel()
            await asyncio.wait(calls)
            assert running(client) == (0, 0), steps

    asyncio.run(run())


async def _read(client: AsyncClient) -> None:
    try:
        async with await client.generate("m", "hi", stream=True) as stream:
            async for _ in stream:
                pass
    except (StreamIncomplete, AssertionError):  # a script that is used up
        pass


def test_timeouts_of_a_call_bound_its_retries() -> None:
    """A wait that would end too late is not begun: the error comes at once, not in a minute."""
    client = Client("http://127.0.0.1:9", retry=Retry(attempts=9, first_wait_s=60, max_wait_s=60))
    client._target.governor._random = lambda: 1.0
    with pytest.raises(ConnectionError):
        client.version(timeouts=Timeouts(total_s=30))
    assert client.statistics().retries == 0
