"""What only the async client has: tasks, cancellation, event loops, forgotten awaits."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock, create_autospec

import pytest

from arriero import AsyncClient
from arriero._core.http import Fault
from arriero.errors import CallCancelled, ClientClosed, RequestError
from arriero.settings import Timeouts

from .conftest import scripted
from .scripted import HANG, LAST, PART, VERSION, Answer, AsyncColour, Reply, reply


@pytest.fixture
def colour(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The async client alone."""
    made = AsyncColour()
    scripted(made, monkeypatch)
    yield made
    made.runner.close()


Test = Callable[[AsyncClient], Awaitable[Any]]


async def hanging(colour: AsyncColour) -> None:
    """Wait until the server does not answer."""
    await until(colour.script.hanging.is_set)


async def until(is_true: Callable[[], object]) -> None:
    """Let other tasks run until something is true."""
    while not is_true():  # noqa: ASYNC110  # a transport in memory has no event to wait for
        await asyncio.sleep(0)


# Cancelling tasks


@pytest.mark.parametrize(
    ("answer", "stream"),
    [
        (HANG, False),
        (reply(HANG), False),
        (reply(b"half", HANG), False),
        (HANG, True),
        (reply(HANG), True),
        (reply(PART, HANG), True),
    ],
)
def test_a_cancelled_task_closes_its_socket(
    colour: AsyncColour, answer: Answer, stream: bool
) -> None:
    """At each place where a call waits; the cancellation is not swallowed."""
    client = colour.client(answer)

    async def call() -> None:
        made = await client.generate("m", "hi", stream=stream)
        if stream:
            async for _ in made:
                pass

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(call())
        await hanging(colour)
        task.cancel()
        await asyncio.wait([task])
        return task

    assert colour.do(main()).cancelled()
    assert colour.script.events[-1] == "abort"


@pytest.mark.parametrize("steps", range(1, 9))
def test_a_cancellation_at_any_step_leaves_nothing_open(colour: AsyncColour, steps: int) -> None:
    """Whichever await it meets, every answer that was opened is closed or aborted."""
    client = colour.client(reply(status=307, location="/x"), reply(b'{"ver', b'sion":"1"}'))

    async def main() -> None:
        task = asyncio.create_task(client.version())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    colour.do(main())
    events = colour.script.events
    assert events.count("open") == events.count("close") + events.count("abort")


def test_a_timeout_of_the_caller_is_the_callers(colour: AsyncColour) -> None:
    """`asyncio.timeout` around a call raises its own error, and closes the socket."""
    client = colour.client(HANG)

    async def main() -> None:
        async with asyncio.timeout(0.01):
            await client.version()

    with pytest.raises(TimeoutError) as caught:
        colour.do(main())
    assert type(caught.value) is TimeoutError
    assert colour.script.events[-1] == "abort"


@pytest.mark.parametrize("place", ["open", "read"])
def test_a_timeout_of_another_layer_is_not_ours(colour: AsyncColour, place: str) -> None:
    """A TimeoutError that no budget of ours caused is passed on as it is."""
    strange = TimeoutError("from elsewhere")
    client = colour.client(strange if place == "open" else reply(strange))

    with pytest.raises(TimeoutError, match="from elsewhere"):
        colour.do(client.version())


# Cancelling streams


@pytest.mark.parametrize(
    ("answer", "phase"), [(HANG, "head"), (reply(HANG), "body"), (reply(PART, HANG), "body")]
)
def test_another_task_may_cancel_a_stream(colour: AsyncColour, answer: Answer, phase: str) -> None:
    """The task that waits gets the error, and goes on living."""
    client = colour.client(answer)

    async def main() -> None:
        stream = await client.generate("m", "hi", stream=True)

        async def read() -> CallCancelled:
            try:
                async for _ in stream:
                    pass
            except CallCancelled as error:
                await asyncio.sleep(0)  # a task still cancelled would end here
                return error
            raise AssertionError("not cancelled")

        task = asyncio.create_task(read())
        await hanging(colour)
        stream.cancel()
        error = await task
        assert (error.call, error.phase) == ("POST /api/generate", phase)

    colour.do(main())
    assert colour.script.events[-1] == "abort"


def test_a_second_reader_is_refused_and_the_first_goes_on(colour: AsyncColour) -> None:
    """Two tasks cannot share a stream; what one of them waits for is not taken from it."""
    client = colour.client(reply(PART, HANG))

    async def main() -> None:
        stream = await client.generate("m", "hi", stream=True)
        await anext(stream)
        first = asyncio.create_task(anext(stream))  # type: ignore[arg-type]  # a coroutine is enough
        await hanging(colour)
        with pytest.raises(RequestError, match="one task reads a stream"):
            await anext(stream)
        assert not first.done()
        assert "abort" not in colour.script.events
        stream.cancel()
        with pytest.raises(CallCancelled):
            await first

    colour.do(main())


