"""Load, share, keep and unload models.

One event loop owns all state here, so nothing is locked; only loading, unloading and the
engines' own calls happen on threads.

Behaviour follows Ollama v0.33.0-rc2, server/sched.go: requests for a model that is loaded
as they want it skip the queue; all others wait in one FIFO queue of bounded length whose
head blocks the rest.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from .catalogue import Model
from .engines.engine import Engine, EngineError, LoadPlan
from .options import Options
from .settings import Scheduling
from .workers import Workers

T = TypeVar("T")

_log = logging.getLogger("arriero.server")

_MIN_CONTEXT = 4
_MIN_VISION_CONTEXT = 2048
"""A picture is some hundred tokens, and cannot be cut."""


class Busy(Exception):
    """The load queue is full."""


class ShuttingDown(Exception):
    """The server is being stopped."""


LoadEngine = Callable[[Model, LoadPlan], Engine]
"""Loads a model; blocks. Raises `EngineError`."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One row of `ps`; `expires_in_s` is infinity for a model that stays for good."""

    model: Model
    size_bytes: int
    vram_bytes: int
    expires_in_s: float
    context_length: int


class _Runner:
    """A loaded model and who uses it."""

    def __init__(self, model: Model, plan: LoadPlan, engine: Engine, session_s: float) -> None:
        self.model = model
        self.plan = plan
        self.engine = engine
        self.session_s = session_s
        self.users = 0
        self.leaving = False
        self.idle_since_s = 0.0
        self.slots = asyncio.Semaphore(plan.slots)
        self.timer: asyncio.TimerHandle | None = None
        self.threads = Workers(plan.slots, "arriero-engine")

    @property
    def expires_in_s(self) -> float:
        spent_s = 0.0 if self.users else time.monotonic() - self.idle_since_s
        return self.session_s - spent_s


class Lease:
    """The right to use a loaded model. Release it exactly when done, in any case."""

    def __init__(self, scheduler: Scheduler, runner: _Runner) -> None:
        self._scheduler = scheduler
        self._runner = runner
        self._holds_slot = False
        self._running = 0
        self._released = False
        self._settled = False

    @property
    def engine(self) -> Engine:
        """The loaded model; call its methods through `run` only."""
        return self._runner.engine

    @property
    def plan(self) -> LoadPlan:
        """How the model was loaded."""
        return self._runner.plan

    async def enter(self) -> None:
        """Wait for a slot, in order of arrival."""
        await self._runner.slots.acquire()
        self._holds_slot = True

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Start a blocking call on the engine's threads; the slot must be held."""
        self._running += 1
        future = self._runner.threads.submit(call)
        future.add_done_callback(self._called)
        return future

    async def run(self, call: Callable[[], T]) -> T:
        """Run a blocking call on the engine's threads; the slot must be held.

        Cancelling the caller does not stop the call: the slot stays taken until it ends.
        """
        # Shielded, because cancelling the future would hide that its thread still runs.
        return await asyncio.shield(self.submit(call))

    def release(self) -> None:
        """Give the model back. A call still running on a thread delays it."""
        self._released = True
        self._settle()

    def _called(self, future: asyncio.Future[T]) -> None:
        # Reading the error marks it as seen; whoever awaited the call has had it.
        if not future.cancelled():
            future.exception()
        self._running -= 1
        self._settle()

    def _settle(self) -> None:
        if self._settled or self._running or not self._released:
            return
        self._settled = True
        if self._holds_slot:
            self._runner.slots.release()
        self._scheduler.give_back(self._runner)


@dataclass(slots=True)
class _Waiter:
    model: Model
    plan: LoadPlan
    keep_alive_s: float | None
    lease: asyncio.Future[Lease]


