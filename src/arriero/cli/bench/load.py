"""The requests of a measurement: sent, timed, counted."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arriero.cli.exits import run_async
from arriero.errors import ArrieroError

if TYPE_CHECKING:
    from arriero import AsyncClient


@dataclass(frozen=True)
class Answer:
    """One answer, as the caller saw it."""

    first_token_s: float
    """From sending to the first text, reasoning counted as text."""
    total_s: float
    tokens: int
    """As the server counts them; the parts that arrived if it does not."""
    is_counted: bool
    """True if the server counted."""
    tokens_per_s: float | None
    """Rate at which the server made tokens, by its own clock: here several may arrive at once.
    None if it does not say."""


@dataclass
class Level:
    """What was measured with so many requests at a time."""

    concurrency: int
    answers: list[Answer] = field(default_factory=list["Answer"])
    failures: list[ArrieroError] = field(default_factory=list["ArrieroError"])
    wall_s: float = 0.0
    """From the first request sent to the last one ended."""


class Load:
    """Asks a server the same kind of question again and again.

    Args:
        host: As `arriero.Client` takes it.
        timeout_s: Budget of each request as a whole.
        model: Which is asked.
        prompt: What it is asked.
        is_same: True asks exactly that each time; else a number stands before it.
        options: Of the model.
        keep_alive: How long it stays loaded.
    """

    def __init__(
        self,
        host: str | None,
        timeout_s: float | None,
        *,
        model: str,
        prompt: str,
        is_same: bool,
        options: dict[str, Any],
        keep_alive: float | str | None,
    ) -> None:
        self.model = model
        self.prompt = prompt
        self.is_same = is_same
        self.options = options
        self._keep_alive = keep_alive
        self._host = host
        self._timeout_s = timeout_s
        # Of the clock: a second measurement must not meet the memory of the first.
        self._numbers = itertools.count(time.time_ns() % 10**9)

    def warm_up(self, requests: int, concurrency: int) -> None:
        """Send requests that do not count.

        Raises:
            ArrieroError: one failed.
        """
        level = Level(concurrency)
        self.run(level, requests, lambda: None)
        if level.failures:
            raise level.failures[0]

    def run(self, level: Level, requests: int, told: Callable[[], None]) -> None:
        """Send requests, so many at a time as `level` says, and fill it.

        A new one is sent when one ends; towards the end fewer are left than the level has.

        Args:
            level: Filled as answers come, so that it holds them if Ctrl-C ends this.
            requests: How many.
            told: Called after each.
        """
        run_async(self._run(level, requests, told))

    async def _run(self, level: Level, requests: int, told: Callable[[], None]) -> None:
        import asyncio

        from arriero import AsyncClient, Retry, Timeouts

        budgets = Timeouts(total_s=self._timeout_s)
        async with AsyncClient(self._host, timeouts=budgets, retry=Retry.none()) as client:
            waiting = iter(range(requests))
            began_s = time.perf_counter()

            async def work() -> None:
                for _ in waiting:  # shared: whoever is free takes the next
                    try:
                        level.answers.append(await self._ask(client))
                    except ArrieroError as error:
                        level.failures.append(error)
                    level.wall_s = time.perf_counter() - began_s
                    told()

            async with asyncio.TaskGroup() as group:
                for _ in range(min(level.concurrency, requests)):
                    group.create_task(work())

    async def _ask(self, client: AsyncClient) -> Answer:
        prompt = self.prompt if self.is_same else f"{next(self._numbers)}. {self.prompt}"
        began_s, parts = time.perf_counter(), 0
        first_s: float | None = None
        stream = await client.generate(
            self.model, prompt, stream=True, options=self.options, keep_alive=self._keep_alive
        )
        async with stream:
            async for part in stream:
                if part.response or part.thinking:
                    parts += 1
                    if first_s is None:
                        first_s = time.perf_counter() - began_s
        total_s = time.perf_counter() - began_s
        whole = stream.response
        counted = whole.eval_count if whole else None
        return Answer(
            total_s if first_s is None else first_s,
            total_s,
            parts if counted is None else counted,
            counted is not None,
            whole.tokens_per_s if whole else None,
        )