def test_a_cancelled_task_stays_cancelled_if_its_stream_is_too(colour: AsyncColour) -> None:
    """The task's own cancellation is stronger."""
    client = colour.client(HANG)

    async def main() -> asyncio.Task[Any]:
        stream = await client.generate("m", "hi", stream=True)
        task = asyncio.create_task(stream.open())
        await hanging(colour)
        task.cancel()
        stream.cancel()
        await asyncio.wait([task])
        return task

    assert colour.do(main()).cancelled()


def test_breaking_out_and_leaving_closes_the_stream(colour: AsyncColour) -> None:
    """`async with` ends what `break` left."""
    client = colour.client(reply(PART, PART, HANG))

    async def main() -> None:
        async with await client.generate("m", "hi", stream=True) as stream:
            async for _ in stream:
                break

    colour.do(main())
    assert colour.script.events[-1] == "abort"


def test_a_generator_around_a_stream_ends_it(colour: AsyncColour) -> None:
    """`aclosing` and friends find the name they expect."""
    client = colour.client(reply(PART, HANG))

    async def main() -> None:
        stream = await client.generate("m", "hi", stream=True)
        await anext(stream)
        await stream.aclose()

    colour.do(main())
    assert colour.script.events[-1] == "abort"


def test_a_forgotten_stream_leaves_no_timer(colour: AsyncColour) -> None:
    """Neither while the loop runs nor after it."""
    client = colour.client(reply(PART, HANG), reply(PART, HANG))

    async def main() -> int:
        stream = await client.generate("m", "hi", stream=True)
        await anext(stream)
        del stream
        gc.collect()
        loop: Any = asyncio.get_running_loop()
        return sum(not handle.cancelled() for handle in loop._scheduled)

    assert colour.do(main()) == 0
    assert colour.script.events[-1] == "abort"


def test_one_timer_serves_a_whole_stream(colour: AsyncColour) -> None:
    """It sets itself anew while records keep coming, and fires when they stop."""
    client = colour.client(reply(*[PART] * 5, HANG), timeouts=Timeouts(idle_s=0.4))

    made: list[Any] = []

    async def main() -> None:
        async for record in await client.generate("m", "hi", stream=True):
            made.append(record)
            await asyncio.sleep(0.15)  # so that the timer finds the deadline moved

    with pytest.raises(TimeoutError, match="idle_s"):
        colour.do(main())
    assert len(made) == 5


def test_a_consumer_may_be_slow(colour: AsyncColour) -> None:
    """Time the caller takes between records is not the server's."""
    client = colour.client(reply(PART, PART + LAST), timeouts=Timeouts(idle_s=0.3))

    async def main() -> int:
        count = 0
        async for _ in await client.generate("m", "hi", stream=True):
            count += 1
            await asyncio.sleep(0.4)
        return count

    assert colour.do(main()) == 3


def test_a_stream_without_budgets_has_no_timer(colour: AsyncColour) -> None:
    """None is no limit."""
    client = colour.client(reply(PART, LAST), timeouts=Timeouts.none())

    assert len(colour.list(colour.do(client.generate("m", "hi", stream=True)))) == 2


# Event loops


def test_a_client_may_live_through_several_loops(
    colour: AsyncColour,
) -> None:
    """Each loop has connections of its own; those of ended loops are let go."""
    client = colour.client(*[VERSION] * 3)

    async def main() -> str:
        return str((await client.version()).version)

    assert [asyncio.run(main()) for _ in range(3)] == ["1", "1", "1"]
    assert colour.script.events.count("discard") == 2