class Scheduler:
    """Hands out leases on loaded models. Use from one event loop only."""

    def __init__(self, settings: Scheduling, load: LoadEngine) -> None:
        self._settings = settings
        self._load = load
        self._runners: dict[str, _Runner] = {}
        self._queue: deque[_Waiter] = deque()
        self._loader: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._unloading: set[asyncio.Task[None]] = set()
        self._stopping = False
        # One thread: loads and unloads never overlap, as memory is what they compete for.
        self._threads = Workers(1, "arriero-load")

    def plan(self, model: Model, options: Options, *, shift: bool) -> LoadPlan:
        """Work out how a request wants its model loaded."""
        trained = model.training_context or math.inf
        wanted = options.integer("num_ctx") or self._settings.context_length
        least = _MIN_VISION_CONTEXT if "vision" in model.capabilities else _MIN_CONTEXT
        context = int(min(max(least, wanted), max(trained, _MIN_CONTEXT)))
        gpu_layers = options.integer("num_gpu")
        mmap = options.given.get("use_mmap")
        slots = self._settings.num_parallel if "completion" in model.capabilities else 1
        # llama.cpp breaks over a batch or a number of threads that makes no sense; every slot
        # needs a place in the batch.
        batch = _bounded(options.integer("num_batch"), context)
        return LoadPlan(
            context_length=context,
            slots=slots,
            batch=None if batch is None else max(batch, slots),
            gpu_layers=-1 if gpu_layers is None else gpu_layers,
            threads=_bounded(options.integer("num_thread"), os.cpu_count() or 1) or 0,
            main_gpu=options.integer("main_gpu"),
            use_mmap=mmap if isinstance(mmap, bool) else None,
            shift=shift,
        )

    async def acquire(self, model: Model, plan: LoadPlan, keep_alive_s: float | None) -> Lease:
        """Get a model that is loaded as `plan` says; load it if need be.

        Args:
            model: Which one.
            plan: How it must be loaded.
            keep_alive_s: New idle time of the model, for everybody; None leaves it.

        Raises:
            Busy: too many requests wait for a load.
            ShuttingDown: the server stops.
            EngineError: the model cannot be loaded.
        """
        if self._stopping:
            raise ShuttingDown
        runner = self._usable(model, plan)
        if runner is not None:
            return self._lease(runner, keep_alive_s)
        if len(self._queue) >= self._settings.max_queue:
            raise Busy
        waiter = _Waiter(model, plan, keep_alive_s, asyncio.get_running_loop().create_future())
        self._queue.append(waiter)
        if self._loader is None:
            self._loader = asyncio.create_task(self._serve_queue(), name="arriero-loader")
        try:
            return await waiter.lease
        except asyncio.CancelledError:
            # The load may have been won in the same step the caller gave up.
            lease = waiter.lease
            if lease.done() and not lease.cancelled() and lease.exception() is None:
                lease.result().release()
            raise

    def expire(self, model: Model) -> None:
        """Unload a model as soon as nobody uses it; nothing happens if it is not loaded."""
        runner = self._runners.get(model.name.folded)
        if runner is not None:
            runner.session_s = 0.0
            if not runner.users:
                self._unload(runner)

    def loaded(self) -> Sequence[Loaded]:
        """Every loaded model, the one that stays longest first."""
        rows = [
            Loaded(
                runner.model,
                runner.engine.size_bytes,
                runner.engine.vram_bytes,
                runner.expires_in_s,
                runner.plan.context_length,
            )
            for runner in self._runners.values()
            if not runner.engine.is_broken
        ]
        return sorted(rows, key=lambda row: -row.expires_in_s)

    def give_back(self, runner: _Runner) -> None:
        """One user of a runner less. For `Lease` only."""
        runner.users -= 1
        if runner.users == 0:
            runner.idle_since_s = time.monotonic()
            ends = runner.session_s <= 0 or runner.leaving or runner.engine.is_broken
            if ends or self._stopping:
                self._unload(runner)
            elif runner.session_s != math.inf:
                loop = asyncio.get_running_loop()
                runner.timer = loop.call_later(runner.session_s, self._unload, runner)
        self._changed.set()

    async def close(self) -> None:
        """Refuse new work, wait for leases to come back, unload everything."""
        self._stopping = True
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.lease.done():
                waiter.lease.set_exception(ShuttingDown())
        self._changed.set()
        if self._loader is not None:
            await self._loader
        for runner in list(self._runners.values()):
            if not runner.users:
                self._unload(runner)
        while self._runners or self._unloading:
            self._changed.clear()
            await self._changed.wait()
        self._threads.close()

    def _usable(self, model: Model, plan: LoadPlan) -> _Runner | None:
        runner = self._runners.get(model.name.folded)
        if runner is None or runner.leaving or not runner.model.loads_as(model):
            return None
        if runner.engine.is_broken:
            return None
        if runner.plan != plan:
            return None
        # The same weights may have got another recipe since.
        runner.model = model
        return runner

    def _lease(self, runner: _Runner, keep_alive_s: float | None) -> Lease:
        if runner.timer is not None:
            runner.timer.cancel()
            runner.timer = None
        runner.users += 1
        if keep_alive_s is not None:
            runner.session_s = keep_alive_s
        return Lease(self, runner)

    async def _serve_queue(self) -> None:
        try:
            while self._queue:
                await self._serve(self._queue.popleft())
        finally:
            self._loader = None

    async def _serve(self, waiter: _Waiter) -> None:
        if waiter.lease.done():
            return
        try:
            runner = await self._runner_for(waiter)
        except (EngineError, ShuttingDown) as error:
            if not waiter.lease.done():
                waiter.lease.set_exception(error)
            return
        if runner is not None:
            lease = self._lease(runner, waiter.keep_alive_s)
            if waiter.lease.done():
                lease.release()
            else:
                waiter.lease.set_result(lease)

    async def _runner_for(self, waiter: _Waiter) -> _Runner | None:
        """Make room, load, and return the runner; None if the waiter has gone meanwhile."""
        while True:
            if self._stopping:
                raise ShuttingDown
            if waiter.lease.done():
                return None
            runner = self._usable(waiter.model, waiter.plan)
            if runner is not None:
                return runner
            if self._makes_room(waiter.model):
                break
            self._changed.clear()
            await self._changed.wait()
        if self._unloading:
            await asyncio.wait(self._unloading)
        name, started_s = waiter.model.name.shortest, time.monotonic()
        engine = await self._threads.submit(partial(self._load, waiter.model, waiter.plan))
        context, slots = waiter.plan.context_length, waiter.plan.slots
        took_s = time.monotonic() - started_s
        _log.info("loaded %s in %.2f s: %d slots of %d tokens", name, took_s, slots, context)
        runner = _Runner(waiter.model, waiter.plan, engine, self._settings.keep_alive_s)
        self._runners[waiter.model.name.folded] = runner
        if self._stopping:
            raise ShuttingDown
        return runner

    def _makes_room(self, model: Model) -> bool:
        """Unload what stands in the way if it is idle; tell whether the way is free."""
        same = self._runners.get(model.name.folded)
        if same is not None:
            # From now on nobody joins it, else a busy model could never be reloaded.
            same.leaving = True
            if not same.users:
                self._unload(same)
            return not same.users
        if len(self._runners) < self._settings.max_loaded_models:
            return True
        idle = [runner for runner in self._runners.values() if not runner.users]
        if idle:
            self._unload(min(idle, key=lambda runner: (runner.session_s, runner.idle_since_s)))
        return bool(idle)

    def _unload(self, runner: _Runner) -> None:
        if self._runners.get(runner.model.name.folded) is not runner:
            return
        del self._runners[runner.model.name.folded]
        runner.leaving = True
        if runner.timer is not None:
            runner.timer.cancel()
        task = asyncio.create_task(self._close(runner), name="arriero-unload")
        self._unloading.add(task)
        task.add_done_callback(self._unloaded)

    async def _close(self, runner: _Runner) -> None:
        def close() -> None:
            runner.threads.close()
            runner.engine.close()

        await self._threads.submit(close)
        _log.info("unloaded %s", runner.model.name.shortest)

    def _unloaded(self, task: asyncio.Task[None]) -> None:
        self._unloading.discard(task)
        self._changed.set()


def _bounded(value: int | None, most: int) -> int | None:
    """An option as far as it can be met; None for what is no number of anything."""
    return min(value, most) if value is not None and value > 0 else None
