"""Runs the rows: starts processes, interleaves subjects, and collects CPU times."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks import wire
from benchmarks.rows import Cold, Memory, Size, Target, Work

SUBJECTS = ("arriero", "ollama", "floor")


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of what the rounds gave."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Sum up `values`; of fewer than four, low and high are the extremes."""
        if len(values) < 4:
            return cls(statistics.median(values), min(values), max(values))
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


@dataclass(frozen=True)
class Result:
    """One measured row."""

    name: str
    unit: str
    values: dict[str, list[float]]
    """Subject to what each round gave, in `unit`."""
    targets: dict[str, Target] = field(default_factory=dict)

    def spread(self, subject: str) -> Spread:
        """Sum up the rounds of one subject."""
        return Spread.of(self.values[subject])

    def is_added(self, other: str) -> bool:
        """Tell whether what is added to `other` counts, instead of the ratio."""
        target = self.targets.get(other)
        return target is not None and target.is_added

    def ratio(self, other: str) -> Spread:
        """Sum up the ratios to `other`, or the differences, each taken within one round."""
        pairs = list(zip(self.values["arriero"], self.values[other], strict=True))
        if self.is_added(other):
            return Spread.of([ours - theirs for ours, theirs in pairs])
        return Spread.of([ours / theirs for ours, theirs in pairs])

    def verdict(self, other: str) -> bool | None:
        """Tell whether the target beside `other` holds; None if there is none."""
        target = self.targets.get(other)
        return None if target is None else target.holds(self.ratio(other).median)


def _environment() -> dict[str, str]:
    """Leave out what would change how clients behave.

    Also what keeps Python from writing bytecode: installed packages have theirs, a checkout
    writes its own in the round that is not counted.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY")
        and not name.startswith("OLLAMA_")
        and name != "PYTHONDONTWRITEBYTECODE"
    }


def _start(*arguments: str, core: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    _pin(process.pid, core)
    return process


def _pin(pid: int, core: int) -> None:
    """Keep server and clients on a core each: moving costs them their caches."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, {cores[core % len(cores)]})


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@contextmanager
def serving() -> Iterator[str]:
    """Run the server and give its URL."""
    process = _start("-m", "benchmarks.server", core=0)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        _end(process)


class Workers:
    """Client processes, one for each subject."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._running: dict[str, subprocess.Popen[str]] = {}

    def run(self, subject: str, job: str, model: str, count: int) -> dict[str, Any]:
        """Have `subject` do a job, and give what it took.

        Raises:
            RuntimeError: the process died.
        """
        process = self._running.get(subject)
        if process is None:
            process = _start("-m", "benchmarks.worker", subject, self._url, core=1)
            self._running[subject] = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"job": job, "model": model, "count": count}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {subject} died at {job}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in self._running.values():
            _end(process)


def _order(number: int) -> tuple[str, ...]:
    """Give the subjects of a round; each comes first in turn."""
    start = number % len(SUBJECTS)
    return SUBJECTS[start:] + SUBJECTS[:start]


def measure_work(row: Work, size: Size, workers: Workers) -> Result:
    """Measure a warm job, after one round that is not counted."""
    model, count, units = row.plans[size]
    values: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    warming = _warming(size)
    for number in range(row.rounds[size] + warming):
        for subject in _order(number):
            answer = workers.run(subject, row.job, model, count)
            if answer["units"] != units:
                raise RuntimeError(
                    f"{subject} did {answer['units']} of {units} units of {row.name!r}"
                )
            if number >= warming:
                values[subject].append(row.value(answer["cpu_s"], units))
    return Result(row.name, row.unit, values, dict(row.targets))


def _warming(size: Size) -> int:
    """Give how many rounds come first that are not counted."""
    return 0 if size == "smoke" else 1


def measure_cold(row: Cold, size: Size, url: str) -> Result:
    """Measure whole processes, beside one that does nothing."""
    values: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    programs = {subject: code.format(url=url) for subject, code in row.code.items()}
    warming = _warming(size)
    for number in range(row.rounds[size] + warming):
        bare_s = _cpu_s_of("pass")
        for subject in _order(number):
            spent_s = _cpu_s_of(programs[subject]) - bare_s
            if number >= warming:
                values[subject].append(max(spent_s, 1e-5) * 1e3)
    return Result(row.name, row.unit, values, dict(row.targets))


def _cpu_s_of(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], env=_environment())
    _pin(process.pid, 1)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"a program of the benchmark failed:\n{code}")
    return usage.ru_utime + usage.ru_stime


def measure_memory(row: Memory, size: Size, workers: Workers) -> Result:
    """Measure how much higher the peak is after the longer stream."""
    values: dict[str, list[float]] = {}
    for subject in SUBJECTS:
        few, many = (
            workers.run(subject, row.job, wire.together(parts), 1)["peak_kib"]
            for parts in row.parts[size]
        )
        values[subject] = [float(many - few)]
    return Result(row.name, row.unit, values)


def measure_all(rows: Sequence[Work | Cold | Memory], size: Size, url: str) -> Iterator[Result]:
    """Measure rows one after another, each with processes of its own."""
    with ExitStack() as stack:
        workers: Workers | None = None
        for row in rows:
            if workers is None or size != "smoke":  # a smoke test has no time for new ones
                stack.close()
                workers = stack.enter_context(Workers(url))
            if isinstance(row, Work):
                yield measure_work(row, size, workers)
            elif isinstance(row, Cold):
                yield measure_cold(row, size, url)
            else:
                yield measure_memory(row, size, workers)
