"""A client process: ``python -m benchmarks.worker SUBJECT URL``.

Reads jobs from standard input, one JSON object a line, runs each, and answers with the CPU
time it took. Everything that is not the job - imports, clients, connections - comes before.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from benchmarks import pace


def main(subject: str, url: str) -> None:
    """Run jobs until standard input closes."""
    module = importlib.import_module(f"benchmarks.of_{subject}")
    jobs = _Jobs(module, url)
    for line in sys.stdin:
        order = json.loads(line)
        run = jobs.job(order["job"])
        gc.collect()
        pace.start()
        units = run(order["model"], order["count"])
        answer = {
            "cpu_s": pace.spent_s(),
            "units": units,
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
        print(json.dumps(answer), flush=True)
    jobs.close()


class _Jobs:
    """Jobs of one subject, prepared when they are first asked for."""

    def __init__(self, module: Any, url: str) -> None:
        self._module = module
        self._url = url
        self._made: dict[str, Callable[[str, int], int]] = {}
        self._stack = AsyncExitStack()
        self._runner: Any = None

    def job(self, name: str) -> Callable[[str, int], int]:
        """Give a job; one of an event loop becomes a plain function."""
        if name not in self._made:
            make = getattr(self._module, name)
            is_async = name.startswith(("async_", "many_"))
            self._made[name] = self._in_loop(make) if is_async else make(self._url, self._stack)
        return self._made[name]

    def _in_loop(self, make: Callable[..., Any]) -> Callable[[str, int], int]:
        import asyncio  # what the sync jobs are measured without

        self._runner = runner = self._runner or asyncio.Runner()

        async def prepare() -> Any:
            return make(self._url, self._stack)

        run = runner.run(prepare())
        return lambda model, count: runner.run(run(model, count))

    def close(self) -> None:
        """Close what the jobs left open."""
        import asyncio

        runner = self._runner or asyncio.Runner()
        runner.run(self._stack.aclose())
        runner.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
