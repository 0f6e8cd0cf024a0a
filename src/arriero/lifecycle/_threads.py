"""The sync driver of this room: runs work on hosts, as threads if there are several at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar, cast

from arriero._sync.client import Client
from arriero.errors import ArrieroError
from arriero.lifecycle import machine
from arriero.lifecycle._hosts import HostsBase
from arriero.lifecycle.preflight import Machine
from arriero.lifecycle.rollout import Rollout
from arriero.lifecycle.work import Ask, Note, Stopped, Work

T = TypeVar("T")


class Hosts(HostsBase[Client]):
    """Hosts that are reached by `Client`."""

    def _on(self, host: str, work: Work[T], rollout: Rollout[T] | None = None) -> T:
        """Run work on one host.

        Ctrl-C, and what a handler of SIGTERM raises, ends what is waited for; the work tidies
        up, and then the signal goes on. A second one goes on at once.

        Args:
            host: Which.
            work: What to do there.
            rollout: One that may be interrupted from another thread.
        """
        client: Client = self._client(host)
        signalled: BaseException | None = None
        is_told = False
        try:
            effect = next(work)
            while True:
                try:
                    if rollout is not None and rollout.is_interrupted and not is_told:
                        raise Stopped
                    match effect:
                        case Ask(make):
                            result = client._drive(make(client._target))
                        case Note(act):
                            result = act(self.journal)
                except ArrieroError as error:
                    is_told = is_told or isinstance(error, Stopped)
                    effect = work.throw(error)
                except (KeyboardInterrupt, SystemExit) as signal:
                    if is_told:
                        raise
                    signalled, is_told = signal, True
                    effect = work.throw(Stopped())
                else:
                    effect = work.send(result)
        except StopIteration as done:
            if signalled is not None:
                raise signalled from None
            return cast("T", done.value)
        except ArrieroError:
            if signalled is not None:
                raise signalled from None
            raise

    def _each(self, jobs: Mapping[str, Callable[[], Work[T]]], rollout: Rollout[T]) -> None:
        """Run a job on each host of a rollout, as many at a time as it says."""
        if rollout.parallel == 1:  # on the caller's thread, where Ctrl-C arrives
            while (host := rollout.next()) is not None:
                try:
                    rollout.succeeded(host, self._on(host, jobs[host]()))
                except ArrieroError as error:
                    rollout.failed(host, error)
            return
        with ThreadPoolExecutor(rollout.parallel, "arriero-rollout") as pool:
            try:
                self._together(jobs, rollout, pool)
            except BaseException:
                rollout.is_interrupted = True  # leaving the pool waits until each has tidied up
                raise

    def _together(
        self,
        jobs: Mapping[str, Callable[[], Work[T]]],
        rollout: Rollout[T],
        pool: ThreadPoolExecutor,
    ) -> None:
        running: dict[Future[T], str] = {}
        while True:
            while (host := rollout.next()) is not None:
                running[pool.submit(self._on, host, jobs[host](), rollout)] = host
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                host = running.pop(future)
                try:
                    rollout.succeeded(host, future.result())
                except ArrieroError as error:
                    rollout.failed(host, error)

    def _look(self, host: str) -> Machine:
        return machine.look(host)
