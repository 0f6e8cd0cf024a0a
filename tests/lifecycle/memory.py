"""Runs operations of the core against servers in memory, on a clock that jumps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from arriero._core.effects import Drop, HashFile, Operation, ReadBody, ReadPart, Send, Sleep
from arriero._core.host import origin_of
from arriero._core.http import Fault, Head
from arriero._core.progress import Target
from arriero.errors import ArrieroError
from arriero.lifecycle.journal import Journal
from arriero.lifecycle.work import Ask, Note, Work
from tests.core.script import Clock, target
from tests.lifecycle.ollama import Ollama, sha

HOST = "http://gpu1:11434"


class Crash(BaseException):
    """The process is gone: nobody gets to tidy up."""


class Fuse:
    """Ends the process at some act: before it, or after it was done and before it was known.

    Attributes:
        acts: How many there were.
    """

    def __init__(self, at: int = -1, *, after: bool = False) -> None:
        self._at, self._after = at, after
        self.acts = 0

    def run(self, act: Callable[[], Any]) -> Any:
        """Do something, unless this is where it ends."""
        is_last = self.acts == self._at
        self.acts += 1
        if is_last and not self._after:
            raise Crash
        result = act()
        if is_last:
            raise Crash
        return result


class Memory:
    """A driver for one client.

    Attributes:
        slept: The waits so far.
        is_open: True while an answer is open.
        fuse: Where it ends.
    """

    def __init__(self, server: Ollama, host: str = HOST, **more: Any) -> None:
        self.server = server
        self.host = host
        self.clock = Clock()
        self.target: Target = target(host, clock=self.clock, **more)
        self.slept: list[float] = []
        self.is_open = False
        self.fuse = Fuse()
        self._records: Iterator[Any] = iter(())

    def run(self, operation: Operation[Any]) -> Any:
        """Run an operation to its end."""
        try:
            effect = next(operation)
            while True:
                try:
                    result = self.fuse.run(partial(self._act, effect))
                except (Fault, OSError) as fault:
                    self.is_open = False
                    effect = operation.throw(fault)
                else:
                    effect = operation.send(result)
        except StopIteration as done:
            assert not self.is_open, "an answer was left open"
            return done.value

    def _act(self, effect: Any) -> Any:
        match effect:
            case Send(request):
                assert not self.is_open, "the answer before was left open"
                raw: Any = request.body
                body: Mapping[str, Any] = json.loads(raw) if raw else {}
                path = request.url.removeprefix(origin_of(request.url))
                status, records = self.server.answer(request.method, path, body)
                self._records, self.is_open = iter(records), True
                return Head(status, {})
            case ReadBody():
                self.is_open = False
                return b"\n".join(self._coded(record) for record in self._records)
            case ReadPart(until):
                return self._part(until)
            case Drop():
                self.is_open = False
            case Sleep(seconds):
                self.slept.append(seconds)
                self.clock.now_s += seconds
            case HashFile(path):
                data = Path(path).read_bytes()
                return sha(data), len(data)
            case _:
                raise AssertionError(effect)
        return None

    def work(self, work: Work[Any], journal: Journal) -> Any:
        """Run work to its end, as a driver of `arriero.lifecycle` does."""
        try:
            effect = next(work)
            while True:
                try:
                    match effect:
                        case Ask(make):
                            result = self.run(make(self.target))
                        case Note(act):
                            result = self.fuse.run(partial(act, journal))
                except ArrieroError as error:
                    effect = work.throw(error)
                else:
                    effect = work.send(result)
        except StopIteration as done:
            return done.value

    def _part(self, until: float | None) -> bytes:
        self.clock.now_s += 0.05
        record = next(self._records, None)
        if record is None:
            self.is_open = False
            return b""
        if record == "cut":
            raise Fault("lost", "body", "connection reset")
        if record == "stall":
            assert until is not None, "this would wait for ever"
            self.clock.now_s = until
            raise Fault("timeout", "body", "no record in time")
        return self._coded(record) + b"\n"

    @staticmethod
    def _coded(record: Any) -> bytes:
        return record if isinstance(record, bytes) else json.dumps(record).encode()
