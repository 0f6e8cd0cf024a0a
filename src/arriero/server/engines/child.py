"""The process of a model: loads it, then does what the server asks until the pipe closes.

Run by `process.start_llama`. Nothing here decides anything; it hands messages to the engine of
`llama` and its answers back.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any, cast

from .engine import Delta, Emit, Engine, EngineError
from .frames import (
    FIRST_STEPS,
    Answered,
    Ask,
    Chat,
    Complete,
    Detokenize,
    Embed,
    Failed,
    FromChild,
    Go,
    Load,
    Loaded,
    Reader,
    Render,
    Step,
    Stop,
    ToChild,
    Tokenize,
    Writer,
    as_arguments,
)


def main() -> None:
    """Serve the process that started this one, over standard input and output."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever llama.cpp prints must not stand between the frames.
    os.dup2(2, 1)
    reader: Reader[ToChild] = Reader(source, cast("type[ToChild]", ToChild))
    writer = Writer(target)
    load = reader.read()
    if isinstance(load, Load) and (engine := _loaded(load, writer)) is not None:
        _Session(engine, writer).serve(reader)
    # Generations that still run must not keep the process; the system takes everything back.
    sys.stderr.flush()
    os._exit(0)


def _loaded(load: Load, writer: Writer) -> Engine | None:
    from .llama import load_llama

    try:
        engine = load_llama(Path(load.path), load.plan, **as_arguments(load))
    except EngineError as error:
        writer.write(Failed.of(0, error))
        return None
    writer.write(Loaded(engine.size_bytes, engine.vram_bytes))
    return engine


class _Generation:
    """A generation that runs, seen from the pipe."""

    def __init__(self) -> None:
        self.room = threading.Semaphore(FIRST_STEPS)
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        self.room.release()


class _Session:
    """Answers what is asked of one engine, each ask on a thread of its own."""

    def __init__(self, engine: Engine, writer: Writer) -> None:
        self._engine = engine
        self._writer = writer
        self._running: dict[int, _Generation] = {}

    def serve(self, reader: Reader[ToChild]) -> None:
        """Do what is asked until the pipe closes."""
        while (message := reader.read()) is not None:
            if isinstance(message, Ask):
                self._running[message.number] = _Generation()
                threading.Thread(target=self._answer, args=(message,), daemon=True).start()
            elif isinstance(message, (Go, Stop)):
                self._steer(message)

    def _steer(self, message: Go | Stop) -> None:
        generation = self._running.get(message.number)
        if generation is None:
            return
        if isinstance(message, Stop):
            generation.stop()
        else:
            generation.room.release(message.steps)

    def _answer(self, ask: Ask) -> None:
        last: FromChild
        try:
            last = Answered(ask.number, self._call(ask))
        except EngineError as error:
            last = Failed.of(ask.number, error)
        except Exception as error:
            last = Failed.of(ask.number, EngineError(500, f"{type(error).__name__}: {error}"))
        self._running.pop(ask.number, None)
        self._write(last)

    def _call(self, ask: Ask) -> Any:
        engine = self._engine
        match ask:
            case Chat():
                return engine.chat(ask.conversation, ask.sampling, self._emit(ask.number))
            case Complete():
                return engine.complete(ask.prompt, ask.sampling, self._emit(ask.number))
            case Render():
                return engine.render(ask.conversation)
            case Tokenize():
                return engine.tokenize(ask.text)
            case Detokenize():
                return engine.detokenize(ask.tokens)
            case Embed():
                return engine.embed(ask.texts)
            case _:
                raise EngineError(500, f"the process of a model cannot do {type(ask).__name__}")

    def _emit(self, number: int) -> Emit:
        generation = self._running[number]

        def emit(delta: Delta) -> bool:
            if not generation.stopped:
                generation.room.acquire()
                self._write(Step(number, delta))
            return generation.stopped

        return emit

    def _write(self, message: FromChild) -> None:
        try:
            self._writer.write(message)
        except OSError:
            # The server has gone, and so has the reason for this process.
            os._exit(0)