class Interrupted(asyncio.SelectorEventLoop):
    """A loop during whose check for being closed something else happens, once."""

    meanwhile: Callable[[], None] | None = None

    def is_closed(self) -> bool:
        """Let the other thing happen first."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().is_closed()


def test_loops_of_several_threads_may_begin_at_once(colour: AsyncColour) -> None:
    """While one looks for loops that have ended, another adds itself."""
    client = colour.client(*[VERSION] * 3)

    async def main() -> str:
        return str((await client.version()).version)

    def elsewhere() -> None:
        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        thread.join()

    first = Interrupted()
    first.run_until_complete(main())
    first.meanwhile = elsewhere
    try:
        assert asyncio.run(main()) == "1"
    finally:
        first.close()


def test_closing_closes_the_connections_of_every_loop(colour: AsyncColour) -> None:
    """Those of this loop in order, those of others at once."""
    client = colour.client(*[VERSION] * 2)

    async def main(*, close: bool) -> None:
        await client.version()
        if close:
            await client.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main(close=False))
    asyncio.run(main(close=True))
    loop.close()
    assert sorted(colour.script.events[-2:]) == ["discard", "shut"]
    with pytest.raises(ClientClosed):
        asyncio.run(main(close=False))


def test_a_forgotten_client_lets_its_connections_go(colour: AsyncColour) -> None:
    """Without a word."""
    client = colour.client(VERSION)
    colour.do(client.version())
    del client
    gc.collect()

    assert colour.script.events[-1] == "discard"


def test_closing_an_unused_client_does_nothing(colour: AsyncColour) -> None:
    """There is nothing to close."""
    client = colour.client()
    colour.do(client.close())

    assert colour.script.events == []


# Tokens


def test_a_token_provider_may_be_asynchronous(colour: AsyncColour) -> None:
    """It is awaited."""

    async def token() -> str:
        await asyncio.sleep(0)
        return "fresh"

    client = colour.client(VERSION, auth=token)
    colour.do(client.version())

    assert colour.script.sent[0].headers["authorization"] == "Bearer fresh"


# Calls that are not awaited yet


def test_a_pending_call_is_a_coroutine(colour: AsyncColour) -> None:
    """Whatever takes coroutines takes calls."""
    client = colour.client(*[VERSION] * 7)

    async def main() -> list[str]:
        task = asyncio.create_task(client.version())
        many = await asyncio.gather(client.version(), client.version())
        limited = await asyncio.wait_for(client.version(), 5)
        ensured = await asyncio.ensure_future(client.version())
        async with asyncio.TaskGroup() as group:
            grouped = group.create_task(client.version())
        threadsafe = asyncio.run_coroutine_threadsafe(client.version(), asyncio.get_running_loop())
        await until(threadsafe.done)
        made = [await task, *many, limited, ensured, grouped.result(), threadsafe.result()]
        return [each.version for each in made]

    assert colour.do(main()) == ["1"] * 7


def test_frameworks_see_coroutine_functions(colour: AsyncColour) -> None:
    """Before a call, bound or not; mocks of the client are awaitable."""
    client = colour.client()

    for function in (AsyncClient.chat, client.chat, client.version):
        assert inspect.iscoroutinefunction(function)
    assert isinstance(create_autospec(AsyncClient).chat, AsyncMock)
    assert AsyncClient.chat.__name__ == "chat"
    assert "model" in inspect.signature(AsyncClient.chat).parameters
    call = client.version()
    assert inspect.isawaitable(call)
    assert call.cr_frame is not None
    call.close()


async def for_each(call: Any) -> None:
    """Iterate."""
    async for _ in call:
        pass


async def with_it(call: Any) -> None:
    """Enter."""
    async with call:
        pass


def with_sync(call: Any) -> None:
    """Enter the other way."""
    with call:
        pass


@pytest.mark.parametrize(
    ("use", "instead"),
    [
        (lambda call: asyncio.run(for_each(call)), "async for part in await client.chat(...)"),
        (lambda call: list(call), "async for part in await client.chat(...)"),
        (lambda call: asyncio.run(with_it(call)), "async with await client.chat(...) as stream"),
        (with_sync, "async with await client.chat(...) as stream"),
        (lambda call: call["message"], "(await client.chat(...))['message']"),
        (lambda call: call.message, "(await client.chat(...)).message"),
    ],
)
def test_a_forgotten_await_is_named(
    colour: AsyncColour, use: Callable[[Any], None], instead: str
) -> None:
    """The message is what to write; no second warning follows."""
    client = colour.client()

    with pytest.raises(TypeError) as caught:
        use(client.chat("m", []))
    assert str(caught.value) == f"AsyncClient.chat() was not awaited: write '{instead}'"
    gc.collect()


def test_a_call_that_is_never_awaited_warns(colour: AsyncColour) -> None:
    """As any coroutine does, with the method's name."""
    client = colour.client()

    def forget() -> None:
        client.chat("m", [])
        gc.collect()

    with pytest.warns(RuntimeWarning, match=r"chat' was never awaited"):
        forget()


def test_a_subclass_has_pending_calls_too(colour: AsyncColour) -> None:
    """Methods a user adds or replaces behave as ours."""

    class Mine(AsyncClient):
        """A user's own client."""

        async def version(self, **more: Any) -> Any:
            """Tell more."""
            return (await super().version(**more)).version + "!"

        async def numbers(self) -> AsyncIterator[int]:
            """Count."""
            yield 1

    colour.client(VERSION)
    client = Mine("http://server")

    assert colour.do(client.version()) == "1!"
    with pytest.raises(TypeError, match=r"AsyncClient\.version\(\) was not awaited"):
        client.version().version  # noqa: B018  # the access is the test


def test_a_coroutine_may_be_resumed_by_hand(colour: AsyncColour) -> None:
    """Other event loops use `send` and `throw`."""
    client = colour.client(VERSION)
    call = client.version()

    with pytest.raises(ZeroDivisionError):
        call.throw(ZeroDivisionError())


def test_an_interrupted_wait_aborts(colour: AsyncColour) -> None:
    """Ctrl-C inside a reading goes through, and the socket is closed."""
    client = colour.client(reply(PART, KeyboardInterrupt()))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)

    with pytest.raises(KeyboardInterrupt):
        colour.next(stream)
    assert colour.script.events[-1] == "abort"


def test_a_fault_of_a_reading_keeps_its_reason(colour: AsyncColour) -> None:
    """It is not taken for a timeout."""
    client = colour.client(Reply(pieces=(PART, Fault("lost", "body", "reset by peer"))))
    stream = colour.do(client.generate("m", "hi", stream=True))
    colour.next(stream)

    with pytest.raises(ConnectionError, match="reset by peer"):
        colour.next(stream)
