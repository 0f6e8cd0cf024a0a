"""The async driver of this room: runs work on hosts, as tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, cast

from arriero._async.client import AsyncClient
from arriero.errors import ArrieroError
from arriero.lifecycle import machine
from arriero.lifecycle._hosts import HostsBase
from arriero.lifecycle.preflight import Machine
from arriero.lifecycle.rollout import Rollout
from arriero.lifecycle.work import Ask, Note, Stopped, Work

T = TypeVar("T")


class AsyncHosts(HostsBase[AsyncClient]):
    """Hosts that are reached by `AsyncClient`."""

    async def _on(self, host: str, work: Work[T]) -> T:
        """Run work on one host. Cancelled, the work tidies up first; a second time, it does not."""
        client: AsyncClient = self._client(host)
        cancelled: asyncio.CancelledError | None = None
        try:
            effect = next(work)
            while True:
                try:
                    match effect:
                        case Ask(make):
                            result = await client._drive(make(client._target))
                        case Note(act):
                            result = await _to_its_end(asyncio.to_thread(act, self.journal))
                except ArrieroError as error:
                    effect = work.throw(error)
                except asyncio.CancelledError as error:
                    if cancelled is not None:
                        raise
                    cancelled = error
                    effect = work.throw(Stopped())
                else:
                    effect = work.send(result)
        except StopIteration as done:
            if cancelled is not None:
                raise cancelled from None
            return cast("T", done.value)
        except ArrieroError:
            if cancelled is not None:
                raise cancelled from None
            raise

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


async def _to_its_end(thread: Coroutine[Any, Any, T]) -> T:
    """Wait for a thread, also if cancelled: nothing is written after it that it might undo."""
    task = asyncio.ensure_future(thread)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.exception()
        raise
