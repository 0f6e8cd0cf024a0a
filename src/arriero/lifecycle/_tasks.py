"""The async driver of this room: runs work on hosts, as tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from arriero._async.client import AsyncClient
from arriero.errors import ArrieroError
from arriero.lifecycle import machine
from arriero.lifecycle._hosts import HostsBase
from arriero.lifecycle.preflight import Machine
from arriero.lifecycle.rollout import Rollout
from arriero.lifecycle.work import Ask, Note, Work

T = TypeVar("T")


class AsyncHosts(HostsBase[AsyncClient]):
    """Hosts that are reached by `AsyncClient`."""

    async def _on(self, host: str, work: Work[T]) -> T:
        """Run work on one host."""
        client: AsyncClient = self._client(host)
        try:
            effect = next(work)
            while True:
                try:
                    match effect:
                        case Ask(make):
                            result = await client._drive(make(client._target))
                        case Note(act):
                            result = await asyncio.to_thread(act, self.journal)
                except ArrieroError as error:
                    effect = work.throw(error)
                else:
                    effect = work.send(result)
        except StopIteration as done:
            return cast("T", done.value)

    async def _each(self, jobs: Mapping[str, Callable[[], Work[T]]], rollout: Rollout[T]) -> None:
        """Run a job on each host of a rollout, as many at a time as it says."""
        running: dict[asyncio.Task[T], str] = {}
        try:
            while True:
                while (host := rollout.next()) is not None:
                    running[asyncio.create_task(self._on(host, jobs[host]()))] = host
                if not running:
                    return
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    host = running.pop(task)
                    try:
                        rollout.succeeded(host, task.result())
                    except ArrieroError as error:
                        rollout.failed(host, error)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _look(self, host: str) -> Machine:
        return await asyncio.to_thread(machine.look, host)
