"""Too many callers for a server: the adaptive limit finds what it can bear."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from arriero import AsyncClient, CallPolicy, Limits, Retry
from arriero.testing.host import Host

ROOM = 4
WORK_S = 0.01
CALLERS = 200
CALLS = 6
"""By each caller."""


class Narrow:
    """An application that works on four requests at a time and answers 503 to the others."""

    def __init__(self) -> None:
        self.working = 0
        self.refused = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        while (await receive()).get("more_body"):
            pass
        status, body = 200, {"response": "yes", "done": True, "done_reason": "stop"}
        if self.working >= ROOM:
            self.refused += 1
            status, body = 503, {"error": "server busy, please try again."}
        else:
            self.working += 1
            try:
                await asyncio.sleep(WORK_S)
            finally:
                self.working -= 1
        await send({
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json")],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    async def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def narrow() -> Iterator[tuple[Narrow, str]]:
    """The application, and where it listens."""
    app = Narrow()
    host = Host(lambda: app, lambda *_: None, "127.0.0.1", 0)
    yield app, host.url
    host.close()


async def crowd(url: str, limits: Limits, served: list[str]) -> float:
    """Have 200 callers of four tenants make their calls; give the seconds it took.

    `served` gets the tenants in the order in which they were answered. One tenant has as many
    callers as the other three together.
    """
    tenants = ["greedy"] * (CALLERS // 2) + ["a", "b", "c"] * (CALLERS // 6 + 1)
    async with AsyncClient(url, limits=limits, retry=Retry(first_wait_s=0.01)) as client:

        async def caller(tenant: str) -> None:
            for _ in range(CALLS):
                await client.generate("m", "hi", policy=CallPolicy(tenant=tenant))
                served.append(tenant)

        began_s = time.monotonic()
        await asyncio.gather(*(caller(tenant) for tenant in tenants[:CALLERS]))
        return time.monotonic() - began_s


@pytest.mark.slow
def test_no_503_reaches_a_caller_and_nothing_is_left_unused(narrow: tuple[Narrow, str]) -> None:
    """All are answered, in little more time than with the best fixed limit, and by turns.

    The time is compared with what the same crowd takes with the limit that is right, in the
    same run: by how many pieces of work the server could have done meanwhile.
    """
    app, url = narrow
    adaptive, fixed = list[str](), list[str]()
    best_s = asyncio.run(crowd(url, Limits(concurrency=ROOM), fixed))
    assert app.refused == 0
    spent_s = asyncio.run(crowd(url, Limits(adaptive=True), adaptive))

    assert len(adaptive) == len(fixed) == CALLERS * CALLS
    assert app.refused <= 0.1 * len(adaptive)
    # Fair: while all four tenants have calls waiting, each is served as often as the others.
    for served in (adaptive, fixed):
        turns = Counter(served[: CALLERS * CALLS // 2])
        assert max(turns.values()) <= 1.1 * min(turns.values()), turns
    print(f"adaptive {spent_s:.2f} s, best fixed {best_s:.2f} s, refused {app.refused}")
