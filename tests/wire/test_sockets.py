"""A sample of the recorded exchanges over real sockets, through every transport.

The sample holds each way an answer was framed on each route, and all that broke.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from arriero import AsyncClient, Client
from arriero.errors import (
    ArrieroError,
    ConnectionLost,
    ResponseError,
    StreamFailed,
    StreamIncomplete,
)

from .cases import ALL, Case
from .exceptions import FREE
from .replay import STREAMS, Plan, differences, error_text, line_error, same_request, typed
from .socket_server import CorpusServer


def sample() -> Iterator[Case]:
    """Give the first case of each kind, and every broken one."""
    seen = set()
    for case in ALL.values():
        kind = (
            case.method,
            case.path.split("/")[2] if case.path.count("/") > 1 else "",
            case.response["framing"],
            case.lines is not None,
            case.status // 100,
        )
        if case.name not in FREE and (kind not in seen or case.name.startswith("broken/")):
            seen.add(kind)
            yield case


SAMPLE = list(sample())


@pytest.fixture(scope="module")
def server() -> Iterator[CorpusServer]:
    """One server for all of them."""
    made = CorpusServer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def clients(server: CorpusServer) -> Iterator[dict[str, Any]]:
    """Both clients on their own transports, and over httpx."""
    with httpx.Client(trust_env=False) as given, Client(server.url) as own:
        yield {"own": own, "httpx": Client(server.url, http_client=given)}


def test_the_sample_covers_the_routes() -> None:
    """Each kind of answer there is."""
    assert 45 <= len(SAMPLE) <= 80
    assert {case.response["framing"] for case in SAMPLE} == {"chunked", "content-length", "none"}
    assert {case.status for case in SAMPLE} >= {200, 400, 404, 500, 503}


Outcome = tuple[list[Any], ArrieroError | None]


@pytest.mark.parametrize("transport", ["own", "httpx"])
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_threads_read_it_from_a_socket(
    server: CorpusServer, clients: dict[str, Any], transport: str, case: Case
) -> None:
    """The sync client, by itself and over httpx."""
    server.case = case
    plan = planned(case)
    records: list[Any] = []
    failure = None
    try:
        made = plan.call(clients[transport])
        if plan.stream:
            for record in made:
                records.append(record)  # what came before an error counts
        else:
            records.append(made)
    except ArrieroError as error:
        failure = error
    check(server, case, plan, (records, failure))


@pytest.mark.parametrize("transport", ["own", "httpx"])
def test_tasks_read_them_from_a_socket(server: CorpusServer, transport: str) -> None:
    """The async client, over asyncio and over httpx, one after another on one loop."""

    async def one(client: AsyncClient, case: Case) -> Outcome:
        plan = planned(case)
        records: list[Any] = []
        try:
            made = await plan.call(client)
            if plan.stream:
                async for record in made:
                    records.append(record)  # what came before an error counts
            else:
                records.append(made)
        except ArrieroError as error:
            return records, error
        return records, None

    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False) as given:
            over = {"http_client": given} if transport == "httpx" else {}
            async with AsyncClient(server.url, **over) as client:
                for case in SAMPLE:
                    server.case = case
                    check(server, case, planned(case), await one(client, case))

    asyncio.run(main())


def planned(case: Case) -> Plan:
    """Give the call."""
    plan = typed(case)
    assert plan is not None
    return plan


def check(server: CorpusServer, case: Case, plan: Plan, outcome: Outcome) -> None:
    """What was sent, and what came out, is what was recorded."""
    records, failure = outcome
    if case.body is not None:
        sent = json.loads(server.heard[-1])
        assert same_request(case.body, sent, streams=plan.method in STREAMS)
    lines = [] if case.lines is None else case.lines
    error = line_error(lines[-1]) if lines else None
    if case.status >= 300 and plan.method != "blob_exists":
        assert isinstance(failure, ResponseError)
        assert (failure.error, failure.status) == (error_text(case), case.status)
    elif error is not None:
        assert isinstance(failure, StreamFailed)
        assert failure.error == error
    elif case.ended != "clean":
        assert isinstance(failure, ConnectionLost)
        assert failure.partial.message.content
    elif "repetition" in case.name and failure is not None:
        assert isinstance(failure, StreamIncomplete)
    else:
        assert failure is None
    if lines and plan.stream:
        wanted = lines[:-1] if error else lines
        assert len(records) == len(wanted)
        for line, record in zip(wanted, records, strict=True):
            assert differences(json.loads(line), record) == []
    elif failure is None and case.answer:
        assert differences(json.loads(case.answer), records[0]) == []
