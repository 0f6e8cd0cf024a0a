"""`ensure` over sockets, in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from arriero import AsyncClient, Client, DeadlineExceeded, EnsureResponse, PullPolicy
from tests.lifecycle.ollama import Ollama, Spoilt, built, full
from tests.lifecycle.served import served

NEW = built("weights of some length", license="MIT License")
Ensure = Callable[..., EnsureResponse]


def in_sync(url: str, *words: Any, **arguments: Any) -> EnsureResponse:
    """Ensure with `Client`."""
    with Client(url) as client:
        return client.ensure(*words, **arguments)


def in_async(url: str, *words: Any, **arguments: Any) -> EnsureResponse:
    """Ensure with `AsyncClient`."""

    async def run() -> EnsureResponse:
        async with AsyncClient(url) as client:
            return await client.ensure(*words, **arguments)

    return asyncio.run(run())


@pytest.fixture(params=[in_sync, in_async], ids=["sync", "async"])
def ensure(request: pytest.FixtureRequest) -> Ensure:
    """Each of the clients in turn."""
    return request.param  # type: ignore[no-any-return]  # it is one


@pytest.mark.parametrize("how", ["cut", "max retries exceeded: EOF", "stall"])
def test_a_broken_pull_goes_on(ensure: Ensure, how: str) -> None:
    """A connection that ends, an error line, silence: the next try resumes."""
    ollama = Ollama(registry={full("m"): NEW}, spoilt=[Spoilt(3, how)])
    seen: list[Any] = []
    policy = PullPolicy(first_wait_s=0.01, stall_s=1 if how == "stall" else 60)
    with served(ollama) as url:
        made = ensure(url, "m", pull_policy=policy, on_progress=seen.append)

    done = [record.completed or 0 for record in seen if record.digest == NEW.digests[0]]
    assert (made.digest, made.attempts) == (NEW.digest, 2)
    assert done == sorted(done)
    assert 0 not in done[2:]


def test_a_pull_that_never_moves_ends(ensure: Ensure) -> None:
    """The budget is named; nothing is listed that is not whole."""
    ollama = Ollama(registry={full("m"): NEW}, spoilt=[Spoilt(1, "stall")] * 2)
    policy = PullPolicy(attempts=2, first_wait_s=0.01, stall_s=0.05)
    with served(ollama) as url, pytest.raises(DeadlineExceeded, match="stall_s"):
        ensure(url, "m", pull_policy=policy)
    assert ollama.names == {}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
def test_a_missing_model_is_pulled_for_a_call(*, stream: bool, is_async: bool) -> None:
    """And its answer comes as if it had been there; streams do not even notice."""
    ollama = Ollama(registry={full("m"): NEW})
    with served(ollama) as url:
        if is_async:
            text = asyncio.run(generated(url, stream=stream))
        else:
            with Client(url, auto_pull=["m"]) as client:
                made = client.generate("m", "hi", stream=stream)
                text = "".join(part.response for part in made) if stream else made.response
    assert text == "hello"
    assert ollama.has("m") == NEW.digest


async def generated(url: str, *, stream: bool) -> str:
    """Generate with `AsyncClient`."""
    async with AsyncClient(url, auto_pull=True) as client:
        made = await client.generate("m", "hi", stream=stream)
        if stream:
            return "".join([part.response async for part in made])
        return str(made.response)
