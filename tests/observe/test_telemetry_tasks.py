"""Spans of tasks: each call's own, whoever runs beside it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import context

from arriero import AsyncClient, CallPolicy, Retry
from arriero.errors import ServerBusy
from arriero.testing import ScriptedServer, faults

from .seen import Seen

HI = [{"role": "user", "content": "canary question"}]


def test_tasks_do_not_mix_their_spans(seen: Seen, server: ScriptedServer) -> None:
    """Each call is a child of the span its own task is in."""
    tracer = seen.tracers.get_tracer("caller")

    async def ask(client: AsyncClient, name: str) -> None:
        with tracer.start_as_current_span(name):
            await client.chat(name, HI)

    async def together() -> None:
        async with AsyncClient(server.url, telemetry=seen.telemetry()) as client:
            await asyncio.gather(*(ask(client, f"m{number}") for number in range(5)))

    asyncio.run(together())
    ids = {span.name: span.context.span_id for span in seen.spans}
    for number in range(5):
        (span,) = [one for one in seen.spans if one.name == f"chat m{number}"]
        assert span.parent.span_id == ids[f"m{number}"]
    (duration,) = {one.count for one in seen.points("gen_ai.client.operation.duration")}
    assert duration == 1  # for each model


def test_a_stream_is_measured_and_its_span_ends_with_it(seen: Seen, server: ScriptedServer) -> None:
    """The caller's own context is back while it reads."""

    async def read() -> None:
        async with AsyncClient(server.url, telemetry=seen.telemetry(gaps=True)) as client:
            before = context.get_current()
            async with await client.chat("m", HI, stream=True) as stream:
                assert not seen.spans
                async for _ in stream:
                    assert context.get_current() is before
            assert context.get_current() is before

    asyncio.run(read())
    (span,) = seen.spans
    assert "gen_ai.response.time_to_first_chunk" in span.attributes
    assert span.attributes["arriero.outcome"] == "ok"
    assert seen.points("gen_ai.client.operation.time_to_first_chunk")


def test_a_cancelled_call_ends_its_span(seen: Seen, server: ScriptedServer) -> None:
    """As cancelled, which is no error; the next call of the task has its own."""
    server.on(model="slow").reply("x", delay_s=60)

    async def cancel() -> None:
        async with AsyncClient(server.url, telemetry=seen.telemetry()) as client:
            before = context.get_current()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.chat("slow", HI)
            assert context.get_current() is before
            await client.chat("m", HI)

    asyncio.run(cancel())
    slow, fast = seen.spans
    assert (slow.attributes["arriero.outcome"], slow.status.is_ok) == ("cancelled", True)
    assert fast.parent is None


def test_failures_and_retries_are_told(seen: Seen, server: ScriptedServer) -> None:
    """The error's class, not its text; each failed try."""
    server.fault(faults.Status(503), path="/api/chat")

    async def fail() -> None:
        async with AsyncClient(server.url, telemetry=seen.telemetry()) as client:
            await client.chat("m", HI, policy=CallPolicy(retry=Retry.none()))

    with pytest.raises(ServerBusy):
        asyncio.run(fail())
    (span,) = seen.spans
    assert span.attributes["error.type"] == "503"
    assert seen.points("arriero.client.retries")[0].value == 1


@pytest.mark.parametrize("streams", [False, True])
def test_traceparent_names_the_calls_own_span(
    seen: Seen, server: ScriptedServer, streams: bool
) -> None:
    """Of many calls at a time, too."""

    async def ask(client: AsyncClient, number: int) -> None:
        made: Any = await client.chat(f"m{number}", HI, stream=streams)  # type: ignore[call-overload]  # either
        if streams:
            async for _ in made:
                pass

    async def together() -> None:
        async with AsyncClient(server.url, telemetry=seen.telemetry(propagate=True)) as client:
            await asyncio.gather(*(ask(client, number) for number in range(4)))

    asyncio.run(together())
    assert len(server.requests) == 4
    ids = {span.name: format(span.context.span_id, "016x") for span in seen.spans}
    for request in server.requests:
        assert ids[f"chat {request.model}"] in request.headers["traceparent"]
