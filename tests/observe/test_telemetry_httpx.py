"""Beside the real instrumentor of httpx: one trace, nested, and nothing counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from arriero import AsyncClient, Client
from arriero.testing import ScriptedServer

from .seen import Seen

HI = [{"role": "user", "content": "canary question"}]


def in_threads(url: str, seen: Seen, *, streams: bool, over_httpx: bool) -> None:
    """Chat once with the sync client."""
    with httpx.Client() as http:
        HTTPXClientInstrumentor.instrument_client(http, tracer_provider=seen.tracers)
        telemetry = seen.telemetry(propagate=True)
        with Client(url, http_client=http if over_httpx else None, telemetry=telemetry) as client:
            if streams:
                list(client.chat("m", HI, stream=True))
            else:
                client.chat("m", HI)


def in_tasks(url: str, seen: Seen, *, streams: bool, over_httpx: bool) -> None:
    """Chat once with the async client."""

    async def ask() -> None:
        async with httpx.AsyncClient() as http:
            HTTPXClientInstrumentor.instrument_client(http, tracer_provider=seen.tracers)
            telemetry = seen.telemetry(propagate=True)
            given = http if over_httpx else None
            async with AsyncClient(url, http_client=given, telemetry=telemetry) as client:
                if streams:
                    async for _ in await client.chat("m", HI, stream=True):
                        pass
                else:
                    await client.chat("m", HI)

    asyncio.run(ask())


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("chat", [in_threads, in_tasks])
def test_the_span_of_the_request_is_inside_that_of_the_call(
    seen: Seen, server: ScriptedServer, chat: Callable[..., Any], streams: bool
) -> None:
    """And the server is told of the inner one, once."""
    with seen.tracers.get_tracer("caller").start_as_current_span("caller") as caller:
        chat(server.url, seen, streams=streams, over_httpx=True)
    by_name = {span.name: span for span in seen.spans}
    assert sorted(by_name) == ["POST", "caller", "chat m"]
    request, call = by_name["POST"], by_name["chat m"]
    assert request.parent.span_id == call.context.span_id
    assert call.parent.span_id == caller.get_span_context().span_id
    assert {span.context.trace_id for span in seen.spans} == {call.context.trace_id}
    (duration,) = seen.points("gen_ai.client.operation.duration")
    assert duration.count == 1
    told = server.requests[-1].headers["traceparent"]
    assert told.count(format(call.context.trace_id, "032x")) == 1
    assert format(request.context.span_id, "016x") in told
    assert "," not in told


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("chat", [in_threads, in_tasks])
def test_over_our_own_transport_there_is_one_span(
    seen: Seen, server: ScriptedServer, chat: Callable[..., Any], streams: bool
) -> None:
    """That of the call, which the server is told of."""
    chat(server.url, seen, streams=streams, over_httpx=False)
    (span,) = seen.spans
    assert span.name == "chat m"
    assert format(span.context.span_id, "016x") in server.requests[-1].headers["traceparent"]
